package packet_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/getvpn/getvpn/esp/packet"
)

func addr(s string) packet.Addr { return packet.FromNetip(netip.MustParseAddr(s)) }

// TestOuterIPv6 is the header of RFC 8200 §3, octet by octet.
func TestOuterIPv6(t *testing.T) {
	b := ip6(44, 17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8)
	binary.BigEndian.PutUint32(b, 0x6b7abcde)
	b[7] = 61
	inner, err := packet.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 120)
	packet.PutOuter(out, &inner, packet.ProtoESP, 120, 77)
	want := "6b7abcde" + "0050" + "32" + "3d" + "20010db8000000000000000000000001" + "20010db8000000000000000000000002"
	if got := hex.EncodeToString(out[:40]); got != want || inner.OuterLen() != 40 {
		t.Errorf("%s\n%s", got, want)
	}
	outer, err := packet.Parse(out)
	if err != nil || !packet.SameAddresses(&outer, &inner) || outer.Fragment() || outer.Proto != packet.ProtoESP {
		t.Errorf("%+v, %v", outer, err)
	}
	four := outer
	four.Version = 4
	if packet.SameAddresses(&four, &inner) {
		t.Error("an address of another version counts as the same")
	}
}

func TestDecapsulateIPv6(t *testing.T) {
	for _, row := range []struct {
		outer, inner, want uint8
		ok                 bool
	}{
		{0b00, 0b10, 0b10, true}, {0b11, 0b10, 0b11, true}, {0b11, 0b01, 0b11, true}, {0b10, 0b11, 0b11, true},
		{0b01, 0b10, 0b01, true}, {0b11, 0b00, 0b00, false}, {0b10, 0b00, 0b00, true},
	} {
		b := ip6(17, 1, 2, 3, 4, 5, 6, 7, 8)
		binary.BigEndian.PutUint32(b, 6<<28|uint32(0xb8|row.inner)<<20|0xabcde)
		want := bytes.Clone(b)
		binary.BigEndian.PutUint32(want, 6<<28|uint32(0xb8|row.want)<<20|0xabcde)
		if ok := packet.Decapsulate(0x04|row.outer, b); ok != row.ok || !bytes.Equal(b, want) {
			t.Errorf("%+v: %v, %x", row, ok, b)
		}
	}
}

// upper returns the sum over an upper layer and its pseudo-header, octet by octet: 0 when the checksum in it is right.
func upper(b []byte, at int, proto uint8) uint16 {
	pseudo := append(bytes.Clone(b[8:40]), 0, 0, byte((len(b)-at)>>8), byte(len(b)-at), 0, 0, 0, proto)
	return packet.Checksum(append(pseudo, b[at:]...))
}

func TestClampMSSIPv6(t *testing.T) {
	tcp := make([]byte, 24)
	tcp[12], tcp[13] = 0x60, 2
	copy(tcp[20:], []byte{2, 4, 0x05, 0xb4})
	for name, b := range map[string][]byte{
		"plain":   ip6(6, tcp...),
		"options": ip6(60, append([]byte{6, 0, 1, 4, 0, 0, 0, 0}, tcp...)...),
	} {
		h, err := packet.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		seg := b[h.HeaderLen:]
		binary.BigEndian.PutUint16(seg[16:], packet.UpperChecksum(&h, 6, seg))
		if upper(b, h.HeaderLen, 6) != 0 {
			t.Fatalf("%s: the checksum is wrong", name)
		}
		if !packet.ClampMSS(b, &h, 1340) || binary.BigEndian.Uint16(seg[22:]) != 1340 || upper(b, h.HeaderLen, 6) != 0 {
			t.Errorf("%s: %x", name, b)
		}
	}
}

