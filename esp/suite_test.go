package esp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// gcmOf is the AES-GCM whose keying material has n octets.
func gcmOf(n int) Suite {
	for _, s := range []Suite{AES128GCM, AES192GCM, AES256GCM} {
		if s.KeyMatLen() == n {
			return s
		}
	}
	panic(fmt.Sprint("no AES-GCM with ", n))
}

func suiteSA(t testing.TB, s Suite) *SA {
	t.Helper()
	sa, err := NewSA(0xc0ffee01, s, testKey(s.KeyMatLen()), 24)
	if err != nil {
		t.Fatal(err)
	}
	return sa
}

// ipv4 is a packet with n octets of payload, sound enough to have a length.
func ipv4(n int) []byte {
	b := append([]byte{0x45, 0}, testKey(18+n)...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return b
}

func eachSuite(t *testing.T, f func(t *testing.T, s Suite)) {
	for _, s := range Suites() {
		t.Run(s.String(), func(t *testing.T) { f(t, s) })
	}
}

func TestSuiteNames(t *testing.T) {
	if len(Suites()) != 29 {
		t.Fatal(len(Suites()))
	}
	eachSuite(t, func(t *testing.T, s Suite) {
		if got, err := ParseSuite(s.String()); err != nil || got != s {
			t.Fatal(got, err)
		}
		if s.IVLen() > MaxIVLen || 20+HeaderLen+s.IVLen() > Headroom {
			t.Error("IV does not fit into the headroom")
		}
		for n := range 64 {
			if s.SealedLen(n)-HeaderLen-s.IVLen()-n > Tailroom {
				t.Fatal("does not fit into the tailroom", n)
			}
		}
	})
	for _, name := range []string{"", "aes-256", "AES-256-GCM", "suite(0)", "aes-256-cbc"} {
		if _, err := ParseSuite(name); !errors.Is(err, ErrSuite) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestSuitesSealAndOpen: what was sealed opens, in place, and says who sent it; no bit of it can be changed.
func TestSuitesSealAndOpen(t *testing.T) {
	eachSuite(t, func(t *testing.T, s Suite) {
		sa := suiteSA(t, s)
		var ctx Context
		rapid.Check(t, func(rt *rapid.T) {
			payload := ipv4(rapid.IntRange(0, 1480).Draw(rt, "length"))
			count := rapid.Uint32Range(1, 1<<32-1).Draw(rt, "count")
			ticket := Ticket{IV: uint64(rapid.IntRange(0, 1<<24-1).Draw(rt, "sid"))<<40 | uint64(count), Seq: count}
			b := seal(rt, sa, ticket, payload, NextIPv4)
			if len(b) != s.SealedLen(len(payload)) || len(b)%4 != 0 {
				rt.Fatalf("length %d of %d octets", len(b), len(payload))
			}
			clear := bytes.Contains(b, payload[4:])
			if hides := sa.mode != gmac && sa.mode != null; clear == hides {
				rt.Fatalf("payload in clear: %v", clear)
			}
			got, known, ok := sa.Ticket(&ctx, b)
			if !ok || !known || got != ticket {
				rt.Fatalf("ticket %x, want %x; known %v", got, ticket, known)
			}
			bad := bytes.Clone(b)
			bad[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
			if _, _, err := sa.Open(&ctx, bad); !errors.Is(err, ErrAuth) {
				rt.Fatalf("changed packet: %v", err)
			}
			out, next, err := sa.Open(&ctx, b)
			if err != nil || next != NextIPv4 || !bytes.Equal(out, payload) || &out[0] != &b[HeaderLen+s.IVLen()] {
				rt.Fatalf("%x %d %v", out, next, err)
			}
		})
	})
}

// TestSuitesTellForeigners: a packet of another implementation opens, but does not pass for one of a known sender.
func TestSuitesTellForeigners(t *testing.T) {
	eachSuite(t, func(t *testing.T, s Suite) {
		if s.Counter() {
			return // there every IV has a sender id
		}
		sa := suiteSA(t, s)
		rapid.Check(t, func(rt *rapid.T) {
			payload := ipv4(rapid.IntRange(0, 600).Draw(rt, "length"))
			iv := rapid.SliceOfN(rapid.Byte(), s.IVLen(), s.IVLen()).Draw(rt, "iv")
			b := foreign(sa, 77, iv, payload)
			got, known, ok := sa.Ticket(new(Context), b)
			if !ok || known || got.Seq != 77 {
				rt.Fatalf("%x known %v ok %v", got, known, ok)
			}
			if out, _, err := sa.Open(new(Context), b); err != nil || !bytes.Equal(out, payload) {
				rt.Fatalf("%x %v", out, err)
			}
		})
	})
}

// foreign seals as RFC 4303 says, with any IV and without a tag.
func foreign(sa *SA, seq uint32, iv, payload []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, sa.spi)
	b = append(binary.BigEndian.AppendUint32(b, seq), iv...)
	b = append(b, payload...)
	pad := roundUp(len(payload)+TrailerLen, sa.align) - len(payload) - TrailerLen
	for i := range pad {
		b = append(b, byte(i+1))
	}
	b = append(b, byte(pad), NextIPv4)
	if sa.block != nil {
		encryptCBC(sa.block, iv, b[HeaderLen+sa.iv:])
	}
	return append(b, sa.mac.sum(new(Context), b)[:sa.icv]...)
}

// TestTagStandsOnlyBehindAPacket: what a host writes into its packets cannot name another sender.
func TestTagStandsOnlyBehindAPacket(t *testing.T) {
	sa := suiteSA(t, NullSHA256)
	payload := ipv4(40)
	copy(payload[len(payload)-8:], []byte{0, 0, 5, 0, 0, 0, 0, 77}) // sender 5, number 77
	if _, known, _ := sa.Ticket(new(Context), foreign(sa, 77, nil, payload)); known {
		t.Fatal("took the end of a payload for a tag")
	}
}

// TestCBCIVs: no IV comes twice, and none looks like its number.
func TestCBCIVs(t *testing.T) {
	for _, s := range []Suite{AES128CBCSHA256, TripleDESCBCSHA1} {
		sa := suiteSA(t, s)
		seen := map[string]bool{}
		ones := 0
		for n := uint64(1); n <= 2000; n++ {
			iv := make([]byte, s.IVLen())
			sa.putIV(new(Context), Ticket{IV: 5<<40 | n, Seq: uint32(n)}, iv)
			if seen[string(iv)] {
				t.Fatal("IV twice")
			}
			seen[string(iv)] = true
			for _, v := range iv {
				for ; v != 0; v &= v - 1 {
					ones++
				}
			}
		}
		if all := 2000 * s.IVLen() * 8; ones < all*49/100 || ones > all*51/100 {
			t.Errorf("%v: %d of %d bits are set", s, ones, all)
		}
		// Another key, other IVs: they are no function of the number alone.
		other, err := NewSA(1, s, bytes.Repeat([]byte{9, 8, 7, 6, 5, 4, 3, 2}, 16)[:s.KeyMatLen()], 24)
		if err != nil {
			t.Fatal(err)
		}
		iv := make([]byte, s.IVLen())
		other.putIV(new(Context), Ticket{IV: 5<<40 | 1, Seq: 1}, iv)
		if seen[string(iv)] {
			t.Error("IV does not depend on the key")
		}
	}
}

// TestSuitesDestroy: after Destroy nothing that was made of the key is left in the ciphers, and none of it in a Context.
func TestSuitesDestroy(t *testing.T) {
	eachSuite(t, func(t *testing.T, s Suite) {
		sa := suiteSA(t, s)
		var ctx Context
		b := seal(t, sa, Ticket{1 << 40, 1}, ipv4(100), NextIPv4)
		if _, _, err := sa.Open(&ctx, b); err != nil {
			t.Fatal(err)
		}
		sa.Destroy()
		for name, c := range map[string]any{"block": sa.block, "IV block": sa.ivBlock, "AEAD": sa.aead} {
			if c != nil && !zero(reflect.ValueOf(c)) {
				t.Errorf("%s survives", name)
			}
		}
		if len(bytes.Trim(sa.mac.inner, "\x00")) > 0 || len(bytes.Trim(sa.mac.outer, "\x00")) > 0 {
			t.Error("HMAC states survive")
		}
		if d := ctx.digests[suites[s].hash]; d.Hash != nil && !bytes.Equal(d.Sum(nil), hashes[suites[s].hash].new().Sum(nil)) {
			t.Error("a Context keeps an HMAC state")
		}
	})
}

// zero says whether all arrays of numbers behind a pointer are zero but for lengths, as wipe leaves them.
func zero(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || zero(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			if !zero(v.Field(i)) {
				return false
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			if e := v.Index(i); e.CanUint() && e.Uint() != 0 || !e.CanUint() && !zero(e) {
				return false
			}
		}
	}
	return true
}

func FuzzOpenSuites(f *testing.F) {
	var all []*SA
	for _, s := range Suites() {
		sa := suiteSA(f, s)
		all = append(all, sa)
		f.Add(uint8(s), seal(f, sa, Ticket{1 << 40, 1}, ipv4(40), NextIPv4))
	}
	var ctx Context
	f.Fuzz(func(t *testing.T, n uint8, b []byte) {
		sa := all[int(n)%len(all)]
		sa.Ticket(&ctx, b)
		if _, _, err := sa.Open(&ctx, bytes.Clone(b)); err == nil && len(b) != sa.suite.SealedLen(60) {
			t.Fatal("opened a forged packet")
		}
		// Any authentic plaintext: nothing crashes, and nothing outside of it comes back.
		if sa.suite.Counter() || len(b)%sa.align != 0 || len(b) < sa.align {
			return
		}
		whole := append(make([]byte, HeaderLen+sa.iv), b...)
		if sa.block != nil {
			encryptCBC(sa.block, whole[HeaderLen:HeaderLen+sa.iv], whole[HeaderLen+sa.iv:])
		}
		whole = append(whole, sa.mac.sum(&ctx, whole)[:sa.icv]...)
		sa.Ticket(&ctx, whole)
		if out, _, err := sa.Open(&ctx, whole); err == nil && !bytes.HasPrefix(b, out) {
			t.Fatalf("%x of %x", out, b)
		}
	})
}

// tb is what testing and rapid have in common.
type tb interface {
	Helper()
	Fatal(args ...any)
}
