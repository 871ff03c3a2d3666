package esp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

func testKey(n int) []byte {
	k := make([]byte, n)
	for i := range k {
		k[i] = byte(i*7 + 3)
	}
	return k
}

func testSA(t testing.TB, keymat int) *SA {
	t.Helper()
	sa, err := NewSA(0xc0ffee01, gcmOf(keymat), testKey(keymat), 24)
	if err != nil {
		t.Fatal(err)
	}
	return sa
}

// seal returns the ESP packet that carries the payload.
func seal(t tb, sa *SA, ticket Ticket, payload []byte, next uint8) []byte {
	t.Helper()
	buf := make([]byte, Headroom+len(payload)+Tailroom)
	copy(buf[Headroom:], payload)
	start, n, err := sa.Seal(new(Context), ticket, buf, Headroom, len(payload), next)
	if err != nil {
		t.Fatal(err)
	}
	return buf[start : start+n]
}

func TestSealOpenInPlace(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sa := testSA(t, rapid.SampledFrom([]int{20, 36}).Draw(rt, "keymat"))
		payload := rapid.SliceOfN(rapid.Byte(), 0, 1500).Draw(rt, "payload")
		next := rapid.SampledFrom([]uint8{NextIPv4, NextIPv6, NextDummy}).Draw(rt, "next")
		ticket := Ticket{IV: rapid.Uint64().Draw(rt, "iv"), Seq: rapid.Uint32().Draw(rt, "seq")}
		b := seal(t, sa, ticket, payload, next)
		if len(b) != sa.suite.SealedLen(len(payload)) || len(b)%4 != 0 {
			rt.Fatalf("length %d of %d octets", len(b), len(payload))
		}
		spi, _ := Peek(b)
		got, known, ok := sa.Ticket(new(Context), b)
		if !ok || !known || spi != sa.SPI() || got != ticket || sa.SID(got) != ticket.IV>>40 {
			rt.Fatalf("peek %08x %v", spi, got)
		}
		// Any changed bit is noticed.
		bad := bytes.Clone(b)
		bad[rapid.IntRange(0, len(b)-1).Draw(rt, "at")] ^= 1 << rapid.IntRange(0, 7).Draw(rt, "bit")
		if _, _, err := sa.Open(new(Context), bad); !errors.Is(err, ErrAuth) {
			rt.Fatalf("changed packet: %v", err)
		}
		out, gotNext, err := sa.Open(new(Context), b)
		if err != nil || gotNext != next || !bytes.Equal(out, payload) {
			rt.Fatalf("%x %d %v", out, gotNext, err)
		}
		if len(out) > 0 && &out[0] != &b[HeaderLen+8] {
			rt.Fatal("not opened in place")
		}
	})
}

func TestInnerMaxIsTight(t *testing.T) {
	for mtu := 576; mtu < 2000; mtu++ {
		for _, s := range Suites() {
			n := s.InnerMax(mtu, 20)
			if 20+s.SealedLen(n) > mtu || 20+s.SealedLen(n+1) <= mtu {
				t.Fatalf("%v: mtu %d: %d", s, mtu, n)
			}
		}
	}
	if AES256GCM.InnerMax(1500, 20) != 1446 {
		t.Fatal("1500 must give 1446")
	}
}

