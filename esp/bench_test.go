package esp

import (
	"fmt"
	"testing"
)

func BenchmarkSeal(b *testing.B) {
	for _, keymat := range []int{20, 36} {
		for _, n := range []int{64, 576, 1400} {
			b.Run(fmt.Sprintf("aes%d/%d", (keymat-4)*8, n), func(b *testing.B) {
				sa := testSA(b, keymat)
				sender, err := sa.Sender([]uint32{7})
				if err != nil {
					b.Fatal(err)
				}
				var ctx Context
				buf := make([]byte, Headroom+n+Tailroom)
				b.ReportAllocs()
				for b.Loop() {
					run, err := sender.Reserve(1)
					if err != nil {
						b.Fatal(err)
					}
					if _, _, err := sa.Seal(&ctx, run.Next(), buf, Headroom, n, NextIPv4); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GB/s")
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, keymat := range []int{20, 36} {
		for _, n := range []int{64, 576, 1400} {
			b.Run(fmt.Sprintf("aes%d/%d", (keymat-4)*8, n), func(b *testing.B) {
				sa := testSA(b, keymat)
				sealed := seal(b, sa, Ticket{1, 1}, make([]byte, n), NextIPv4)
				work := make([]byte, len(sealed))
				var ctx Context
				b.ReportAllocs()
				for b.Loop() {
					copy(work, sealed) // opening in place destroys it
					if _, _, err := sa.Open(&ctx, work); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(n)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GB/s")
			})
		}
	}
}

func BenchmarkSuites(b *testing.B) {
	for _, s := range []Suite{AES256GCM, AES256GMAC, AES256CBCSHA256, AES256CBCSHA512, AES256CTRSHA256, TripleDESCBCSHA1, NullSHA256} {
		sa := suiteSA(b, s)
		sealed := seal(b, sa, Ticket{1, 1}, ipv4(1380), NextIPv4)
		work := make([]byte, len(sealed))
		var ctx Context
		b.Run("open/"+s.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				copy(work, sealed)
				sa.Ticket(&ctx, work)
				if _, _, err := sa.Open(&ctx, work); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(1400*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GB/s")
		})
		buf := make([]byte, Headroom+1400+Tailroom)
		b.Run("seal/"+s.String(), func(b *testing.B) {
			b.ReportAllocs()
			for n := uint64(1); b.Loop(); n++ {
				if _, _, err := sa.Seal(&ctx, Ticket{n, uint32(n)}, buf, Headroom, 1400, NextIPv4); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(1400*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GB/s")
		})
	}
}
