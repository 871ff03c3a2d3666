package packet_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/getvpn/getvpn/esp/packet"
)

// sealed is the beginning of an ESP packet from the host to its peer, of 1400 octets.
func sealed(version uint8) []byte {
	b := make([]byte, 20, 60)
	b[0], b[2], b[3], b[8], b[9] = 0x45, 0x05, 0x78, 1, packet.ProtoESP
	copy(b[12:], []byte{10, 1, 2, 3, 10, 4, 5, 6})
	if version == 6 {
		b = ip6(packet.ProtoESP)
		binary.BigEndian.PutUint16(b[4:], 1400-40)
	}
	return append(b, 0xab, 0xcd, 0, 1, 0, 0, 0, 7)
}

// routerSays is an ICMP error about quote to its source.
func routerSays(version, typ, code uint8, word uint32, quote []byte) []byte {
	m := make([]byte, 8, 8+len(quote))
	m[0], m[1] = typ, code
	binary.BigEndian.PutUint32(m[4:], word)
	m = append(m, quote...)
	src, _, _ := packet.Source(quote)
	h := packet.Header{Version: version, Src: addr("192.0.2.9"), Dst: src, TTL: 60}
	proto, check := uint8(packet.ProtoICMP), uint16(0)
	if version == 6 {
		h.Src, proto = addr("2001:db8:ffff::9"), packet.ProtoICMPv6
		check = packet.UpperChecksum(&h, proto, m)
	} else {
		check = packet.Checksum(m)
	}
	binary.BigEndian.PutUint16(m[2:], check)
	b := make([]byte, h.OuterLen())
	packet.PutOuter(b, &h, proto, len(b)+len(m), 0)
	return append(b, m...)
}

func TestICMPErrors(t *testing.T) {
	udp4, udp6 := ip(17, 0x4000, nil, pattern(30)), ip6(17, pattern(30)...)
	ping6 := ip6(58, 128, 0, 0, 0, 1, 2, 3, 4)
	for _, row := range []struct {
		name               string
		version            uint8
		typ, code          uint8
		word               uint32
		quote              []byte
		kind               packet.Kind
		toldType, toldCode uint8 // what the host is told; 0: nothing
		toldWord           uint32
	}{
		{"fragmentation needed", 4, 3, 4, 1300, udp4, packet.PacketLong, 3, 4, 1234},
		{"fragmentation needed, of a router before RFC 1191", 4, 3, 4, 0, udp4, packet.PacketLong, 3, 4, 1234},
		{"fragmentation needed, though it may be fragmented", 4, 3, 4, 1300, ip(17, 0, nil, pattern(30)), packet.PacketLong, 0, 0, 0},
		{"time exceeded", 4, 11, 0, 0xdeadbeef, udp4, packet.TimeExceeded, 11, 0, 0},
		{"time exceeded, about an error", 4, 11, 0, 0, ip(1, 0, nil, []byte{3, 1, 0, 0, 0, 0, 0, 0}), packet.TimeExceeded, 0, 0, 0},
		{"time exceeded, about an echo", 4, 11, 0, 0, ip(1, 0, nil, []byte{8, 0, 0, 0, 0, 0, 0, 0}), packet.TimeExceeded, 11, 0, 0},
		{"time exceeded, about a later fragment", 4, 11, 0, 0, ip(17, 100, nil, pattern(30)), packet.TimeExceeded, 0, 0, 0},
		{"network unreachable", 4, 3, 0, 77, udp4, packet.Unreachable, 3, 0, 0},
		{"forbidden", 4, 3, 13, 0, udp4, packet.Unreachable, 3, 13, 0},
		{"nobody knows ESP there", 4, 3, 2, 0, udp4, packet.Unreachable, 3, 1, 0},
		{"parameter problem", 4, 12, 0, 1 << 24, udp4, packet.Parameter, 12, 0, 1 << 24},
		{"parameter problem of ESP", 4, 12, 0, 21 << 24, udp4, packet.Parameter, 0, 0, 0},
		{"packet too big", 6, 2, 0, 1300, udp6, packet.PacketLong, 2, 0, 1234},
		{"hop limit", 6, 3, 0, 0xdeadbeef, udp6, packet.TimeExceeded, 3, 0, 0},
		{"hop limit, about an echo", 6, 3, 0, 0, ping6, packet.TimeExceeded, 3, 0, 0},
		{"no route", 6, 1, 0, 5, udp6, packet.Unreachable, 1, 0, 0},
		{"nobody knows ESP there", 6, 4, 1, 6, udp6, packet.Parameter, 1, 3, 0},
		{"parameter problem", 6, 4, 0, 4, udp6, packet.Parameter, 4, 0, 4},
		{"parameter problem of ESP", 6, 4, 0, 44, udp6, packet.Parameter, 0, 0, 0},
	} {
		b := routerSays(row.version, row.typ, row.code, row.word, sealed(row.version))
		e, ok := packet.ParseICMPError(b)
		if !ok || e.Kind != row.kind || e.SPI != 0xabcd0001 || e.Seq != 7 || e.Length != 1400 || e.TTL != 60 || e.Kind == packet.PacketLong && e.MTU != int(row.word) {
			t.Errorf("%s: %v %+v", row.name, ok, e)
			continue
		}
		out := make([]byte, packet.ICMPMaxLen)
		n := packet.PutICMPError(out, &e, row.quote[:min(len(row.quote), 48)], 1234)
		if row.toldType == 0 {
			if n != 0 {
				t.Errorf("%s: the host is told %x", row.name, out[:n])
			}
			continue
		}
		told, err := packet.Parse(out[:n])
		if err != nil || told.TotalLen != n || told.Src != e.Src || told.Dst != e.Dst || told.TTL != 60 {
			t.Errorf("%s: %v %+v", row.name, err, told)
			continue
		}
		m := out[told.HeaderLen:n]
		sum := packet.Checksum(m)
		if row.version == 6 {
			sum = packet.UpperChecksum(&told, packet.ProtoICMPv6, m)
		}
		if sum != 0 || m[0] != row.toldType || m[1] != row.toldCode || binary.BigEndian.Uint32(m[4:]) != row.toldWord || !bytes.HasPrefix(row.quote, m[8:]) || len(m) < 8+28 {
			t.Errorf("%s: checksum %#x, %x", row.name, sum, m)
		}
	}
}

