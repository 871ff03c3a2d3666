package engine_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
)

// insider is a member gone bad: it has the group's key, and seals what it likes.
type insider struct {
	t   testing.TB
	sa  *esp.SA
	seq uint32
}

func newInsider(t testing.TB, s esp.Suite) *insider {
	t.Helper()
	sa, err := esp.NewSA(spi, s, suiteKey(s), 24)
	must(t, err)
	return &insider{t: t, sa: sa}
}

// seal puts payload under next into the tunnel packet whose header repeats that of outer.
func (x *insider) seal(payload []byte, next uint8, outer []byte) []byte {
	x.t.Helper()
	x.seq++
	p := room(payload)
	start, n, err := x.sa.Seal(new(esp.Context), esp.Ticket{IV: 9<<40 | uint64(x.seq), Seq: x.seq}, p.Buf, p.Off, p.Len, next)
	must(x.t, err)
	return under(x.t, outer, p.Buf[start:start+n])
}

// under is an ESP packet behind a tunnel header.
func under(t testing.TB, outer, sealed []byte) []byte {
	t.Helper()
	h, err := packet.Parse(outer)
	must(t, err)
	out := make([]byte, h.OuterLen(), h.OuterLen()+len(sealed))
	packet.PutOuter(out, &h, packet.ProtoESP, h.OuterLen()+len(sealed), 1)
	return append(out, sealed...)
}

// drops is all drops by reason.
func (m member) drops() map[string]uint64 {
	out := map[string]uint64{}
	for _, c := range m.Stats().Drops {
		out[c.Name] = c.Count
	}
	return out
}

// refuses demands that a packet is dropped, for a reason that is counted once, and nothing else.
func (m member) refuses(t *testing.T, what string, b []byte, want ...engine.Reason) engine.Reason {
	t.Helper()
	before, delivered := m.drops(), m.Stats().InPackets
	r := m.in(b)
	if r.Action != engine.Drop || r.Reason == engine.None || len(want) > 0 && !slices.Contains(want, r.Reason) {
		t.Errorf("%s: action %d, %v, want %v", what, r.Action, r.Reason, want)
	}
	after := m.drops()
	for name, n := range after {
		counted := n - before[name]
		if expected := name == r.Reason.String(); expected && counted != 1 || !expected && counted != 0 {
			t.Errorf("%s: dropped as %v, and %s is counted %d times", what, r.Reason, name, counted)
		}
	}
	if n := m.Stats().InPackets; n != delivered || len(after) == 0 {
		t.Errorf("%s: %d packets delivered, reasons %v", what, n-delivered, after)
	}
	return r.Reason
}

// onTheWay says which octets of an outer header routers may change, so that nothing depends on them.
func onTheWay(b []byte, at int) bool {
	if b[0]>>4 == 4 { // TOS, identification, reserved bit and DF, TTL, checksum
		return slices.Contains([]int{1, 4, 5, 8, 10, 11}, at)
	}
	return at == 1 || at == 2 || at == 3 || at == 7 // traffic class, flow label, hop limit
}

// sameBut compares what arrived with what was sent, without ECN and the checksum that it changes. The hops to go are the
// lesser of what was sent and what the outer header says.
func sameBut(got, sent, outer []byte) bool {
	got, sent = bytes.Clone(got), bytes.Clone(sent)
	ttl := 8
	if sent[0]>>4 == 6 {
		ttl = 7
	}
	sent[ttl] = min(sent[ttl], outer[ttl])
	for _, c := range [][]byte{got, sent} {
		if c[0]>>4 == 4 {
			c[1], c[10], c[11] = c[1]&^3, 0, 0
		} else {
			c[1] &^= 0x30
		}
	}
	return bytes.Equal(got, sent)
}

