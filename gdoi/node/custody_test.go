package node

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func inCustody(t testing.TB) keyserver.Config {
	cfg := blue(t)
	cfg.Custody = true
	return cfg
}

// newCustodyParty is a group whose KEKs are in a token, with members 1 to n, none of which runs yet. Whatever the key server
// does, it must not have the value of a KEK between two steps, nor on its disk.
func newCustodyParty(t testing.TB, n int) *party {
	p := &party{world: newWorld(t), gm: map[int]*GroupMember{}}
	p.token = newFakeToken()
	p.ks = p.keyServer(Limits{}, inCustody(t))
	p.after = func() { p.wantNoValues() }
	for i := 1; i <= n; i++ {
		p.gm[i] = p.member(gmAddr(i), rightPSK)
	}
	return p
}

// registered lets time pass until all members must have registered.
func (p *party) registered() *party {
	p.t.Helper()
	p.run(10 * time.Second)
	for i := range p.gm {
		if s := p.state(i); s.State != member.Registered || !s.KeyTree {
			p.t.Fatalf("member %d is %v, with a path in the key tree: %t", i, s.State, s.KeyTree)
		}
	}
	return p
}

func (p *party) wantNoValues() {
	p.t.Helper()
	for _, told := range p.token.told {
		if slices.ContainsFunc(p.token.values, func(v []byte) bool { return bytes.Equal(v, told) }) {
			p.t.Fatalf("%v: a KEK that was told is not wiped after the step", time.Duration(p.now.Mono))
		}
	}
	for _, v := range p.token.values {
		if at := findOctets(reflect.ValueOf(p.ks), v); at != "" {
			p.t.Fatalf("%v: the value of a KEK is in the process: %s", time.Duration(p.now.Mono), at)
		}
	}
}

func (p *party) wantCleanDisk() {
	p.t.Helper()
	for key, r := range p.disk {
		for _, v := range p.token.values {
			if bytes.Contains(r.Value, v) || bytes.Contains(r.Value, []byte(base64.StdEncoding.EncodeToString(v))) {
				p.t.Errorf("record %s holds the value of a KEK", key)
			}
		}
	}
}

// wantTidy: the token has the KEKs that are in use, and no others.
func (p *party) wantTidy() {
	p.t.Helper()
	if got, want := p.token.keks(), p.ks.KEKNames(); !slices.Equal(got, want) {
		p.t.Errorf("the token has %v; in use are %v", got, want)
	}
}

// findOctets says where in a value, in whatever it leads to, these octets are; empty: nowhere.
func findOctets(root reflect.Value, want []byte) string {
	seen := map[uintptr]bool{}
	var walk func(v reflect.Value, at string) string
	walk = func(v reflect.Value, at string) string {
		switch v.Kind() {
		case reflect.Pointer:
			if v.IsNil() || seen[v.Pointer()] {
				return ""
			}
			seen[v.Pointer()] = true
			return walk(v.Elem(), at)
		case reflect.Interface:
			if !v.IsNil() {
				return walk(v.Elem(), at)
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if found := walk(v.Field(i), at+"."+v.Type().Field(i).Name); found != "" {
					return found
				}
			}
		case reflect.Map:
			for it := v.MapRange(); it.Next(); {
				if found := walk(it.Value(), at+"[]"); found != "" {
					return found
				}
			}
		case reflect.Slice:
			if v.Type().Elem().Kind() == reflect.Uint8 {
				if b := v.Bytes(); bytes.Contains(b[:cap(b)], want) {
					return at
				}
				return ""
			}
			for i := range v.Len() {
				if found := walk(v.Index(i), at+"[]"); found != "" {
					return found
				}
			}
		}
		return ""
	}
	return walk(root, "key server")
}

func TestTheWalkFindsAKEKInTheProcess(t *testing.T) {
	p := newParty(t, 1)
	if at := findOctets(reflect.ValueOf(p.ks), p.kekValue()); !strings.Contains(at, "keks") {
		t.Errorf("found at %q; want among the group's KEKs", at)
	}
}

