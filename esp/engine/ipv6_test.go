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

var six = spd.Rule{Action: spd.Permit, Src: netip.MustParsePrefix("2001:db8::/32"), Dst: netip.MustParsePrefix("2001:db8::/32"), SrcPorts: spd.AnyPort, DstPorts: spd.AnyPort}

// inner6 is inner for IPv6.
func inner6(proto uint8, n int, change ...func(b []byte)) []byte {
	b := make([]byte, max(n, 40))
	binary.BigEndian.PutUint32(b, 0x602abcde)
	b[6], b[7] = proto, 63
	binary.BigEndian.PutUint16(b[4:], uint16(len(b)-40))
	copy(b[8:], netip.MustParseAddr("2001:db8:1::1").AsSlice())
	copy(b[24:], netip.MustParseAddr("2001:db8:2::1").AsSlice())
	for i := 40; i < len(b); i++ {
		b[i] = byte(i)
	}
	for _, f := range change {
		f(b)
	}
	return b
}

func src6(a string) func([]byte) {
	return func(b []byte) { copy(b[8:], netip.MustParseAddr(a).AsSlice()) }
}

func dst6(a string) func([]byte) {
	return func(b []byte) { copy(b[24:], netip.MustParseAddr(a).AsSlice()) }
}

// dual is a member that protects both versions under one SA.
func dual(t testing.TB, sid uint32, c engine.Config) member {
	t.Helper()
	c.Gateway6 = netip.MustParseAddr("2001:db8:1::254")
	m := newMember(t, sid, c)
	must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten, six}, Registered: true}))
	return m
}

func TestBothVersionsThereAndBack(t *testing.T) {
	a, b := dual(t, 1, engine.Config{}), dual(t, 2, engine.Config{})
	for _, n := range []int{40, 41, 48, 49, 50, 51, 100, 1280, 1426} {
		p := inner6(17, n)
		s := a.sealed(t, p)
		h, err := packet.Parse(s)
		if err != nil || h.TotalLen != len(s) || len(s) > 1500 {
			t.Fatalf("%d octets: %d, %v", n, len(s), err)
		}
		// All of the outer header but length and next header is the inner one.
		if h.Proto != 50 || !bytes.Equal(s[:4], p[:4]) || !bytes.Equal(s[7:40], p[7:40]) {
			t.Fatalf("outer header %x", s[:40])
		}
		if n >= 60 && bytes.Contains(s, p[40:60]) {
			t.Fatal("payload in clear")
		}
		if r := b.in(s); r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), p) {
			t.Fatalf("%d octets: %+v", n, r)
		}
		four := inner(17, n, df)
		if r := b.in(a.sealed(t, four)); r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), four) {
			t.Fatalf("IPv4, %d octets: %+v", n, r)
		}
		if r := b.in(s); r.Reason != engine.Replay {
			t.Fatalf("again: %+v", r)
		}
	}
	st := b.Stats()
	if st.InPackets != 18 || st.SAs[0].InPackets != 18 || st.SAs[0].Senders != 1 {
		t.Fatalf("%+v", st)
	}
}