func TestICMPErrorsRefused(t *testing.T) {
	change := func(b []byte, at int, v byte) []byte { b = bytes.Clone(b); b[at] = v; return b }
	tcp4, tcp6 := change(sealed(4), 9, 6), change(sealed(6), 6, 6)
	pieces := append(sealed(6)[:40:40], packet.ProtoESP, 0, 0, 1, 0, 0, 0, 9, 0xab, 0xcd, 0, 1, 0, 0, 0, 7)
	pieces[6] = 44
	if e, ok := packet.ParseICMPError(routerSays(6, 3, 0, 0, pieces)); !ok || e.SPI != 0xabcd0001 {
		t.Error("the first piece of an ESP packet is not one")
	}
	for name, b := range map[string][]byte{
		"not ESP": routerSays(4, 11, 0, 0, tcp4), "not ESP, IPv6": routerSays(6, 3, 0, 0, tcp6),
		"an echo": routerSays(4, 8, 0, 0, sealed(4)), "an echo, IPv6": routerSays(6, 128, 0, 0, sealed(6)),
		"a redirect": routerSays(4, 5, 0, 0, sealed(4)), "source quench": routerSays(4, 4, 0, 0, sealed(4)),
		"a later fragment":       routerSays(4, 11, 0, 0, change(sealed(4), 7, 1)),
		"a later fragment, IPv6": routerSays(6, 3, 0, 0, change(pieces, 43, 9)),
		"to somebody else":       change(routerSays(4, 11, 0, 0, sealed(4)), 19, 99), // the header's own checksum is the kernel's
		"broken":                 change(routerSays(4, 11, 0, 0, sealed(4)), 30, 99), "broken, IPv6": change(routerSays(6, 3, 0, 0, sealed(6)), 50, 99),
		"IPv6 in IPv4": routerSays(4, 11, 0, 0, change(sealed(4), 0, 0x65)),
	} {
		if e, ok := packet.ParseICMPError(b); ok {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for _, version := range []uint8{4, 6} {
		typ := map[uint8]uint8{4: 11, 6: 3}[version]
		for n := range len(sealed(version)) {
			if n < 20 || version == 6 && n < 40 {
				continue
			}
			if _, ok := packet.ParseICMPError(routerSays(version, typ, 0, 0, sealed(version)[:n])); ok {
				t.Errorf("IPv%d: %d octets are a quote", version, n)
			}
		}
	}
}

func FuzzICMPError(f *testing.F) {
	f.Add(routerSays(4, 3, 4, 1300, sealed(4)), ip(17, 0x4000, nil, pattern(30)))
	f.Add(routerSays(6, 2, 0, 1300, sealed(6)), ip6(44, 17, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4))
	f.Fuzz(func(t *testing.T, b, quote []byte) {
		// A checksum that is right lets the fuzzer further in.
		if h, err := packet.Parse(b); err == nil && h.TotalLen-h.HeaderLen >= 8 {
			m := b[h.HeaderLen:h.TotalLen]
			m[2], m[3] = 0, 0
			if h.Version == 6 {
				binary.BigEndian.PutUint16(m[2:], packet.UpperChecksum(&h, packet.ProtoICMPv6, m))
			} else {
				binary.BigEndian.PutUint16(m[2:], packet.Checksum(m))
			}
		}
		e, ok := packet.ParseICMPError(b)
		if !ok {
			return
		}
		quote = quote[:min(len(quote), 55)]
		out := make([]byte, packet.ICMPMaxLen)
		n := packet.PutICMPError(out, &e, quote, 1300)
		if n == 0 {
			return
		}
		h, err := packet.Parse(out[:n])
		if err != nil || h.TotalLen != n || h.Src != e.Src || h.Dst != e.Dst || !bytes.HasPrefix(quote, out[h.HeaderLen+8:n]) {
			t.Fatalf("%v %+v: %x of %x", err, h, out[:n], quote)
		}
	})
}