func TestOpenRefuses(t *testing.T) {
	sa := testSA(t, 20)
	// authentic makes a packet whose plaintext, trailer included, is given.
	authentic := func(plain []byte) []byte {
		b := make([]byte, HeaderLen+8)
		binary.BigEndian.PutUint32(b, sa.SPI())
		nonce := append(bytes.Clone(sa.salt[:]), b[HeaderLen:]...)
		return sa.aead.Seal(b, nonce, plain, b[:HeaderLen])
	}
	whole := seal(t, sa, Ticket{1, 1}, testKey(60), NextIPv4)
	for n := range whole {
		_, _, err := sa.Open(new(Context), bytes.Clone(whole[:n]))
		if err == nil {
			t.Fatalf("opened %d octets of %d", n, len(whole))
		}
	}
	for _, row := range []struct {
		name  string
		plain []byte
		want  error
	}{
		{"no padding", []byte{9, 9, 0, 4}, nil},
		{"padding 1 2", []byte{1, 2, 2, 4}, nil},
		{"padding zero", []byte{0, 0, 2, 4}, ErrPadding},
		{"padding reversed", []byte{2, 1, 2, 4}, ErrPadding},
		{"pad length beyond the packet", []byte{1, 2, 3, 4}, ErrPadding},
		{"pad length 255", []byte{1, 2, 255, 4}, ErrPadding},
		{"not aligned", []byte{1, 2, 3, 0, 4}, ErrMalformed},
	} {
		if _, _, err := sa.Open(new(Context), authentic(row.plain)); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestSealNeedsRoom(t *testing.T) {
	sa := testSA(t, 20)
	for _, row := range []struct {
		name    string
		off, n  int
		size    int
		wantErr error
	}{
		{"exact", 16, 100, 16 + 102 + 16 + 2, nil},
		{"no headroom", 15, 100, 200, ErrRoom},
		{"no tailroom", 16, 100, 16 + 102 + 16 + 1, ErrRoom},
		{"negative", 16, -1, 200, ErrRoom},
	} {
		if _, _, err := sa.Seal(new(Context), Ticket{1, 1}, make([]byte, row.size), row.off, row.n, NextIPv4); !errors.Is(err, row.wantErr) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
}

func TestNewSARefuses(t *testing.T) {
	for _, s := range Suites() {
		for _, n := range []int{0, s.KeyMatLen() - 1, s.KeyMatLen() + 1} {
			if _, err := NewSA(1, s, testKey(n), 24); !errors.Is(err, ErrKeyMaterial) {
				t.Errorf("%v: %d octets: %v", s, n, err)
			}
		}
	}
	for _, s := range []Suite{0, numSuites} {
		if _, err := NewSA(1, s, testKey(20), 24); !errors.Is(err, ErrSuite) {
			t.Errorf("%v: %v", s, err)
		}
	}
	if _, err := NewSA(1, AES128GCM, testKey(20), 57); !errors.Is(err, ErrSenderID) {
		t.Errorf("57 bits: %v", err)
	}
}

// TestDestroyLeavesNoKey looks at the memory of the cipher: neither the key nor any round key may be left.
func TestDestroyLeavesNoKey(t *testing.T) {
	for _, keymat := range []int{20, 36} {
		sa := testSA(t, keymat)
		memory := cipherMemory(sa)
		before := bytes.Clone(memory)
		if !bytes.Contains(before, testKey(keymat)[:4]) && !bytes.Contains(before, reverse4(testKey(keymat))) {
			t.Fatal("the test does not see the key before Destroy, so it proves nothing")
		}
		sa.Destroy()
		for i := 0; i+4 <= len(before); i += 4 {
			word := before[i : i+4]
			if !bytes.Equal(word, []byte{0, 0, 0, 0}) && word[1]|word[2]|word[3] != 0 && bytes.Equal(memory[i:i+4], word) {
				t.Fatalf("octets %d.. of the cipher survive Destroy: %x", i, word)
			}
		}
		if sa.salt != [saltLen]byte{} {
			t.Fatal("salt survives")
		}
	}
}

func reverse4(b []byte) []byte { return []byte{b[3], b[2], b[1], b[0]} }

// cipherMemory is the struct behind the AEAD. 400 octets hold the two key schedules and the start of the hash table of
// every GCM of the standard library.
func cipherMemory(sa *SA) []byte {
	type iface struct{ typ, data unsafe.Pointer }
	return unsafe.Slice((*byte)((*iface)(unsafe.Pointer(&sa.aead)).data), 400)
}

func TestNoAllocations(t *testing.T) {
	for _, s := range Suites() {
		t.Run(s.String(), func(t *testing.T) { noAllocations(t, suiteSA(t, s)) })
	}
}

func noAllocations(t *testing.T, sa *SA) {
	sender, err := sa.Sender([]uint32{7})
	if err != nil {
		t.Fatal(err)
	}
	var ctx Context
	buf := make([]byte, Headroom+1400+Tailroom)
	if n := testing.AllocsPerRun(100, func() {
		run, err := sender.Reserve(1)
		if err != nil {
			t.Fatal(err)
		}
		start, n, err := sa.Seal(&ctx, run.Next(), buf, Headroom, 1400, NextIPv4)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := sa.Ticket(&ctx, buf[start:start+n]); !ok {
			t.Fatal("no ticket")
		}
		if _, _, err := sa.Open(&ctx, buf[start:start+n]); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Fatalf("%v allocations a packet", n)
	}
}

func FuzzOpen(f *testing.F) {
	sa := testSA(f, 20)
	f.Add(seal(f, sa, Ticket{1 << 40, 1}, testKey(40), NextIPv4))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		// As it comes: nobody without the key gets anything in, and nothing crashes.
		orig := bytes.Clone(b)
		if _, _, err := sa.Open(new(Context), bytes.Clone(b)); err == nil && len(b) != AES128GCM.SealedLen(40) {
			t.Fatal("opened a forged packet")
		}
		// As an authentic plaintext: accepted means that sealing gives the same packet, if the padding is the shortest.
		if len(b) > HeaderLen+8 {
			head := orig[:HeaderLen+8]
			nonce := append(bytes.Clone(sa.salt[:]), head[HeaderLen:]...)
			sealed := sa.aead.Seal(bytes.Clone(head), nonce, orig[HeaderLen+8:], head[:HeaderLen])
			payload, next, err := sa.Open(new(Context), bytes.Clone(sealed))
			if err != nil || AES128GCM.SealedLen(len(payload)) != len(sealed) || binary.BigEndian.Uint32(head) != sa.SPI() {
				return
			}
			ticket, _, _ := sa.Ticket(new(Context), sealed)
			if again := seal(t, sa, ticket, payload, next); !bytes.Equal(again, sealed) {
				t.Fatalf("%x\n%x", again, sealed)
			}
		}
	})
}
