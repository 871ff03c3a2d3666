package engine_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/spd"
)

const spi = 0xabcd0001

var ten = spd.Rule{Action: spd.Permit, Src: netip.MustParsePrefix("10.0.0.0/8"), Dst: netip.MustParsePrefix("10.0.0.0/8"), SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort}

func keymat(n byte) []byte { return bytes.Repeat([]byte{n}, 36) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// member is an engine with one worker that knows the group blue, registered, with one SA.
type member struct {
	*engine.Engine
	w *engine.Worker
}

func bare(t testing.TB, c engine.Config) member {
	t.Helper()
	if c.Groups == nil {
		c.Groups = []engine.GroupConfig{{Name: "blue", Protect: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	}
	c.Gateway = netip.MustParseAddr("10.1.0.254")
	e, err := engine.New(c)
	must(t, err)
	return member{e, e.NewWorker()}
}

func newMember(t testing.TB, sid uint32, c engine.Config) member {
	t.Helper()
	m := bare(t, c)
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
	must(t, m.Install(engine.SA{Group: "blue", SPI: spi, KeyMat: keymat(1), SIDBits: 24, SIDs: []uint32{sid}}))
	must(t, m.Activate("blue", 0, spi))
	return m
}

// inner makes a packet from a host of the first member to one of the second; change may change it before the checksum.
func inner(proto uint8, n int, change ...func(b []byte)) []byte {
	b := make([]byte, max(n, 28))
	b[0], b[1], b[8], b[9] = 0x45, 0x02, 63, proto
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], []byte{10, 1, 0, 1, 10, 2, 0, 1})
	binary.BigEndian.PutUint32(b[20:], 5000<<16|6000)
	for i := 28; i < len(b); i++ {
		b[i] = byte(i)
	}
	for _, f := range change {
		f(b)
	}
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], packet.Checksum(b[:20]))
	return b
}

func df(b []byte) { b[6] = 0x40 }

func dst(a, b, c, d byte) func([]byte) {
	return func(p []byte) { copy(p[16:], []byte{a, b, c, d}) }
}

// room puts a packet into a buffer that can be sealed in.
func room(b []byte) engine.Packet {
	buf := make([]byte, esp.Headroom+len(b)+esp.Tailroom)
	copy(buf[esp.Headroom:], b)
	return engine.Packet{Buf: buf, Off: esp.Headroom, Len: len(b)}
}

func (m member) out(b []byte) []engine.Result {
	return m.w.Outbound(1, []engine.Packet{room(b)}, nil)
}

func (m member) in(b []byte) engine.Result {
	return m.w.Inbound(1, []engine.Packet{{Buf: bytes.Clone(b), Len: len(b)}}, nil)[0]
}

// sealed is the single packet that comes of b.
func (m member) sealed(t testing.TB, b []byte) []byte {
	t.Helper()
	r := m.out(b)
	if len(r) != 1 || r[0].Action != engine.Send {
		t.Fatalf("not sent: %+v", r)
	}
	return bytes.Clone(r[0].Bytes())
}

func TestThereAndBack(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	for _, n := range []int{28, 29, 30, 31, 64, 576, 1400, 1446} {
		p := inner(17, n, df)
		s := a.sealed(t, p)
		h, err := packet.Parse(s)
		if err != nil || packet.Checksum(s[:20]) != 0 {
			t.Fatal("outer header", err)
		}
		if h.Proto != 50 || !bytes.Equal(s[12:20], p[12:20]) || h.TOS != 2 || !h.DF || h.Fragment() || len(s) > 1500 {
			t.Fatalf("%d octets: outer %+v", n, h)
		}
		if bytes.Contains(s, p[20:28]) {
			t.Fatal("payload in clear")
		}
		r := b.in(s)
		if r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), p) {
			t.Fatalf("%d octets: %+v", n, r)
		}
	}
	st := b.Stats()
	if st.InPackets != 8 || len(st.Drops) != 0 || st.SAs[0].InPackets != 8 || st.SAs[0].Senders != 1 {
		t.Fatalf("%+v", st)
	}
	st = a.Stats()
	if st.OutPackets != 8 || st.SAs[0].OutPackets != 8 || !st.SAs[0].Sending || st.SAs[0].Remaining != 1<<32-1-8 || st.Rules[0].Hits != 8 {
		t.Fatalf("%+v", st)
	}
}

