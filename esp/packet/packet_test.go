package packet_test

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/getvpn/getvpn/esp/packet"
)

// ip makes an IPv4 packet with a right checksum. options must be a multiple of 4 octets.
func ip(proto uint8, frag uint16, options, payload []byte) []byte {
	b := make([]byte, 20, 20+len(options)+len(payload))
	b[0] = 0x40 | byte(5+len(options)/4)
	b[1] = 0x2e
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(options)+len(payload)))
	binary.BigEndian.PutUint16(b[4:], 0xbeef)
	binary.BigEndian.PutUint16(b[6:], frag)
	b[8], b[9] = 61, proto
	copy(b[12:], []byte{10, 1, 2, 3, 10, 4, 5, 6})
	b = append(b, options...)
	binary.BigEndian.PutUint16(b[10:], packet.Checksum(b))
	return append(b, payload...)
}

func parse(t testing.TB, b []byte) packet.Header {
	t.Helper()
	h, err := packet.Parse(b)
	if err != nil {
		t.Fatalf("%v: %x", err, b)
	}
	if packet.Checksum(b[:h.HeaderLen]) != 0 {
		t.Fatalf("header checksum is wrong: %x", b[:h.HeaderLen])
	}
	return h
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*31 + i>>8)
	}
	return b
}

func TestParseIPv4Refuses(t *testing.T) {
	good := ip(17, 0, nil, pattern(20))
	for n := range good {
		if _, err := packet.Parse(good[:n]); err == nil {
			t.Fatalf("accepted %d octets of %d", n, len(good))
		}
	}
	change := func(at int, v byte) []byte { b := bytes.Clone(good); b[at] = v; return b }
	for _, row := range []struct {
		name string
		b    []byte
	}{
		{"version 6", change(0, 0x65)},
		{"header shorter than 20", change(0, 0x44)},
		{"header longer than the packet", change(0, 0x4f)},
		{"total length below the header", change(3, 19)},
		{"total length above the buffer", change(2, 1)},
		{"fragment beyond 65535", append(change(6, 0x1f)[:7], append([]byte{0xff}, good[8:]...)...)},
	} {
		if _, err := packet.Parse(row.b); err == nil {
			t.Errorf("%s: accepted", row.name)
		}
	}
	if h, err := packet.Parse(append(good, 0, 0, 0)); err != nil || h.TotalLen != 40 {
		t.Error("link-layer padding behind the packet must be allowed")
	}
}

func TestOuterPreserves(t *testing.T) {
	for _, frag := range []uint16{0, 0x4000, 0x2000, 0x2010, 0x0010} {
		inner := parse(t, ip(17, frag, []byte{7, 4, 4, 0}, pattern(9)))
		b := make([]byte, 120)
		packet.PutOuter(b, &inner, packet.ProtoESP, 120, 77)
		outer := parse(t, b)
		if !packet.SameAddresses(&outer, &inner) || outer.TOS != inner.TOS || outer.TTL != inner.TTL || outer.DF != inner.DF {
			t.Errorf("%+v\n%+v", outer, inner)
		}
		if outer.Fragment() || outer.Proto != packet.ProtoESP || outer.ID != 77 || outer.HeaderLen != 20 || outer.TotalLen != 120 {
			t.Errorf("frag %#x: %+v", frag, outer)
		}
	}
}

func TestChecksum(t *testing.T) {
	// The example of RFC 1071 §3.
	if got := packet.Checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Fatalf("%04x", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 4, 64).Draw(t, "b")
		b = b[:len(b)&^1]
		b[0], b[1] = 0, 0
		check := packet.Checksum(b)
		at := rapid.IntRange(1, len(b)/2-1).Draw(t, "word") * 2
		was, is := binary.BigEndian.Uint16(b[at:]), rapid.Uint16().Draw(t, "is")
		binary.BigEndian.PutUint16(b[at:], is)
		binary.BigEndian.PutUint16(b, packet.UpdateChecksum(check, was, is))
		if packet.Checksum(b) != 0 && packet.Checksum(b) != 0xffff {
			t.Fatalf("%x: %04x", b, packet.Checksum(b))
		}
	})
}

func TestDecapsulate(t *testing.T) {
	for _, row := range []struct {
		name               string
		outer, inner, want uint8
		ok                 bool
	}{ // RFC 6040 figure 4
		{"nothing to do", 0b00, 0b10, 0b10, true},
		{"congestion reaches ECT(0)", 0b11, 0b10, 0b11, true},
		{"congestion reaches ECT(1)", 0b11, 0b01, 0b11, true},
		{"already marked", 0b10, 0b11, 0b11, true},
		{"ECT(1) over ECT(0)", 0b01, 0b10, 0b01, true},
		{"not capable", 0b11, 0b00, 0b00, false},
		{"not capable, outer ECT", 0b10, 0b00, 0b00, true},
	} {
		b := ip(17, 0, nil, pattern(8))
		b[1] = 0xb8 | row.inner
		b[10], b[11] = 0, 0
		binary.BigEndian.PutUint16(b[10:], packet.Checksum(b[:20]))
		ok := packet.Decapsulate(0x04|row.outer, b)
		if h := parse(t, b); ok != row.ok || h.TOS != 0xb8|row.want {
			t.Errorf("%s: %v, TOS %#x", row.name, ok, h.TOS)
		}
	}
}

