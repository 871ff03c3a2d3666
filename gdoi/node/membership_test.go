package node

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/push"
)

const delay = keyserver.DefaultActivationDelay

func gmAddr(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(i)}), 848)
}

// party is a group with members 1 to n, all registered.
type party struct {
	*world
	ks *KeyServer
	gm map[int]*GroupMember
}

func newParty(t *testing.T, n int) *party {
	p := &party{world: newWorld(t), gm: map[int]*GroupMember{}}
	p.ks = p.keyServer(Limits{}, blue(t))
	for i := 1; i <= n; i++ {
		p.gm[i] = p.member(gmAddr(i), rightPSK)
	}
	p.run(10 * time.Second)
	for i := range p.gm {
		if s := p.state(i); s.State != member.Registered || !s.KeyTree {
			t.Fatalf("member %d is %v, with a path in the key tree: %t", i, s.State, s.KeyTree)
		}
	}
	return p
}

func (p *party) state(i int) member.Snapshot { return p.gm[i].Snapshot(p.now).Groups[0] }

func (p *party) group() keyserver.Snapshot { return p.ks.Snapshot(p.now).Groups[0] }

// command is carried out or fails the test.
func (p *party) command(ev machine.Event) string {
	p.t.Helper()
	before := len(p.effects[ksAddr])
	p.step(ksAddr, ev)
	for _, e := range p.effects[ksAddr][before:] {
		if r, ok := e.(gdoi.CommandResult); ok {
			if r.Err != "" {
				p.t.Fatalf("command failed: %s", r.Err)
			}
			return r.Text
		}
	}
	p.t.Fatal("no answer to the command")
	return ""
}

func (p *party) remove(who ...int) string {
	p.t.Helper()
	c := gdoi.CmdRemoveMember{Group: "blue", ID: 7}
	for _, i := range who {
		c.Members = append(c.Members, gmAddr(i).Addr().String())
	}
	return p.command(c)
}

// wantAll: everybody but those named has the newest keys and has registered so many times.
func (p *party) wantAll(registrations uint64, but ...int) {
	p.t.Helper()
	g := p.group()
	kek, tek := g.KEKs[len(g.KEKs)-1].SPI, g.TEKs[len(g.TEKs)-1].SPI
	for i := range p.gm {
		if slices.Contains(but, i) {
			continue
		}
		s := p.state(i)
		if s.State != member.Registered || len(s.KEKs) == 0 || s.KEKs[len(s.KEKs)-1].SPI != kek || !p.has(i, tek) {
			p.t.Errorf("member %d is %v without the newest keys", i, s.State)
		}
		if registrations != 0 && s.Registrations != registrations {
			p.t.Errorf("member %d has registered %d times, want %d", i, s.Registrations, registrations)
		}
	}
}

func (p *party) has(i int, spi gdoi.SPI) bool {
	return slices.ContainsFunc(p.state(i).TEKs, func(t gdoi.TEKInfo) bool { return t.SPI == spi })
}

// pushes are the distinct PUSH datagrams since the mark, in order.
func (p *party) pushes(mark int) (out []machine.Datagram) {
	for _, d := range p.log[mark:] {
		h, err := isakmp.ParseHeader(d.Bytes)
		if err == nil && h.Exchange == isakmp.ExchangeGroupkeyPush &&
			!slices.ContainsFunc(out, func(o machine.Datagram) bool { return string(o.Bytes) == string(d.Bytes) }) {
			out = append(out, d)
		}
	}
	return out
}

func kekOf(d machine.Datagram) gdoi.KEKSPI {
	h, _ := isakmp.ParseHeader(d.Bytes)
	return push.SPIOf(h)
}

// overhear hands to a removed member whatever went to others.
func (p *party) overhear(i, mark int) {
	for _, d := range p.log[mark:] {
		if d.Local != ksAddr {
			p.effects[gmAddr(i)] = nil
			d.Local = gmAddr(i)
			_ = p.gm[i].Step(p.now, d, nil)
		}
	}
}

