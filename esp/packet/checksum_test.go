package packet

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// slowSum is RFC 1071 §4.1 as it is written.
func slowSum(b []byte) uint16 {
	var s uint32
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return ^uint16(s)
}

func TestChecksumOfEveryLength(t *testing.T) {
	r := rand.NewChaCha8([32]byte{1})
	b := make([]byte, 70000)
	for _, fill := range []func(){func() { _, _ = r.Read(b) }, func() { clear(b) }, func() {
		for i := range b {
			b[i] = 0xff
		}
	}} {
		fill()
		for n := range 300 {
			if got, want := Checksum(b[:n]), slowSum(b[:n]); got != want {
				t.Fatalf("%d octets: %04x, want %04x", n, got, want)
			}
			at := n &^ 1
			if got := ^Fold(Sum(Sum(0, b[:at]), b[at:n+64])); got != slowSum(b[:n+64]) {
				t.Fatalf("%d octets in two pieces: %04x", n+64, got)
			}
		}
		for _, n := range []int{1480, 9001, 65535, 70000} {
			if got, want := Checksum(b[:n]), slowSum(b[:n]); got != want {
				t.Fatalf("%d octets: %04x, want %04x", n, got, want)
			}
		}
	}
}

func BenchmarkChecksum1400(b *testing.B) {
	p := make([]byte, 1400)
	b.SetBytes(1400)
	for b.Loop() {
		Checksum(p)
	}
}
