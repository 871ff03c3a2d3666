package node

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// operations is what an operator does to a group, one after the other, with what is to be refused among it.
func operations() (out []machine.Event) {
	out = append(out,
		gdoi.CmdRekey{Group: "red", ID: 1},
		gdoi.CmdRekey{Group: "blue", ID: 1},
		gdoi.CmdRekey{Group: "blue", KEK: true, ID: 1},
		gdoi.CmdRekey{Group: "blue", ID: 1}, gdoi.CmdRekey{Group: "blue", ID: 1}, // there are too many TEKs now
		gdoi.CmdClearMembers{Group: "blue", ID: 1},
		gdoi.CmdRemoveMember{Group: "blue", Members: []string{gmAddr(2).Addr().String()}, ID: 1},
		gdoi.CmdRemoveMember{Group: "blue", Members: []string{gmAddr(2).Addr().String()}, Now: true, ID: 1},
		gdoi.CmdRemoveMember{Group: "blue", Members: []string{"nobody"}, Now: true, ID: 1},
		gdoi.CmdRemoveMember{Group: "blue", Now: true, ID: 1},
		gdoi.CmdReadmit{Group: "blue", Member: gmAddr(3).Addr().String(), ID: 1},
		gdoi.CmdReadmit{Group: "blue", Member: gmAddr(2).Addr().String(), ID: 1},
		gdoi.CmdClearMember{Group: "blue", Member: "nobody", ID: 1},
		gdoi.CmdClearMember{Group: "blue", Member: gmAddr(1).String(), ID: 1},
		gdoi.CmdHandover{Group: "blue", ID: 1},
		gdoi.CmdReregister{Group: "blue", ID: 1},
		gdoi.CmdClearMembers{Group: "blue", Now: true, ID: 1},
		gdoi.CmdClearMembers{Group: "red", Now: true, ID: 1})
	return out
}

// operate carries out all operations. With looks, each is foreseen before, twice, and held against what came of it.
func operate(t *testing.T, p *party, looks bool) (answers []string) {
	t.Helper()
	for _, ev := range operations() {
		var f Foresight
		var err error
		if looks {
			before, at, ok := p.ks.Snapshot(p.now), machine.Instant(0), false
			at, ok = p.ks.Deadline()
			for range 2 {
				f, err = p.ks.Foresee(p.now, ev)
			}
			if after := p.ks.Snapshot(p.now); !reflect.DeepEqual(before, after) {
				t.Errorf("%T changes something by being foreseen: %+v, now %+v", ev, before, after)
			}
			if at2, ok2 := p.ks.Deadline(); at2 != at || ok2 != ok {
				t.Errorf("%T: something is due at %v, no longer %v", ev, at2, at)
			}
		}
		from := len(p.effects[ksAddr])
		p.step(ksAddr, ev)
		p.run(time.Second) // a token takes its time
		i := slices.IndexFunc(p.effects[ksAddr][from:], func(e machine.Effect) bool { _, ok := e.(gdoi.CommandResult); return ok })
		if i < 0 {
			t.Fatalf("%T is not answered", ev)
		}
		r := p.effects[ksAddr][from+i].(gdoi.CommandResult)
		answers = append(answers, r.Text+r.Err)
		switch {
		case !looks:
		case err != nil && err.Error() != r.Err:
			t.Errorf("%+v: foreseen %v, and was %q %q", ev, err, r.Text, r.Err)
		case err == nil && (f.Text == "" || r.Err != "" && f.Unforeseen == ""):
			t.Errorf("%+v: foreseen %+v, and was refused: %s", ev, f, r.Err)
		}
	}
	return answers
}

// TestForesee: what is foreseen comes, refusals in the same words, and to foresee it changes nothing: a key server that was
// asked all the time sends the same octets as one that never was.
func TestForesee(t *testing.T) {
	for _, custody := range []bool{false, true} {
		start := func() *party {
			if custody {
				return newCustodyParty(t, 3).registered()
			}
			return newParty(t, 3)
		}
		asked, alone := start(), start()
		got, want := operate(t, asked, true), operate(t, alone, false)
		asked.run(time.Minute)
		alone.run(time.Minute)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("custody %t: answers: %s", custody, d)
		}
		refused := 0
		for _, a := range got {
			if strings.Contains(a, "no group") || strings.Contains(a, "try again then") || strings.Contains(a, "see the list") {
				refused++
			}
		}
		if refused < 5 {
			t.Errorf("custody %t: only %d are refused of %q", custody, refused, got)
		}
		same := slices.EqualFunc(asked.log, alone.log, func(a, b machine.Datagram) bool {
			return a.Local == b.Local && a.Remote == b.Remote && string(a.Bytes) == string(b.Bytes)
		})
		if !same || len(asked.log) < 50 {
			t.Errorf("custody %t: %d and %d datagrams, the same: %t", custody, len(asked.log), len(alone.log), same)
		}
	}
}