// TestExtensionHeaders go as they are, inside; outside there are none.
func TestExtensionHeaders(t *testing.T) {
	a, b := dual(t, 1, engine.Config{}), dual(t, 2, engine.Config{})
	for name, head := range map[string][]byte{
		"hop-by-hop":     {0, 17, 0, 1, 4, 0, 0, 0, 0},
		"routing":        {43, 17, 2, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8},
		"destination":    {60, 17, 0, 1, 4, 0, 0, 0, 0},
		"fragment":       {44, 17, 0, 0, 1, 0, 0, 0, 9},
		"later fragment": {44, 17, 0, 0, 9, 0, 0, 0, 9},
		"options hidden": {44, 60, 0, 0, 9, 0, 0, 0, 9},
		"AH":             append([]byte{51, 17, 4}, make([]byte, 22)...),
		"ESP":            {50, 1, 2, 3, 4, 5, 6, 7, 8, 9},
	} {
		p := inner6(head[0], 200, func(b []byte) { copy(b[40:], head[1:]) })
		s := a.sealed(t, p)
		if h, err := packet.Parse(s); err != nil || h.HeaderLen != 40 || h.Proto != 50 || h.Fragment() {
			t.Errorf("%s: outer %+v, %v", name, h, err)
		}
		if r := b.in(s); r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), p) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestInboundDropsIPv6(t *testing.T) {
	a, b := dual(t, 1, engine.Config{}), dual(t, 2, engine.Config{})
	good := a.sealed(t, inner6(17, 100))
	change := func(at int, f func(byte) byte) []byte { b := bytes.Clone(good); b[at] = f(b[at]); return b }
	flip := func(v byte) byte { return v ^ 1 }
	seq := uint32(0)
	sa, err := esp.NewSA(spi, esp.AES256GCM, keymat(1), 24)
	must(t, err)
	// raw seals anything with the group's key as sender 9, under an outer header of its own.
	raw := func(payload []byte, next uint8, outer []byte) []byte {
		seq++
		p := room(payload)
		start, n, err := sa.Seal(new(esp.Context), esp.Ticket{IV: 9<<40 | uint64(seq), Seq: seq}, p.Buf, p.Off, p.Len, next)
		must(t, err)
		h, err := packet.Parse(outer)
		must(t, err)
		out := make([]byte, h.OuterLen(), h.OuterLen()+n)
		packet.PutOuter(out, &h, 50, h.OuterLen()+n, 1)
		return append(out, p.Buf[start:start+n]...)
	}
	same := func(b []byte) []byte { return raw(b, 41, b) }
	for _, row := range []struct {
		name string
		b    []byte
		want engine.Reason
	}{
		{"not ESP", inner6(17, 100), engine.Malformed},
		{"cut", good[:80], engine.Malformed},
		{"fragment", inner6(44, 100, func(b []byte) { copy(b[40:], []byte{50, 0, 0, 1, 0, 0, 0, 9}) }), engine.Fragmented},
		{"other SPI", change(43, flip), engine.UnknownSPI},
		{"changed payload", change(70, flip), engine.AuthFailed},
		{"our own", func() []byte { b := bytes.Clone(good); b[50] = 2; return b }(), engine.OwnSender},
		{"outer source", change(23, flip), engine.AddressMismatch},
		{"the number is used up by that", good, engine.Replay},
		{"not tunnel mode", raw(inner6(17, 100)[40:], 17, inner6(17, 100)), engine.BadNextHeader},
		{"dummy", raw(inner6(17, 100), 59, inner6(17, 100)), engine.Dummy},
		{"IPv6 in IPv4", raw(inner6(17, 100), 41, inner(17, 28)), engine.AddressMismatch},
		{"IPv4 in IPv6", raw(inner(17, 100), 4, inner6(17, 100)), engine.AddressMismatch},
		{"IPv4 that is said to be IPv6", raw(inner(17, 100), 41, inner(17, 28)), engine.Malformed},
		{"inner rubbish", raw([]byte{0x60, 2, 3}, 41, inner6(17, 100)), engine.Malformed},
		{"inner longer than it is", raw(inner6(17, 100, func(b []byte) { b[5]++ }), 41, inner6(17, 100)), engine.Malformed},
		{"not permitted", same(inner6(17, 100, dst6("2001:db9::1"))), engine.PolicyMismatch},
		{"neighbour solicitation", same(inner6(58, 100, func(b []byte) { b[40] = 135 })), engine.LinkLocal},
		{"to all nodes", same(inner6(17, 100, dst6("ff02::1"))), engine.LinkLocal},
		{"ECN", raw(inner6(17, 100, func(b []byte) { b[1] = 0 }), 41, inner6(17, 100, func(b []byte) { b[1] = 0x30 })), engine.BadECN},
	} {
		if r := b.in(row.b); r.Action != engine.Drop || r.Reason != row.want {
			t.Errorf("%s: %v, want %v", row.name, r.Reason, row.want)
		}
	}
	marked := raw(inner6(17, 100), 41, inner6(17, 100, func(b []byte) { b[1] |= 0x30 }))
	if r := b.in(marked); r.Action != engine.Deliver || r.Bytes()[1]>>4&3 != 3 {
		t.Errorf("the core's congestion mark is lost: %+v", r)
	}
	if r := b.in(raw(append(inner6(17, 100), 0, 0, 0), 41, inner6(17, 100))); r.Action != engine.Deliver || r.Len != 100 {
		t.Errorf("traffic flow padding: %+v", r)
	}
}