func TestInboundDrops(t *testing.T) {
	a := newMember(t, 1, engine.Config{})
	// raw seals anything with the group's key as sender 9: a member gone bad.
	seq := uint32(0)
	sa, err := esp.NewSA(spi, esp.AES256GCM, keymat(1), 24)
	must(t, err)
	raw := func(payload []byte, next uint8, outer func([]byte)) []byte {
		seq++
		p := room(payload)
		start, n, err := sa.Seal(new(esp.Context), esp.Ticket{IV: 9<<40 | uint64(seq), Seq: seq}, p.Buf, p.Off, p.Len, next)
		must(t, err)
		h, _ := packet.Parse(inner(17, 28, outer))
		out := make([]byte, 20, 20+n)
		packet.PutOuter(out, &h, 50, 20+n, 1)
		return append(out, p.Buf[start:start+n]...)
	}
	nothing := func([]byte) {}
	good := a.sealed(t, inner(17, 100))
	change := func(at int, f func(byte) byte) []byte { b := bytes.Clone(good); b[at] = f(b[at]); return b }
	flip := func(v byte) byte { return v ^ 1 }
	b := newMember(t, 2, engine.Config{MaxSenders: 2})
	tenOutside := inner(17, 100, dst(192, 0, 2, 1))
	for _, row := range []struct {
		name string
		b    []byte
		want engine.Reason
	}{
		{"empty", nil, engine.Malformed},
		{"not ESP", inner(17, 100), engine.Malformed},
		{"cut", good[:60], engine.Malformed},
		{"fragment", func() []byte { b := bytes.Clone(good); b[6] = 0x20; return b }(), engine.Fragmented},
		{"other SPI", change(23, flip), engine.UnknownSPI},
		{"changed sequence number", change(27, func(v byte) byte { return v + 2 }), engine.AuthFailed},
		{"sequence number 0", change(27, func(byte) byte { return 0 }), engine.Replay},
		{"changed payload", change(60, flip), engine.AuthFailed},
		{"outer source", change(15, flip), engine.AddressMismatch},
		{"the first one was accepted by the window already", good, engine.Replay},
		{"our own", func() []byte { b := bytes.Clone(good); b[30] = 2; return b }(), engine.OwnSender},
		{"not tunnel mode", raw(inner(17, 100)[20:], 17, nothing), engine.BadNextHeader},
		{"dummy", raw(inner(17, 100), 59, nothing), engine.Dummy},
		{"not the version that the trailer says", raw(inner(17, 100), 41, nothing), engine.Malformed},
		{"inner rubbish", raw([]byte{1, 2, 3}, 4, nothing), engine.Malformed},
		{"inner longer than it is", raw(inner(17, 100, func(b []byte) { b[3]++ }), 4, nothing), engine.Malformed},
		{"not permitted", raw(tenOutside, 4, dst(192, 0, 2, 1)), engine.PolicyMismatch},
		{"outer address differs", raw(inner(17, 100), 4, dst(10, 3, 0, 1)), engine.AddressMismatch},
		{"ECN", raw(inner(17, 100, func(b []byte) { b[1] = 0 }), 4, func(b []byte) { b[1] = 3 }), engine.BadECN},
	} {
		r := b.in(row.b)
		if r.Action != engine.Drop || r.Reason != row.want {
			t.Errorf("%s: %v, want %v", row.name, r.Reason, row.want)
		}
	}
	if r := b.in(raw(append(inner(17, 100), 0, 0, 0), 4, nothing)); r.Action != engine.Deliver || r.Len != 100 {
		t.Errorf("traffic flow padding: %+v", r)
	}
	third := newMember(t, 3, engine.Config{})
	if r := b.in(third.sealed(t, inner(17, 100))); r.Reason != engine.SenderLimit {
		t.Errorf("third sender of two: %v", r.Reason)
	}
	total := uint64(0)
	for _, d := range b.Stats().Drops {
		total += d.Count
	}
	if total != 20 {
		t.Errorf("%d drops counted, want 20: %+v", total, b.Stats().Drops)
	}
}

func TestForgeryDoesNotMoveTheWindow(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	first, second := a.sealed(t, inner(17, 100)), a.sealed(t, inner(17, 100))
	forged := bytes.Clone(first)
	binary.BigEndian.PutUint32(forged[24:], 1<<31)
	if r := b.in(forged); r.Reason != engine.AuthFailed {
		t.Fatal(r.Reason)
	}
	// Out of order, then again.
	for i, p := range [][]byte{second, first} {
		if r := b.in(p); r.Action != engine.Deliver {
			t.Fatal(i, r.Reason)
		}
	}
	for _, p := range [][]byte{second, first} {
		if r := b.in(p); r.Reason != engine.Replay {
			t.Fatal(r.Reason)
		}
	}
}