// TestForeseeWithoutToken: while the token is gone, what takes a new KEK is refused, foreseen or not.
func TestForeseeWithoutToken(t *testing.T) {
	p := newCustodyParty(t, 2).registered()
	p.step(ksAddr, machine.CustodyState{Problem: "pulled out"})
	for _, ev := range []machine.Event{
		gdoi.CmdRekey{Group: "blue", KEK: true, ID: 1}, gdoi.CmdRekey{Group: "blue", ID: 1}, gdoi.CmdClearMembers{Group: "blue", ID: 1},
		gdoi.CmdRemoveMember{Group: "blue", Members: []string{gmAddr(2).Addr().String()}, ID: 1}, gdoi.CmdRotate{Group: "blue", Key: "sig-2", ID: 1},
	} {
		_, err := p.ks.Foresee(p.now, ev)
		if err == nil || !strings.Contains(err.Error(), "pulled out") {
			t.Errorf("%T: %v", ev, err)
		}
		if _, rotate := ev.(gdoi.CmdRotate); rotate {
			continue // its key is looked at first
		}
		if r := p.world.command(ev); err != nil && r.Err != err.Error() {
			t.Errorf("%T: foreseen %v, and was %q", ev, err, r.Err)
		}
	}
}

// TestForeseeAmongKeyServers: at a secondary, at the primary, and with one that is out of reach.
func TestForeseeAmongKeyServers(t *testing.T) {
	f := newFleetThat(t, coop.Continue, 2, coop.FastTimers, short)
	primary := f.settled()
	see := func(s *realmServer, ev machine.Event) (Foresight, string) {
		got, err := s.n.Foresee(f.now, ev)
		if err != nil {
			return got, err.Error()
		}
		return got, ""
	}
	for _, s := range f.servers {
		_, err := see(s, gdoi.CmdRekey{Group: "blue"})
		if s != primary != strings.Contains(err, "which is primary, takes this command") {
			t.Errorf("a rekey at %d: %q", s.id, err)
		}
		if _, err := see(s, gdoi.CmdHandover{Group: "blue"}); s != primary != strings.Contains(err, "which is primary") {
			t.Errorf("a handover at %d: %q", s.id, err)
		}
	}
	if got, _ := see(primary, gdoi.CmdRekey{Group: "blue"}); !strings.Contains(got.Unforeseen, "all other key servers") {
		t.Errorf("a rekey: %+v", got)
	}
	if got, err := see(primary, gdoi.CmdHandover{Group: "blue", To: "2"}); err != "" || !strings.Contains(got.Text, "key server 2 would be primary") || got.Unforeseen == "" {
		t.Errorf("a handover: %+v %s", got, err)
	}
	if _, err := see(primary, gdoi.CmdHandover{Group: "blue", To: "9"}); !strings.Contains(err, "no other key server") {
		t.Errorf("a handover to nobody: %s", err)
	}
	f.servers[2].dead = true
	f.run(2 * time.Second)
	if _, err := see(primary, gdoi.CmdHandover{Group: "blue", To: "3"}); !strings.Contains(err, "out of reach") {
		t.Errorf("a handover to one that is dead: %s", err)
	}
	if _, err := see(primary, gdoi.CmdRekey{Group: "blue"}); !strings.Contains(err, "out of reach") {
		t.Errorf("a rekey with one missing: %s", err)
	}
}

// TestForeseeMember: a member's own.
func TestForeseeMember(t *testing.T) {
	p := newParty(t, 1)
	for _, row := range []struct {
		ev        machine.Event
		want, err string
	}{
		{gdoi.CmdReregister{Group: "blue"}, "would register again", ""},
		{gdoi.CmdReregister{Group: "red"}, "", "no group"},
		{gdoi.CmdStop{}, "would end", ""},
		{gdoi.CmdRekey{Group: "blue"}, "", "foreseen"},
	} {
		f, err := p.gm[1].Foresee(p.now, row.ev)
		if (err != nil) != (row.err != "") || err != nil && !strings.Contains(err.Error(), row.err) || !strings.Contains(f.Text, row.want) {
			t.Errorf("%T: %+v %v", row.ev, f, err)
		}
	}
}