func TestOutboundLinkLocal(t *testing.T) {
	m := dual(t, 1, engine.Config{})
	for name, b := range map[string][]byte{
		"neighbour advertisement": inner6(58, 64, func(b []byte) { b[40] = 136 }),
		"MLD report":              inner6(0, 64, src6("::"), dst6("ff02::16"), func(b []byte) { copy(b[40:], []byte{58, 0, 5, 2, 0, 0, 1, 0, 143}) }),
		"from link-local":         inner6(17, 64, src6("fe80::1")),
	} {
		if r := m.out(b); len(r) != 1 || r[0].Reason != engine.LinkLocal {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestForeignSendersIPv6(t *testing.T) {
	b := suiteMember(t, esp.AES128CBCSHA256, 2)
	must(t, b.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten, six}, Registered: true}))
	from := func(a string) []byte { return inner6(17, 100, src6(a)) }
	moved := strange(t, 500, 4, from("2001:db8::1"))
	moved[23] = 77 // the outer source, which nothing protects
	for _, row := range []struct {
		name string
		b    []byte
		want engine.Reason
	}{
		{"first", strange(t, 10, 1, from("2001:db8::1")), engine.None},
		{"again", strange(t, 10, 1, from("2001:db8::1")), engine.Replay},
		{"next", strange(t, 11, 2, from("2001:db8::1")), engine.None},
		{"another host with a number of its own", strange(t, 11, 3, from("2001:db8::2")), engine.None},
		{"the same host in another network", strange(t, 11, 3, from("2001:db8:0:1::1")), engine.None},
		{"another outer source", moved, engine.AddressMismatch},
		{"which has used the number up", strange(t, 500, 4, from("2001:db8::1")), engine.Replay},
		{"IPv4", strange(t, 11, 6, inner(17, 100)), engine.None},
	} {
		if r := b.in(row.b); r.Reason != row.want {
			t.Errorf("%s: %v, want %v", row.name, r.Reason, row.want)
		}
	}
	if n := b.Stats().SAs[0].Senders; n != 4 {
		t.Errorf("%d windows", n)
	}
}

func TestNoAllocationsIPv6(t *testing.T) {
	a, b := dual(t, 1, engine.Config{MSS: engine.MSSAuto, MTU: 1320}), dual(t, 2, engine.Config{})
	plain, least, big := inner6(17, 1200), inner6(17, 1280), inner6(17, 1400)
	rooms := []engine.Packet{room(plain), room(least), room(big)}
	batch := make([]engine.Packet, 3)
	out, in := make([]engine.Result, 0, 16), make([]engine.Result, 0, 1)
	now := engine.Instant(0)
	if n := testing.AllocsPerRun(50, func() {
		for i, p := range [][]byte{plain, least, big} {
			copy(rooms[i].Bytes(), p)
			batch[i] = rooms[i]
		}
		now += 1e9 // for a token
		out = a.w.Outbound(now, batch, out[:0])
		if len(out) != 4 || out[0].Action != engine.Send || out[1].Action != engine.Send || out[2].Action != engine.Send || out[3].Action != engine.Reply {
			t.Fatalf("%+v", out)
		}
		if in = b.w.Inbound(now, []engine.Packet{out[0].Packet}, in[:0]); in[0].Action != engine.Deliver {
			t.Fatal(in[0].Reason)
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// TestClassPerVersion: IPv4 and IPv6 of one group under keys of their own, each with its selectors.
func TestClassPerVersion(t *testing.T) {
	build := func(sid uint32) member {
		m := bare(t, engine.Config{})
		must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten, six}, Classes: []int{0, 1}, Registered: true}))
		for i, r := range []spd.Rule{ten, six} {
			must(t, m.Install(engine.SA{Group: "blue", SPI: spi + uint32(i), KeyMat: keymat(byte(1 + i)), SIDBits: 24, SIDs: []uint32{sid}, Selectors: []spd.Rule{r}}))
			must(t, m.Activate("blue", i, spi+uint32(i)))
		}
		return m
	}
	a, b := build(1), build(2)
	for _, row := range []struct {
		p   []byte
		spi uint32
	}{{inner(17, 100), spi}, {inner6(17, 100), spi + 1}} {
		s := a.sealed(t, row.p)
		if got, _ := esp.Peek(s[len(s)-esp.AES256GCM.SealedLen(100):]); got != row.spi {
			t.Errorf("SPI %#x", got)
		}
		if r := b.in(s); r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), row.p) {
			t.Errorf("%+v", r)
		}
	}
	// A key of one version does not carry the other.
	must(t, a.Activate("blue", 1, spi))
	if r := b.in(a.sealed(t, inner6(17, 100))); r.Reason != engine.PolicyMismatch {
		t.Errorf("IPv6 under the key of IPv4: %v", r.Reason)
	}
}