func TestRemoveOneOfMany(t *testing.T) {
	p := newParty(t, 9)
	old := p.group()
	mark := len(p.log)
	text := p.remove(5)
	if !strings.Contains(text, "8 members derive it, 0 must register again") {
		t.Errorf("the command says %q", text)
	}
	p.run(2 * time.Second)
	p.wantAll(1, 5)
	// RFC 6407 §7.4.1: the KEK first, under the old one, then the TEKs, under the new one.
	got := p.pushes(mark)
	g := p.group()
	if len(got) != 2 || kekOf(got[0]) != old.KEKs[0].SPI || kekOf(got[1]) != g.KEKs[len(g.KEKs)-1].SPI {
		t.Fatalf("%d messages, the first under %v", len(got), kekOf(got[0]))
	}
	for _, d := range p.log[mark:] {
		if d.Local == gmAddr(5) {
			t.Errorf("%d octets went to the removed member", len(d.Bytes))
		}
	}
	p.overhear(5, mark)
	p.run(delay)
	for _, s := range g.TEKs[1:] {
		if p.has(5, s.SPI) {
			t.Errorf("the removed member has TEK %v", s.SPI)
		}
	}
	if s := p.state(5); len(s.KEKs) != 1 || s.KEKs[0].SPI != old.KEKs[0].SPI {
		t.Errorf("the removed member has KEKs %v", s.KEKs)
	}
	p.run(3 * delay)
	p.wantAll(1, 5)
	if g := p.group(); len(g.TEKs) != 1 || len(g.Removed) != 1 || g.Removed[0].Identity != "10.1.0.5" {
		t.Errorf("%d TEKs, removed %v", len(g.TEKs), g.Removed)
	}
	p.wantNotes(ksAddr, gdoi.NoteGMRemoved, 1)
	p.wantNotes(gmAddr(1), gdoi.NoteKEKUpdated, 1)
}

func TestRemovedIsRefusedUntilReadmitted(t *testing.T) {
	p := newParty(t, 3)
	p.remove(2)
	p.run(time.Second)
	p.step(gmAddr(2), gdoi.CmdReregister{Group: "blue"})
	p.run(delay)
	refused := func() {
		t.Helper()
		if s := p.state(2); s.AuthFailure == "" {
			t.Errorf("the removed member is %v and was not refused", s.State)
		}
	}
	refused()
	// Also by a key server that was restarted, and if it comes as somebody else from the same address.
	p.ks = p.keyServer(Limits{}, blue(t))
	p.run(delay)
	p.gm[2] = p.member(gmAddr(2), rightPSK)
	p.run(delay)
	refused()
	if got := p.state(2).Registrations; got != 0 {
		t.Errorf("%d registrations", got)
	}
	p.step(ksAddr, gdoi.CmdReadmit{Group: "blue", Member: "10.1.0.3"})
	if e := p.effects[ksAddr]; e[len(e)-1].(gdoi.CommandResult).Err == "" {
		t.Error("somebody was readmitted who had not been removed")
	}
	p.command(gdoi.CmdReadmit{Group: "blue", Member: "10.1.0.2"})
	p.run(delay)
	p.wantAll(0)
	if n := len(p.group().Removed); n != 0 {
		t.Errorf("%d still on the list of the removed", n)
	}
}

// TestRemovalUnderLoss: whatever is lost, everybody has the new TEK before the others send with it.
func TestRemovalUnderLoss(t *testing.T) {
	for _, c := range []struct {
		name  string
		lost  func(first bool, n int) bool // of the messages to member 1, the n-th transmission
		again bool
	}{
		{"nothing", func(bool, int) bool { return false }, false},
		{"the KEK once", func(first bool, n int) bool { return first && n == 0 }, false},
		{"the KEK always", func(first bool, _ int) bool { return first }, true},
		{"the TEKs twice", func(first bool, n int) bool { return !first && n < 2 }, false},
		{"the TEKs always", func(first bool, _ int) bool { return !first }, true},
		{"everything once", func(_ bool, n int) bool { return n == 0 }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newParty(t, 6)
			old := p.group().KEKs[0].SPI
			count := map[string]int{}
			p.lose = func(d machine.Datagram) bool {
				h, err := isakmp.ParseHeader(d.Bytes)
				if err != nil || h.Exchange != isakmp.ExchangeGroupkeyPush || d.Local != gmAddr(1) {
					return false
				}
				n := count[string(d.Bytes)]
				count[string(d.Bytes)]++
				return c.lost(kekOf(d) == old, n)
			}
			p.remove(4)
			p.run(2*delay - time.Second)
			p.wantAll(0, 4)
			if n := p.state(1).Registrations; (n > 1) != c.again {
				t.Errorf("%d registrations", n)
			}
			p.run(3 * delay)
			p.wantAll(0, 4)
		})
	}
}

// TestRemovalSurvivesTheKeyServer: it dies with the removal written and nothing sent.
func TestRemovalSurvivesTheKeyServer(t *testing.T) {
	p := newParty(t, 6)
	p.lose = func(d machine.Datagram) bool { return d.Remote == ksAddr }
	p.remove(3)
	p.run(time.Second)
	p.lose = nil
	p.ks = p.keyServer(Limits{}, blue(t))
	p.run(delay)
	p.wantAll(1, 3)
	if p.has(3, p.group().TEKs[1].SPI) {
		t.Error("the removed member has the new TEK")
	}
}

