package esp_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/getvpn/getvpn/esp"
)

func ipv4(n int) []byte {
	b := make([]byte, n)
	b[0] = 0x45
	binary.BigEndian.PutUint16(b[2:], uint16(n))
	return b
}

func ipv6(n int) []byte {
	b := make([]byte, n)
	b[0] = 0x60
	binary.BigEndian.PutUint16(b[4:], uint16(n-40))
	return b
}

// TestStampGoesThroughEverySuite: a stamp comes out as it went in, and hides neither the packet nor who sent it.
func TestStampGoesThroughEverySuite(t *testing.T) {
	for _, s := range esp.Suites() {
		t.Run(s.String(), func(t *testing.T) {
			sa, err := esp.NewSA(1000, s, bytes.Repeat([]byte{7}, s.KeyMatLen()), 24)
			if err != nil {
				t.Fatal(err)
			}
			c := new(esp.Context)
			for seq := uint32(1); seq < 40; seq++ {
				plain, next := ipv4(28+int(seq)), uint8(esp.NextIPv4)
				if seq%2 == 0 {
					plain, next = ipv6(48+int(seq)), esp.NextIPv6
				}
				buf := make([]byte, esp.Headroom+len(plain)+esp.Tailroom)
				copy(buf[esp.Headroom:], plain)
				esp.PutStamp(buf[esp.Headroom+len(plain):], 0x80000000+seq)
				ticket := esp.Ticket{IV: 9<<40 | uint64(seq), Seq: seq}
				start, n, err := sa.Seal(c, ticket, buf, esp.Headroom, len(plain)+esp.StampLen, next)
				if err != nil {
					t.Fatal(err)
				}
				if n != s.SealedLen(len(plain)+esp.StampLen) {
					t.Fatalf("%d octets", n)
				}
				sealed := buf[start : start+n]
				got, known, ok := sa.Ticket(c, sealed)
				if !ok || !known || got != ticket {
					t.Fatalf("ticket %+v, known %v", got, known)
				}
				payload, is, err := sa.Open(c, sealed)
				if err != nil || is != next || !bytes.Equal(payload[:len(plain)], plain) {
					t.Fatal(err)
				}
				if stamp, ok := esp.Stamp(payload, is); !ok || stamp != 0x80000000+seq {
					t.Fatalf("stamp %x, %v", stamp, ok)
				}
			}
		})
	}
}

// TestStampIsNotSeenElsewhere: padding of others is no stamp.
func TestStampIsNotSeenElsewhere(t *testing.T) {
	good := append(ipv4(28), 0xd7, 0xa5, 1, 2, 3, 4)
	for name, p := range map[string][]byte{
		"nothing":     ipv4(28),
		"zeros":       append(ipv4(28), 0, 0, 0, 0, 0, 0),
		"too short":   good[:33],
		"more":        append(bytes.Clone(good), 0),
		"no header":   good[:10],
		"empty":       {},
		"lying":       append(ipv4(28)[:27], 0xd7, 0xa5, 1, 2, 3, 4),
		"short IPv6":  append(ipv6(40)[:39], 0xd7),
		"not as IPv6": good,
	} {
		next := uint8(esp.NextIPv4)
		if bytes.Contains([]byte(name), []byte("IPv6")) {
			next = esp.NextIPv6
		}
		if _, ok := esp.Stamp(p, next); ok {
			t.Errorf("%s: a stamp", name)
		}
	}
	if _, ok := esp.Stamp(good, esp.NextDummy); ok {
		t.Error("a dummy packet has a stamp")
	}
	if stamp, ok := esp.Stamp(good, esp.NextIPv4); !ok || stamp != 0x01020304 {
		t.Error("the genuine one has none")
	}
}

func FuzzStamp(f *testing.F) {
	f.Add(append(ipv4(28), 0xd7, 0xa5, 1, 2, 3, 4), uint8(esp.NextIPv4))
	f.Add(append(ipv6(48), 0xd7, 0xa5, 1, 2, 3, 4), uint8(esp.NextIPv6))
	f.Fuzz(func(t *testing.T, b []byte, next uint8) {
		stamp, ok := esp.Stamp(b, next)
		if !ok {
			return
		}
		again := bytes.Clone(b)
		esp.PutStamp(again[len(again)-esp.StampLen:], stamp)
		if !bytes.Equal(again, b) {
			t.Fatalf("%x", b)
		}
	})
}