func TestOutboundPolicy(t *testing.T) {
	m := bare(t, engine.Config{})
	want := func(name string, b []byte, a engine.Action, r engine.Reason) {
		t.Helper()
		got := m.out(b)
		if len(got) != 1 || got[0].Action != a || got[0].Reason != r {
			t.Fatalf("%s: %+v", name, got)
		}
		if a == engine.Clear && !bytes.Equal(got[0].Bytes(), b) {
			t.Fatalf("%s: a packet in clear was changed", name)
		}
	}
	protected, other := inner(17, 100), inner(17, 100, dst(192, 0, 2, 1))
	want("never registered", protected, engine.Drop, engine.FailClosed)
	want("not guarded", other, engine.Clear, engine.None)
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
	want("no SA", protected, engine.Drop, engine.NoSA)
	must(t, m.Install(engine.SA{Group: "blue", SPI: spi, KeyMat: keymat(1), SIDBits: 24, SIDs: []uint32{1}, Expires: 100}))
	want("not active", protected, engine.Drop, engine.NoSA)
	must(t, m.Activate("blue", 0, spi))
	want("active", protected, engine.Send, engine.None)
	want("malformed", protected[:15], engine.Drop, engine.Malformed)
	if r := m.w.Outbound(100, []engine.Packet{room(protected)}, nil); r[0].Reason != engine.Expired {
		t.Fatal("sent with an expired SA")
	}
	sealed := newMember(t, 2, engine.Config{}).sealed(t, protected)
	if r := m.w.Inbound(100, []engine.Packet{{Buf: sealed, Len: len(sealed)}}, nil); r[0].Reason != engine.Expired {
		t.Fatal("received with an expired SA:", r[0].Reason)
	}
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}}))
	want("registration lost", protected, engine.Drop, engine.FailClosed)
	want("registration lost, other traffic", other, engine.Clear, engine.None)
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
	must(t, m.Retire("blue", spi))
	want("retired", protected, engine.Drop, engine.NoSA)
	v6 := inner6(59, 40)
	want("IPv6 that no rule permits", v6, engine.Clear, engine.None)
	all6 := spd.Rule{Action: spd.Permit, Src: netip.MustParsePrefix("::/0"), Dst: netip.MustParsePrefix("::/0"), SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort}
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{all6}, Registered: true}))
	want("IPv6 that must be protected", v6, engine.Drop, engine.NoSA)
}

func TestSequenceEnds(t *testing.T) {
	m := bare(t, engine.Config{})
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
	sa := engine.SA{Group: "blue", SPI: spi, KeyMat: keymat(1), SIDBits: 56, SIDs: []uint32{1}}
	must(t, m.Install(sa))
	must(t, m.Activate("blue", 0, spi))
	for range 255 {
		m.sealed(t, inner(17, 100))
	}
	if r := m.out(inner(17, 100)); r[0].Reason != engine.SeqExhausted {
		t.Fatal(r[0].Reason)
	}
	sa.SIDs = []uint32{2}
	must(t, m.Install(sa)) // a second registration
	m.sealed(t, inner(17, 100))
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]engine.Config{
		"two of a name": {Groups: []engine.GroupConfig{{Name: "a"}, {Name: "a"}}},
		"window":        {Groups: []engine.GroupConfig{{Name: "a"}}, ReplayWindow: 1000},
		"MTU":           {MTU: 68},
		"MSS":           {MSS: 70000},
		"gateway":       {Gateway: netip.MustParseAddr("2001:db8::1")},
		"local permit":  {Groups: []engine.GroupConfig{{Name: "a", Local: []spd.Rule{ten}}}},
	} {
		if _, err := engine.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	m := bare(t, engine.Config{})
	if m.SetPolicy("x", engine.Policy{Registered: true}) == nil || m.Install(engine.SA{Group: "x"}) == nil || m.Activate("x", 0, 1) == nil || m.Retire("x", 1) == nil {
		t.Error("unknown group accepted")
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := engine.None; r.String() != "unknown"; r++ {
		if r.String() == "" || seen[r.String()] {
			t.Errorf("reason %d: %q", r, r)
		}
		seen[r.String()] = true
	}
}