// kekValue is the newest KEK, from its record.
func (p *party) kekValue() []byte {
	for key, r := range p.disk {
		if strings.Contains(key, "/kek/") {
			_, rest, _ := strings.Cut(string(r.Value), `"Key":"`)
			text, _, _ := strings.Cut(rest, `"`)
			if b, err := base64.StdEncoding.DecodeString(text); err == nil && len(b) > 0 {
				return b
			}
		}
	}
	p.t.Fatal("no KEK on the disk")
	return nil
}

func TestCustodyRegistersAndRekeys(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	if n := p.token.count(machine.KeyReveal); n != 1 && n != 2 && n != 3 {
		t.Errorf("the KEK was told %d times for 3 registrations", n)
	}
	p.command(gdoi.CmdRekey{Group: "blue", ID: 1})
	p.run(5 * time.Second)
	p.wantAll(1)
	p.command(gdoi.CmdRekey{Group: "blue", KEK: true, ID: 2})
	p.run(5 * time.Second)
	p.wantAll(1)
	p.run(30 * time.Hour) // a KEK lifetime, and many of a TEK
	p.wantAll(0)
	for _, m := range p.group().Members {
		if m.AckCount == 0 {
			t.Errorf("%v has acknowledged nothing", m.Identity)
		}
	}
	if n := p.notes(ksAddr, gdoi.NoteRekeyUnacked); n > 0 {
		t.Errorf("%d rekeys were not acknowledged", n)
	}
	p.run(5 * delay)
	p.wantTidy()
	p.wantCleanDisk()
}

func TestCustodyRegistrationsShareOneAnswer(t *testing.T) {
	p := newCustodyParty(t, 5)
	p.token.delay = 300 * time.Millisecond
	p.registered()
	if n := p.token.count(machine.KeyReveal); n > 2 {
		t.Errorf("the KEK was told %d times for registrations that came together", n)
	}
	p.wantAll(1)
}

func TestCustodyRemoval(t *testing.T) {
	p := newCustodyParty(t, 4).registered()
	mark := len(p.log)
	p.step(ksAddr, gdoi.CmdRemoveMember{Group: "blue", Members: []string{gmAddr(2).Addr().String()}, ID: 7})
	p.run(5 * time.Second)
	p.wantResult(7, "")
	p.wantAll(1, 2)
	if n := len(p.pushes(mark)); n != 2 {
		t.Errorf("%d messages; want the new KEK and the new TEKs", n)
	}
	if len(p.group().Removed) != 1 {
		t.Error("nobody is on the list of the removed")
	}
	p.run(5 * delay)
	p.wantTidy()
	p.wantCleanDisk()
}

// wantResult: the command was answered, with an error that says so, or without one.
func (p *party) wantResult(id uint64, says string) {
	p.t.Helper()
	for _, e := range p.effects[ksAddr] {
		if r, ok := e.(gdoi.CommandResult); ok && r.ID == id {
			if (r.Err == "") != (says == "") || !strings.Contains(r.Err, says) {
				p.t.Errorf("the answer to command %d is %q; want %q", id, r.Err, says)
			}
			return
		}
	}
	p.t.Errorf("no answer to command %d", id)
}

func TestCustodyLostAndBack(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	before := p.group()
	p.token.problem = errTokenGone
	p.step(ksAddr, machine.CustodyState{Problem: errTokenGone.Error()})
	for id, ev := range map[uint64]machine.Event{
		1: gdoi.CmdRekey{Group: "blue", ID: 1}, 2: gdoi.CmdRekey{Group: "blue", KEK: true, ID: 2},
		3: gdoi.CmdRemoveMember{Group: "blue", Members: []string{gmAddr(2).Addr().String()}, ID: 3}, 4: gdoi.CmdClearMembers{Group: "blue", ID: 4},
	} {
		p.step(ksAddr, ev)
		p.wantResult(id, "custody is gone")
	}
	late := p.member(gmAddr(9), rightPSK)
	p.gm[9] = late
	p.run(2 * time.Minute)
	after := p.group()
	if len(after.KEKs) != 1 || after.KEKs[0].SPI != before.KEKs[0].SPI || len(after.Members) != 3 {
		t.Errorf("%d KEKs, %d members; want the same KEK and 3", len(after.KEKs), len(after.Members))
	}
	if len(after.Problems) == 0 || !strings.Contains(after.Problems[0], "custody is gone") {
		t.Errorf("problems %v", after.Problems)
	}
	if s := p.state(9); s.State == member.Registered {
		t.Error("a member has registered while the KEK could not be told")
	}
	p.wantAll(1, 9)
	p.token.problem = nil
	p.step(ksAddr, machine.CustodyState{})
	p.run(40 * time.Second)
	p.wantAll(1)
	if n := len(p.group().Problems); n > 0 {
		t.Errorf("problems %v", p.group().Problems)
	}
	p.wantNotes(ksAddr, gdoi.NoteCustodyLost, 1)
	p.wantNotes(ksAddr, gdoi.NoteCustodyBack, 1)
}