func TestPacketTooBig(t *testing.T) {
	from := func(b []byte, a string) []byte { copy(b[8:], netip.MustParseAddr(a).AsSlice()); return b }
	to := func(b []byte, a string) []byte { copy(b[24:], netip.MustParseAddr(a).AsSlice()); return b }
	data := pattern(1400)
	for _, row := range []struct {
		name string
		b    []byte
		want bool
	}{
		{"UDP", ip6(17, data...), true},
		{"short", ip6(17, pattern(20)...), true},
		{"to multicast", to(ip6(17, data...), "ff3e::1"), true},
		{"echo request", ip6(58, append([]byte{128, 0}, data...)...), true},
		{"packet too big", ip6(58, append([]byte{2, 0}, data...)...), false},
		{"redirect", ip6(58, append([]byte{137, 0}, data...)...), false},
		{"ICMPv6 empty", ip6(58), false},
		{"later fragment of ICMPv6", ip6(44, append([]byte{58, 0, 0, 9, 0, 0, 0, 9}, data...)...), false},
		{"later fragment of UDP", ip6(44, append([]byte{17, 0, 0, 9, 0, 0, 0, 9}, data...)...), true},
		{"from multicast", from(ip6(17, data...), "ff02::1"), false},
		{"from nobody", from(ip6(17, data...), "::"), false},
		{"from loopback", from(ip6(17, data...), "::1"), false},
	} {
		h, err := packet.Parse(row.b)
		if err != nil {
			t.Fatal(row.name, err)
		}
		out := make([]byte, packet.ICMPMaxLen)
		n := packet.TooBig(out, row.b, &h, 1426, addr("2001:db8:1::1"))
		if (n != 0) != row.want {
			t.Errorf("%s: %d octets", row.name, n)
		}
		if n == 0 {
			continue
		}
		got, err := packet.Parse(out[:n])
		if err != nil || n != min(1280, 48+len(row.b)) || got.TotalLen != n || got.Src != addr("2001:db8:1::1") || got.Dst != h.Src || got.Proto != 58 {
			t.Errorf("%s: %+v, %v", row.name, got, err)
			continue
		}
		m := out[40:n]
		if m[0] != 2 || m[1] != 0 || binary.BigEndian.Uint32(m[4:]) != 1426 || !bytes.Equal(m[8:], row.b[:n-48]) || upper(out[:n], 40, 58) != 0 {
			t.Errorf("%s: %x", row.name, m[:16])
		}
	}
}

func TestLinkLocal(t *testing.T) {
	for _, row := range []struct {
		src, dst string
		proto    uint8
		typ      byte
		want     bool
	}{
		{"2001:db8::1", "2001:db8::2", 17, 0, false},
		{"fe80::1", "2001:db8::2", 17, 0, true},
		{"2001:db8::1", "febf::1", 17, 0, true},
		{"2001:db8::1", "fec0::1", 17, 0, false},
		{"2001:db8::1", "ff02::5", 89, 0, true},
		{"2001:db8::1", "ff01::1", 17, 0, true},
		{"2001:db8::1", "ff12::1", 17, 0, true},
		{"2001:db8::1", "ff05::1", 17, 0, false},
		{"2001:db8::1", "ff3e::1", 17, 0, false},
		{"::", "ff02::16", 58, 143, true},
		{"2001:db8::1", "2001:db8::2", 58, 135, true},
		{"2001:db8::1", "2001:db8::2", 58, 132, false},
		{"2001:db8::1", "2001:db8::2", 58, 128, false},
		{"2001:db8::1", "2001:db8::2", 17, 135, false},
	} {
		b := ip6(row.proto, row.typ, 0, 0, 0)
		copy(b[8:], netip.MustParseAddr(row.src).AsSlice())
		copy(b[24:], netip.MustParseAddr(row.dst).AsSlice())
		h, err := packet.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if h.LinkLocal(b) != row.want {
			t.Errorf("%+v", row)
		}
	}
	b := ip(1, 0, nil, []byte{135, 0, 0, 0})
	if h := parse(t, b); h.LinkLocal(b) {
		t.Error("IPv4")
	}
}

func TestFragmenter6(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := pattern(rapid.IntRange(0, 5000).Draw(t, "n"))
		b := ip6(50, payload...)
		mtu := rapid.IntRange(1280, 1600).Draw(t, "mtu")
		f := packet.NewFragmenter6(b, 0xdeadbeef, mtu)
		buf := make([]byte, mtu)
		var got []byte
		more := true
		for n := f.Next(buf); n > 0; n = f.Next(buf) {
			h, err := packet.Parse(buf[:n])
			if err != nil || !more || h.Offset != len(got) || h.Proto != 50 || h.TotalLen != n || !bytes.Equal(buf[:4], b[:4]) ||
				!bytes.Equal(buf[7:40], b[7:40]) || binary.BigEndian.Uint32(buf[44:]) != 0xdeadbeef {
				t.Fatalf("%+v %v", h, err)
			}
			more = h.MF
			got = append(got, buf[h.HeaderLen:n]...)
		}
		if !bytes.Equal(got, payload) || more && len(payload) > 0 {
			t.Fatalf("%d octets of %d, more %v", len(got), len(payload), more)
		}
	})
}