func TestRemoveSeveral(t *testing.T) {
	p := newParty(t, 12)
	mark := len(p.log)
	p.remove(2, 3, 11, 2)
	p.run(delay)
	p.wantAll(1, 2, 3, 11)
	if n := len(p.pushes(mark)); n != 2 {
		t.Errorf("%d messages for three members; want two", n)
	}
	for _, i := range []int{2, 3, 11} {
		p.overhear(i, mark)
		if p.has(i, p.group().TEKs[1].SPI) {
			t.Errorf("member %d has the new TEK", i)
		}
	}
	// New members take the free places; removing once more excludes the new ones only.
	for i := 20; i < 24; i++ {
		p.gm[i] = p.member(gmAddr(i), rightPSK)
	}
	p.run(4 * delay)
	p.remove(21)
	p.run(delay)
	p.wantAll(1, 2, 3, 11, 21)
}

func TestRemoveNow(t *testing.T) {
	p := newParty(t, 4)
	old := p.group().TEKs[0].SPI
	p.command(gdoi.CmdRemoveMember{Group: "blue", Members: []string{"10.1.0.4"}, Now: true})
	p.run(2 * time.Second)
	p.wantAll(1, 4)
	for i := 1; i <= 3; i++ {
		if p.has(i, old) || p.state(i).Sending == old {
			t.Errorf("member %d still has the old TEK", i)
		}
	}
}

// TestKEKRolloverKeepsTheTree: paths stay good over ordinary rollovers of the KEK.
func TestKEKRolloverKeepsTheTree(t *testing.T) {
	p := newParty(t, 5)
	p.command(gdoi.CmdRekey{Group: "blue", KEK: true})
	p.run(time.Second)
	// While two KEKs are in use, the removal goes out under both.
	mark := len(p.log)
	p.remove(1)
	p.run(time.Second)
	under := map[gdoi.KEKSPI]bool{}
	for _, d := range p.pushes(mark) {
		under[kekOf(d)] = true
	}
	if len(under) != 3 {
		t.Errorf("messages under %d KEKs, want both old ones and the new one", len(under))
	}
	p.run(5 * delay)
	p.wantAll(1, 1)
	p.command(gdoi.CmdRekey{Group: "blue", KEK: true})
	p.run(5 * delay)
	p.remove(2)
	p.run(5 * delay)
	p.wantAll(1, 1, 2)
}

func TestClearMembers(t *testing.T) {
	for _, now := range []bool{false, true} {
		p := newParty(t, 8)
		old := p.group()
		mark := len(p.log)
		p.command(gdoi.CmdClearMembers{Group: "blue", Now: now})
		p.drain()
		for i := range p.gm {
			if p.has(i, old.TEKs[0].SPI) == now {
				t.Errorf("now %t: member %d has the old TEK: %t", now, i, !now)
			}
			if len(p.state(i).KEKs) != 0 {
				t.Errorf("now %t: member %d keeps the KEK", now, i)
			}
		}
		p.run(delay)
		p.wantAll(2)
		if n := len(p.pushes(mark)); n != 1 {
			t.Errorf("now %t: %d messages, want one DELETE", now, n)
		}
		p.run(4 * delay)
		p.wantAll(2)
		if g := p.group(); len(g.Members) != 8 || len(g.TEKs) != 1 {
			t.Errorf("now %t: %d members, %d TEKs", now, len(g.Members), len(g.TEKs))
		}
	}
}

func TestMembershipCommandsRefused(t *testing.T) {
	p := newParty(t, 2)
	for _, c := range []struct {
		ev   machine.Event
		says string
	}{
		{gdoi.CmdRemoveMember{Group: "green", Members: []string{"10.1.0.1"}}, "no group"},
		{gdoi.CmdRemoveMember{Group: "blue", Members: []string{"10.1.0.1", "10.9.9.9"}}, "no member"},
		{gdoi.CmdRemoveMember{Group: "blue"}, "nobody"},
		{gdoi.CmdReadmit{Group: "blue", Member: "10.1.0.1"}, "has not removed"},
		{gdoi.CmdClearMembers{Group: "green"}, "no group"},
	} {
		p.step(ksAddr, c.ev)
		e := p.effects[ksAddr]
		if r := e[len(e)-1].(gdoi.CommandResult); !strings.Contains(r.Err, c.says) {
			t.Errorf("%+v: %q, want %q", c.ev, r.Err, c.says)
		}
		p.step(gmAddr(1), c.ev)
		e = p.effects[gmAddr(1)]
		if r := e[len(e)-1].(gdoi.CommandResult); !strings.Contains(r.Err, "only a key server") {
			t.Errorf("a member answers %+v with %q", c.ev, r.Err)
		}
	}
	p.run(delay)
	p.wantAll(1)
}