// TestEveryOctet: a packet with any bit of any octet changed is dropped, but for the fields of the outer header that change
// on the way, with which the inner packet arrives as it was sent. In every suite.
func TestEveryOctet(t *testing.T) {
	for _, s := range esp.Suites() {
		t.Run(s.String(), func(t *testing.T) {
			a, b := interopMember(t, s, 1), interopMember(t, s, 2)
			for _, p := range [][]byte{inner(17, 61), inner6(17, 61)} {
				n := len(a.sealed(t, p))
				seen := map[engine.Reason]bool{}
				for at := range n {
					for bit := range 8 {
						good := a.sealed(t, p)
						bad := bytes.Clone(good)
						bad[at] ^= 1 << bit
						what := fmt.Sprintf("IPv%d, octet %d, bit %d", p[0]>>4, at, bit)
						df := p[0]>>4 == 4 && at == 6 && bit >= 6 // DF and the bit that is not used
						label := p[0]>>4 == 6 && at == 0 && bit < 4
						if onTheWay(good, at) || df || label {
							got := b.in(bad)
							// ECN is copied inwards, and may make the packet one to drop (RFC 6040 §4.2).
							if got.Action != engine.Deliver && got.Reason != engine.BadECN {
								t.Fatalf("%s: %v", what, got.Reason)
							} else if got.Action == engine.Deliver && !sameBut(got.Bytes(), p, bad) {
								t.Fatalf("%s: delivered\n%x, not\n%x", what, got.Bytes(), p)
							}
							continue
						}
						seen[b.refuses(t, what, bad)] = true
					}
				}
				for _, r := range []engine.Reason{engine.Malformed, engine.UnknownSPI, engine.AuthFailed, engine.AddressMismatch} {
					if !seen[r] {
						t.Errorf("nothing was dropped as %v: %v", r, seen)
					}
				}
			}
		})
	}
}

// TestEveryLength: cut anywhere, or longer or shorter than it says, a packet is dropped; what a link adds behind it is not
// looked at.
func TestEveryLength(t *testing.T) {
	for _, s := range esp.Suites() {
		a, b := interopMember(t, s, 1), interopMember(t, s, 2)
		for _, p := range [][]byte{inner(17, 61), inner6(17, 61)} {
			at, less := 2, 0
			if p[0]>>4 == 6 {
				at, less = 4, 40
			}
			good := a.sealed(t, p)
			says := func(c []byte, n int) []byte {
				c = bytes.Clone(c)
				binary.BigEndian.PutUint16(c[at:], uint16(n-less))
				return c
			}
			for n := range good {
				what := fmt.Sprintf("%v, IPv%d, %d of %d octets", s, p[0]>>4, n, len(good))
				b.refuses(t, what, good[:n], engine.Malformed)
				if n >= 40 {
					b.refuses(t, what+", and says so", says(good[:n], n), engine.Malformed, engine.AuthFailed, engine.UnknownSPI)
				}
			}
			for n := range 70 {
				longer := append(bytes.Clone(good), make([]byte, n+1)...)
				b.refuses(t, fmt.Sprintf("%v, %d octets more", s, n+1), says(longer, len(longer)), engine.Malformed, engine.AuthFailed)
			}
			if r := b.in(append(bytes.Clone(good), 1, 2, 3)); r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), p) {
				t.Errorf("%v, with what a link adds: %+v", s, r)
			}
		}
	}
}

// TestAuthenticNonsense is what only a holder of the key can send.
func TestAuthenticNonsense(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, s := range esp.Suites() {
		b, x := interopMember(t, s, 2), newInsider(t, s)
		good, six := inner(17, 100), inner6(17, 100)
		for next := range 256 {
			want := engine.BadNextHeader
			switch uint8(next) {
			case esp.NextIPv4:
				continue
			case esp.NextIPv6:
				want = engine.Malformed
			case esp.NextDummy:
				want = engine.Dummy
			}
			b.refuses(t, fmt.Sprintf("%v, next header %d", s, next), x.seal(good, uint8(next), good), want)
		}
		with := func(b []byte, f func([]byte)) []byte { c := bytes.Clone(b); f(c); return c }
		for _, row := range []struct {
			what    string
			payload []byte
			next    uint8
			outer   []byte
			want    engine.Reason
		}{
			{"nothing", nil, 4, good, engine.Malformed},
			{"19 octets", good[:19], 4, good, engine.Malformed},
			{"39 octets", six[:39], 41, six, engine.Malformed},
			{"version 5", with(good, func(b []byte) { b[0] = 0x55 }), 4, good, engine.Malformed},
			{"IPv6 as IPv4", six, 4, good, engine.Malformed},
			{"header of 16 octets", with(good, func(b []byte) { b[0] = 0x44 }), 4, good, engine.Malformed},
			{"header longer than the packet", with(good[:40], func(b []byte) { b[0] = 0x4f }), 4, good, engine.Malformed},
			{"longer than it is", with(good, func(b []byte) { b[3] += 16 }), 4, good, engine.Malformed},
			{"shorter than its header", with(good, func(b []byte) { b[3] = 19 }), 4, good, engine.Malformed},
			{"IPv6 longer than it is", with(six, func(b []byte) { b[5] += 16 }), 41, six, engine.Malformed},
			{"other source", good, 4, inner(17, 28, func(b []byte) { b[15]++ }), engine.AddressMismatch},
			{"other destination", good, 4, inner(17, 28, dst(10, 2, 0, 2)), engine.AddressMismatch},
			{"IPv4 in IPv6", good, 4, six, engine.AddressMismatch},
			{"IPv6 in IPv4", six, 41, good, engine.AddressMismatch},
			{"from this member's address", inner(17, 100, func(b []byte) { copy(b[12:], []byte{10, 1, 0, 254}) }), 4, inner(17, 28, func(b []byte) { copy(b[12:], []byte{10, 1, 0, 254}) }), engine.OwnAddress},
			{"not the group's", inner(17, 100, dst(192, 0, 2, 1)), 4, inner(17, 28, dst(192, 0, 2, 1)), engine.PolicyMismatch},
		} {
			b.refuses(t, fmt.Sprintf("%v, %s", s, row.what), x.seal(row.payload, row.next, row.outer), row.want)
		}
		for n := range 200 {
			rubbish := make([]byte, n)
			for i := range rubbish {
				rubbish[i] = byte(random.Uint32())
			}
			b.refuses(t, fmt.Sprintf("%v, %d octets at random", s, n), x.seal(rubbish, 4, good), engine.Malformed, engine.AddressMismatch)
		}
		if r := b.in(x.seal(good, 4, good)); r.Action != engine.Deliver {
			t.Errorf("%v: what is sound is %v", s, r.Reason)
		}
	}
}