// TestCustodyGoneAcrossARekey: keys that are due while the custody is gone come when it is back, and nobody loses a packet as
// long as that is before the old ones end.
func TestCustodyGoneAcrossARekey(t *testing.T) {
	for _, tell := range []bool{true, false} {
		p := newCustodyParty(t, 3).registered()
		p.watch()
		p.run(keyserver.DefaultTEKLifetime - 4*delay - 15*time.Second) // shortly before the rollover
		p.token.problem = errTokenGone
		if tell {
			p.step(ksAddr, machine.CustodyState{Problem: "gone"})
		}
		p.run(100 * time.Second)
		p.token.problem = nil
		if tell {
			p.step(ksAddr, machine.CustodyState{})
		}
		p.run(5 * time.Minute)
		p.wantAll(0)
		p.run(2 * time.Hour)
		p.wantAll(0)
	}
}

// watch fails the test when a member sends with a key that another one does not have.
func (p *party) watch() { p.watchWith(p.after) }

func (p *party) watchWith(inner func()) {
	last := machine.Instant(-1)
	p.after = func() {
		inner()
		if p.now.Mono == last {
			return
		}
		last = p.now.Mono
		p.wantTalk()
	}
}

func (p *party) wantTalk() {
	p.t.Helper()
	for i := range p.gm {
		a := p.state(i)
		for j := range p.gm {
			if b := p.state(j); a.Sending != 0 && b.State == member.Registered && !p.has(j, a.Sending) {
				p.t.Fatalf("%v: member %d sends with %v, which member %d does not have", time.Duration(p.now.Mono), i, a.Sending, j)
			}
		}
	}
}

func TestCustodyFull(t *testing.T) {
	p := newCustodyParty(t, 2)
	p.token.refuse = func(c machine.KeyCall) error {
		if c.Op == machine.KeyGenerate {
			return errTokenFull
		}
		return nil
	}
	p.run(time.Minute)
	if s := p.group(); len(s.TEKs)+len(s.KEKs) > 0 || len(s.Problems) == 0 || !strings.Contains(s.Problems[0], "no room") {
		t.Errorf("%d TEKs, %d KEKs, problems %v; want none and why", len(s.TEKs), len(s.KEKs), s.Problems)
	}
	p.step(ksAddr, gdoi.CmdRekey{Group: "blue", ID: 1})
	p.wantResult(1, "custody")
	p.token.refuse = nil
	p.run(time.Minute)
	p.wantAll(1)
	full := func(c machine.KeyCall) error {
		if c.Op == machine.KeyGenerate {
			return errTokenFull
		}
		return nil
	}
	// The spare KEK is there: one rollover goes on, the next one waits.
	p.token.refuse = full
	p.command(gdoi.CmdRekey{Group: "blue", KEK: true, ID: 2})
	p.run(10 * time.Second)
	p.wantAll(1)
	p.step(ksAddr, gdoi.CmdRekey{Group: "blue", KEK: true, ID: 3})
	p.wantResult(3, "custody")
	p.command(gdoi.CmdRekey{Group: "blue", ID: 4}) // TEKs need none
	p.after = nil                                  // the walk would take long in a day of attempts
	p.run(keyserver.DefaultKEKLifetime - 2*time.Minute)
	steps := 0
	p.after = func() { steps++ }
	p.run(time.Minute)
	if steps > 2000 {
		t.Errorf("%d steps in a minute in which a KEK is due and cannot be made", steps)
	}
	p.token.refuse = nil
	p.run(time.Hour)
	p.wantAll(0)
	p.wantTidy()
}