// TestOutOfIVs: the data plane tells in time that the counters of its sender ids end. The member registers again, keeps
// sending meanwhile, and gets other ids for the same keys (RFC 6407 §5.6.4.3).
func TestOutOfIVs(t *testing.T) {
	p := newParty(t, 3)
	before := p.state(1)
	mark := len(p.effects[gmAddr(1)])
	p.step(gmAddr(1), gdoi.DataPlaneReport{Group: "blue", SPI: before.Sending, Kind: gdoi.SeqLow})
	p.run(delay)
	after := p.state(1)
	if after.Registrations != 2 || after.Sending != before.Sending || len(after.SIDs) != 1 || after.SIDs[0] == before.SIDs[0] {
		t.Errorf("%d registrations, sending with %v instead of %v, ids %v instead of %v", after.Registrations, after.Sending, before.Sending, after.SIDs, before.SIDs)
	}
	installed := 0
	for _, e := range p.effects[gmAddr(1)][mark:] {
		switch e := e.(type) {
		case gdoi.InstallSA:
			installed++
			if e.TEK.SPI != before.Sending || e.SIDs[0] != after.SIDs[0] {
				t.Errorf("installed %v with ids %v", e.TEK.SPI, e.SIDs)
			}
		case gdoi.RetireSA:
			t.Errorf("retired %v", e.SPI)
		}
	}
	if installed != 1 {
		t.Errorf("%d SAs installed, want one again", installed)
	}
	p.wantNotes(gmAddr(1), gdoi.NoteSenderSpaceLow, 1)
}

// TestSenderIDWidths: each width of RFC 6407 §3.5 and the 24 bits of products, as members get them over the wire, with
// several ids for those who ask for them.
func TestSenderIDWidths(t *testing.T) {
	for _, c := range []struct {
		bits         int
		first, count uint64
		want         int
	}{{8, 0, 0, 3}, {8, 192, 64, 1}, {12, 1024, 0, 3}, {16, 1 << 13, 1 << 13, 3}, {24, 6 << 21, 1 << 21, 3}} {
		w := newWorld(t)
		g := blue(t)
		g.SIDBits, g.SIDFirst, g.SIDCount = c.bits, c.first, c.count
		w.keyServer(Limits{}, g)
		gm := w.member(gm1, rightPSK, member.Config{Name: "blue", ID: blueID, KeyServers: []netip.AddrPort{ksAddr}, SIDs: 3})
		w.run(10 * time.Second)
		s := gm.Snapshot(w.now).Groups[0]
		if s.SIDBits != c.bits || len(s.SIDs) != c.want {
			t.Fatalf("%d bits: the member has %v of %d bits, want %d ids", c.bits, s.SIDs, s.SIDBits, c.want)
		}
		for i, sid := range s.SIDs {
			if uint64(sid) != c.first+uint64(i) {
				t.Errorf("%d bits from %d: id %d is %d", c.bits, c.first, i, sid)
			}
		}
	}
}

// TestExclusionAndAnotherKEKSurviveADeath: a new KEK comes while an exclusion may still be told once more, and the key server dies.
// What the update arrays of the exclusion lead to is its own KEK, and not the newest.
func TestExclusionAndAnotherKEKSurviveADeath(t *testing.T) {
	p := newParty(t, 4)
	p.remove(1)
	delete(p.gm, 1)
	p.run(10 * time.Second)
	p.lose = func(machine.Datagram) bool { return true } // it dies before anybody hears of that
	p.command(gdoi.CmdRekey{Group: "blue", KEK: true, ID: 8})
	p.run(10 * time.Millisecond)
	p.lose = nil
	p.ks = p.keyServer(Limits{}, blue(t))
	p.run(10 * time.Second)
	p.command(gdoi.CmdRekey{Group: "blue", ID: 9})
	p.run(3 * delay) // the KEK before the newest is not used any more
	p.wantAll(1)
	for i := range p.gm {
		if n := drops(p.gm[i].Snapshot(p.now).Drops, gdoi.DropMalformed); n > 0 {
			t.Errorf("member %d could not read %d rekeys", i, n)
		}
	}
}