// TestBadPadding goes through all lies about it.
func TestBadPadding(t *testing.T) {
	s := esp.AES256GCM
	b := interopMember(t, s, 2)
	block, err := aes.NewCipher(suiteKey(s)[:32])
	must(t, err)
	gcm, err := cipher.NewGCM(block)
	must(t, err)
	good, seq := inner(17, 92), uint32(0)
	for pad := range 256 {
		for _, first := range []byte{0, 1, 2} {
			seq++
			head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, spi), seq)
			iv := binary.BigEndian.AppendUint64(nil, 9<<40|uint64(seq))
			nonce := append(bytes.Clone(suiteKey(s)[32:]), iv...)
			sealed := gcm.Seal(append(bytes.Clone(head), iv...), nonce, append(bytes.Clone(good), first, 2, byte(pad), esp.NextIPv4), head)
			what := fmt.Sprintf("padding of %d octets, %d 2", pad, first)
			if pad != 0 && (pad != 2 || first != 1) {
				b.refuses(t, what, under(t, good, sealed), engine.BadPadding)
			} else if r := b.in(under(t, good, sealed)); r.Action != engine.Deliver || !bytes.Equal(r.Bytes(), good) {
				t.Errorf("%s: %+v", what, r)
			}
		}
	}
}

// TestReservedSPIs: those of RFC 4303 §2.1 are nobody's, and no sign that others have newer keys.
func TestReservedSPIs(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	with := func(v uint32, change ...func([]byte)) []byte {
		s := a.sealed(t, inner(17, 100))
		binary.BigEndian.PutUint32(s[20:], v)
		for _, f := range change {
			f(s)
		}
		return s
	}
	for v := range uint32(256) {
		b.refuses(t, fmt.Sprint("SPI ", v), with(v), engine.UnknownSPI)
	}
	if got := b.Strays(); got != nil {
		t.Errorf("reserved SPIs are strays: %v", got)
	}
	// Others are, if policy has their addresses, and no more than an attacker may make us remember.
	b.refuses(t, "not the group's", with(256, dst(192, 0, 2, 1)), engine.UnknownSPI)
	b.refuses(t, "the group's", with(257), engine.UnknownSPI)
	b.refuses(t, "again", with(257), engine.UnknownSPI)
	if got := b.Strays(); len(got) != 1 || got[0].SPI != 257 || !slices.Equal(got[0].Groups, []string{"blue"}) {
		t.Errorf("strays %v", got)
	}
	for v := range uint32(1000) {
		b.in(with(1000 + v))
	}
	if got := b.Strays(); len(got) != 16 {
		t.Errorf("%d strays are kept", len(got))
	}
	if got := b.Strays(); got != nil {
		t.Errorf("asked again: %v", got)
	}
}