// TestCustodyMute: a token that answers nothing holds nothing else up, and what it was asked is asked again.
func TestCustodyMute(t *testing.T) {
	p := newCustodyParty(t, 2).registered()
	p.token.mute = true
	p.gm[3] = p.member(gmAddr(3), rightPSK)
	p.command(gdoi.CmdRekey{Group: "blue", KEK: true, ID: 1})
	p.step(ksAddr, gdoi.CmdRemoveMember{Group: "blue", Members: []string{gmAddr(2).Addr().String()}, ID: 3})
	p.run(30 * time.Second)
	p.wantResult(3, "custody")
	if p.state(3).State == member.Registered {
		t.Error("a member has registered without the KEK")
	}
	p.token.mute = false
	p.run(40 * time.Second)
	p.wantAll(0)
	p.run(5 * delay)
	p.wantTidy()
}

func TestCustodyLosesAKey(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	p.watch()
	lost := p.group().KEKs[0].SPI
	delete(p.token.keys, keyserver.KEKName(lost.String()))
	p.command(gdoi.CmdRekey{Group: "blue", ID: 1})
	p.run(2 * delay)
	p.wantNotes(ksAddr, gdoi.NoteKEKLost, 1)
	for _, k := range p.group().KEKs {
		if k.SPI == lost {
			t.Error("the KEK that the token has lost is still in use")
		}
	}
	p.wantAll(0)
	p.run(5 * delay)
	p.wantTidy()
}

// TestCustodyRestart: after a restart the KEK is found by its name; members notice nothing.
func TestCustodyRestart(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	p.watch()
	before := p.group()
	p.restart()
	p.run(10 * time.Second)
	after := p.group()
	if after.KEKs[0].SPI != before.KEKs[0].SPI || after.KEKs[0].Seq <= before.KEKs[0].Seq || len(after.Members) != 3 {
		t.Errorf("KEK %v, number %d, %d members; before %v, %d", after.KEKs[0].SPI, after.KEKs[0].Seq, len(after.Members), before.KEKs[0].SPI, before.KEKs[0].Seq)
	}
	p.command(gdoi.CmdRekey{Group: "blue", KEK: true, ID: 1})
	p.run(10 * time.Second)
	p.wantAll(1)
	p.run(5 * delay)
	p.wantTidy()
}

// restart begins another life of the key server, from its disk and with its token, which is tidied up.
func (p *party) restart() {
	p.token.answers = nil
	inventory := p.token.keks()
	p.ks = p.keyServer(Limits{}, p.ks.cfg.Groups...)
	p.step(ksAddr, machine.Timeout{})
	inUse := p.ks.KEKNames()
	for _, name := range inventory {
		if !slices.Contains(inUse, name) {
			delete(p.token.keys, name)
		}
	}
}

// TestCustodyCrashesAnywhere kills the key server at each step of a course with everything in it: before its effects are
// carried out, or after.
func TestCustodyCrashesAnywhere(t *testing.T) {
	course := func(crash int, before bool) (steps int) {
		p := newCustodyParty(t, 3).registered()
		p.watch()
		inner := p.after
		p.after = func() {
			inner()
			if steps++; steps == crash {
				p.nodes[ksAddr], p.crash = dead{}, before
			}
		}
		tick := func(d time.Duration) {
			for end := p.now.Mono.Add(d); p.now.Mono < end; {
				p.run(10 * time.Millisecond)
				if p.nodes[ksAddr] == (dead{}) {
					p.restart()
				}
			}
		}
		p.step(ksAddr, gdoi.CmdRekey{Group: "blue", KEK: true, ID: 1})
		tick(200 * time.Millisecond)
		p.gm[4] = p.member(gmAddr(4), rightPSK)
		tick(3 * time.Second)
		p.step(ksAddr, gdoi.CmdRemoveMember{Group: "blue", Members: []string{gmAddr(4).Addr().String()}, ID: 3})
		delete(p.gm, 4)
		tick(3 * time.Second)
		p.step(ksAddr, gdoi.CmdRekey{Group: "blue", ID: 4})
		tick(3 * time.Second)
		tick(5 * delay)
		p.wantAll(0)
		p.wantTidy()
		p.wantCleanDisk()
		return steps
	}
	n := course(0, false)
	if n < 50 {
		t.Fatalf("%d steps are no course", n)
	}
	stride := 5
	if testing.Short() {
		stride = 13
	}
	for at := 1; at <= min(n, 110) && !t.Failed(); at += stride {
		course(at, at%2 == 0)
		if t.Failed() {
			t.Logf("crash at step %d of %d", at, n)
		}
	}
}