func TestClampMSS(t *testing.T) {
	syn := func(flags byte, options ...byte) []byte {
		tcp := make([]byte, 20+len(options))
		tcp[12], tcp[13] = byte(5+len(options)/4)<<4, flags
		copy(tcp[20:], options)
		binary.BigEndian.PutUint16(tcp[16:], packet.Checksum(tcp)) // without the pseudo header: the change is what counts
		return ip(6, 0, nil, tcp)
	}
	for _, row := range []struct {
		name string
		b    []byte
		at   int // of the option's value in the TCP header; 0: nothing may change
	}{
		{"first option", syn(2, 2, 4, 0x05, 0xb4), 22},
		{"SYN ACK", syn(0x12, 2, 4, 0x05, 0xb4), 22},
		{"at an odd octet", syn(2, 1, 2, 4, 0x05, 0xb4, 0, 0, 0), 23},
		{"behind others", syn(2, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 4, 0x05, 0xb4, 0), 33},
		{"small enough", syn(2, 2, 4, 0x02, 0x00), 0},
		{"not a SYN", syn(0x10, 2, 4, 0x05, 0xb4), 0},
		{"end of options before it", syn(2, 0, 0, 0, 0, 2, 4, 0x05, 0xb4), 0},
		{"broken option", syn(2, 8, 0, 2, 4), 0},
		{"option beyond the header", syn(2, 1, 1, 2, 4), 0},
		{"option cut after its kind", syn(2, 1, 1, 1, 2), 0},
		{"fragment", ip(6, 0x2000, nil, syn(2, 2, 4, 0x05, 0xb4)[20:]), 0},
		{"short", ip(6, 0, nil, make([]byte, 19)), 0},
		{"UDP", ip(17, 0, nil, syn(2, 2, 4, 0x05, 0xb4)[20:]), 0},
	} {
		b := bytes.Clone(row.b)
		h := parse(t, b)
		if changed := packet.ClampMSS(b, &h, 1360); changed != (row.at != 0) || !changed && !bytes.Equal(b, row.b) {
			t.Errorf("%s: changed %v", row.name, changed)
		}
		if row.at == 0 {
			continue
		}
		if got := binary.BigEndian.Uint16(b[20+row.at:]); got != 1360 {
			t.Errorf("%s: MSS %d", row.name, got)
		}
		if packet.Checksum(b[20:]) != 0 {
			t.Errorf("%s: checksum is wrong", row.name)
		}
		b[20+row.at], b[21+row.at] = row.b[20+row.at], row.b[21+row.at]
		copy(b[36:38], row.b[36:38])
		if !bytes.Equal(b, row.b) {
			t.Errorf("%s: something else changed", row.name)
		}
	}
}

func TestFragNeeded(t *testing.T) {
	src := netip.MustParseAddr("10.1.0.1")
	gateway := packet.FromNetip(src)
	from := func(b []byte, src ...byte) []byte { copy(b[12:], src); return b }
	to := func(b []byte, dst ...byte) []byte { copy(b[16:], dst); return b }
	for _, row := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"UDP", ip(17, 0x4000, nil, pattern(1480)), true},
		{"options", ip(17, 0x4000, []byte{7, 4, 4, 0}, pattern(1480)), true},
		{"first fragment", ip(17, 0x6000, nil, pattern(1480)), true},
		{"later fragment", ip(17, 0x4010, nil, pattern(1480)), false},
		{"echo request", ip(1, 0x4000, nil, append([]byte{8, 0}, pattern(1000)...)), true},
		{"ICMP unreachable", ip(1, 0x4000, nil, append([]byte{3, 4}, pattern(1000)...)), false},
		{"ICMP redirect", ip(1, 0x4000, nil, append([]byte{5, 0}, pattern(1000)...)), false},
		{"ICMP unknown", ip(1, 0x4000, nil, append([]byte{200, 0}, pattern(1000)...)), false},
		{"ICMP empty", ip(1, 0x4000, nil, nil), false},
		{"to multicast", to(ip(17, 0x4000, nil, pattern(1480)), 239, 1, 1, 1), false},
		{"to broadcast", to(ip(17, 0x4000, nil, pattern(1480)), 255, 255, 255, 255), false},
		{"from multicast", from(ip(17, 0x4000, nil, pattern(1480)), 224, 1, 1, 1), false},
		{"from nobody", from(ip(17, 0x4000, nil, pattern(1480)), 0, 0, 0, 0), false},
		{"from loopback", from(ip(17, 0x4000, nil, pattern(1480)), 127, 0, 0, 1), false},
	} {
		h, err := packet.Parse(row.b)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]byte, packet.ICMPMaxLen)
		n := packet.FragNeeded(out, row.b, &h, 1446, gateway)
		if (n != 0) != row.want {
			t.Errorf("%s: %d octets", row.name, n)
		}
		if n == 0 {
			continue
		}
		got := parse(t, out[:n])
		m := out[got.HeaderLen:n]
		if got.Src != gateway || got.Dst != h.Src || got.Proto != packet.ProtoICMP || packet.Checksum(m) != 0 ||
			m[0] != 3 || m[1] != 4 || binary.BigEndian.Uint16(m[6:]) != 1446 || !bytes.Equal(m[8:], row.b[:h.HeaderLen+8]) {
			t.Errorf("%s: %+v %x", row.name, got, m)
		}
	}
}