// TestCustodyTellsLateKeysInTime: what was made while the custody did not answer is sent with only when everybody can have it,
// also if one member registers before the others hear of it.
func TestCustodyTellsLateKeysInTime(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	p.watch()
	p.lose = func(d machine.Datagram) bool { return d.Local == gmAddr(3) } // it hears of nothing for a while
	p.token.problem = errTokenGone
	p.command(gdoi.CmdRekey{Group: "blue", ID: 1}) // nobody knows yet that it is gone
	p.run(2*delay + delay/2)                       // by now the new TEK would be sent with
	p.token.problem = nil
	p.run(delay / 2)
	p.lose = nil
	p.run(5 * time.Minute)
	p.wantAll(0)
}

func TestCustodyGroupEnds(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	p.step(ksAddr, Reconfigure{ID: 1})
	p.run(5 * time.Minute)
	p.wantResult(1, "")
	for i := range p.gm {
		if s := p.state(i); len(s.TEKs)+len(s.KEKs) > 0 {
			t.Errorf("member %d still has %d TEKs and %d KEKs", i, len(s.TEKs), len(s.KEKs))
		}
	}
	if names := p.token.keks(); len(names) > 0 || len(p.ks.leaving) > 0 {
		t.Errorf("the token has %v, %d groups linger", names, len(p.ks.leaving))
	}
}

func TestCustodyAnotherSuite(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	p.watch()
	cfg := inCustody(t)
	cfg.KEK = suite.KEKAES128CBC
	p.command(Reconfigure{Groups: []keyserver.Config{cfg}, ID: 1})
	p.run(10 * time.Second)
	if k := p.group().KEKs; k[len(k)-1].Suite != "aes-128-cbc" {
		t.Errorf("the newest KEK is %s", k[len(k)-1].Suite)
	}
	p.wantAll(1)
	p.run(5 * delay)
	p.wantTidy()
	plain := blue(t)
	p.step(ksAddr, Reconfigure{Groups: []keyserver.Config{plain}, ID: 2})
	p.wantResult(2, "restart")
}

// TestCustodyTakesOverFromTheProcess, and back: a restart with another configuration replaces the KEK, and nobody registers
// again.
func TestCustodyTakesOverFromTheProcess(t *testing.T) {
	p := newParty(t, 3)
	p.token = newFakeToken()
	value := p.kekValue()
	p.watchWith(func() {})
	p.ks.cfg.Groups = []keyserver.Config{inCustody(t)}
	p.restart()
	p.run(10 * time.Second)
	p.wantAll(1)
	p.run(5 * delay)
	p.wantTidy()
	p.wantCleanDisk()
	for key, r := range p.disk {
		if bytes.Contains(r.Value, []byte(base64.StdEncoding.EncodeToString(value))) {
			t.Errorf("record %s holds the KEK of before", key)
		}
	}
	if at := findOctets(reflect.ValueOf(p.ks), value); at != "" {
		t.Errorf("the KEK of before is at %s", at)
	}
	p.ks.cfg.Groups = []keyserver.Config{blue(t)}
	p.restart()
	p.run(10 * time.Second)
	p.wantAll(1)
	p.run(5 * delay)
	p.wantTidy()
	if len(p.token.keks()) > 0 {
		t.Errorf("the token still has %v", p.token.keks())
	}
}

func TestCustodySenderIDsUsedUp(t *testing.T) {
	p := &party{world: newWorld(t), gm: map[int]*GroupMember{}}
	p.token = newFakeToken()
	cfg := inCustody(t)
	cfg.SIDBits, cfg.SIDCount = 8, 12
	p.ks = p.keyServer(Limits{}, cfg)
	p.after = func() { p.wantNoValues() }
	for i := 1; i <= 3; i++ {
		p.gm[i] = p.member(gmAddr(i), rightPSK)
	}
	p.registered()
	for range 5 {
		for i := range p.gm {
			p.step(gmAddr(i), gdoi.CmdReregister{Group: "blue"})
		}
		p.run(20 * time.Second)
	}
	if p.group().Reset == 0 {
		t.Error("the sender ids were never used up")
	}
	p.run(5 * time.Minute)
	p.wantAll(0)
	p.wantTidy()
}

// TestCustodyRevocationWaits: who is not authorised any more when the key server starts is excluded as soon as there is a KEK
// for that.
func TestCustodyRevocationWaits(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	cfg := inCustody(t)
	cfg.Authorise = nil
	for _, i := range []int{1, 3} {
		cfg.Authorise = append(cfg.Authorise, blue(t).Authorise[0])
		cfg.Authorise[len(cfg.Authorise)-1].Prefix = netip.PrefixFrom(gmAddr(i).Addr(), 32)
	}
	old := p.group().KEKs[0].SPI
	p.ks.cfg.Groups = []keyserver.Config{cfg}
	p.token.problem = errTokenGone
	p.restart()
	p.run(20 * time.Second)
	if n := len(p.group().Members); n != 3 {
		t.Errorf("%d members while the KEK of a removal cannot be had; want 3", n)
	}
	p.token.problem = nil
	p.run(40 * time.Second)
	p.wantAll(0, 2)
	if k := p.group().KEKs; k[len(k)-1].SPI == old || len(p.group().Members) != 2 {
		t.Errorf("KEK %v, %d members; want a new one and 2", k[len(k)-1].SPI, len(p.group().Members))
	}
	if p.has(2, p.group().TEKs[len(p.group().TEKs)-1].SPI) {
		t.Error("the excluded one has the newest TEK")
	}
}

// TestCustodyTellsNoKEKButSigns: members must not get rekeys under a KEK that nobody could tell them of, and hear of TEKs
// meanwhile.
func TestCustodyTellsNoKEKButSigns(t *testing.T) {
	p := newCustodyParty(t, 3).registered()
	p.watch()
	p.token.refuse = func(c machine.KeyCall) error {
		if c.Op == machine.KeyReveal {
			return errTokenFull
		}
		return nil
	}
	mark, old := len(p.log), p.group().KEKs[0].SPI
	p.command(gdoi.CmdRekey{Group: "blue", KEK: true, ID: 1})
	p.run(5 * delay) // its predecessor would have ended
	p.command(gdoi.CmdRekey{Group: "blue", ID: 2})
	p.run(delay)
	for _, d := range p.pushes(mark) {
		if kekOf(d) == old {
			continue
		}
		t.Errorf("a rekey under KEK %v, which no member has", kekOf(d))
	}
	tek := p.group().TEKs[len(p.group().TEKs)-1].SPI
	for i := range p.gm {
		if s := p.state(i); !p.has(i, tek) || s.Registrations != 1 {
			t.Errorf("member %d has registered %d times, the newest TEK: %t", i, s.Registrations, p.has(i, tek))
		}
	}
	p.restart() // it knows that nobody knows
	p.run(delay)
	p.token.refuse = nil
	p.run(10 * time.Second)
	p.wantAll(1)
	p.run(5 * delay)
	p.wantAll(1)
	if n := len(p.group().KEKs); n != 1 {
		t.Errorf("%d KEKs", n)
	}
	p.wantTidy()
}

func TestCustodyAnswersAfterTheEndAreWiped(t *testing.T) {
	p := newCustodyParty(t, 1).registered()
	p.gm[2] = p.member(gmAddr(2), rightPSK)
	p.token.delay = time.Second
	p.run(500 * time.Millisecond) // the KEK is being told
	p.step(ksAddr, gdoi.CmdStop{ID: 1})
	told := len(p.token.told)
	p.run(3 * time.Second)
	if len(p.token.told) == told {
		t.Error("no answer came after the end")
	}
	p.wantNoValues()
}
