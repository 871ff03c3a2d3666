package engine_test

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/spd"
)

// TestRolloverLosesNothing: two members exchange packets while keys roll; the new SA is installed on both before either
// sends with it, and every packet arrives.
func TestRolloverLosesNothing(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	var stop atomic.Bool
	var counts [2]atomic.Int64 // packets delivered, each way
	slower := func() int64 { return min(counts[0].Load(), counts[1].Load()) }
	var wg sync.WaitGroup
	for way, pair := range [][2]member{{a, b}, {b, a}} {
		wg.Go(func() {
			tx, rx := pair[0].NewWorker(), pair[1].NewWorker()
			defer tx.Close()
			defer rx.Close()
			for !stop.Load() {
				for _, r := range tx.Outbound(1, []engine.Packet{room(inner(17, 100)), room(inner(17, 3000))}, nil) {
					if r.Action != engine.Send {
						t.Errorf("not sent: %v", r.Reason)
						return
					}
					if r := rx.Inbound(1, []engine.Packet{r.Packet}, nil)[0]; r.Action != engine.Deliver {
						t.Errorf("not delivered: %v", r.Reason)
						return
					}
					counts[way].Add(1)
				}
			}
		})
	}
	for n := uint32(1); n < 100 || slower() < 1000 && !t.Failed(); n++ {
		for sid, m := range []member{a, b} {
			must(t, m.Install(engine.SA{Group: "blue", SPI: spi + n, KeyMat: keymat(byte(n)), SIDBits: 24, SIDs: []uint32{uint32(sid)}}))
		}
		for _, m := range []member{a, b} {
			must(t, m.Activate("blue", 0, spi+n))
			must(t, m.SetPolicy("blue", engine.Policy{Rules: []spd.Rule{ten}, Registered: true}))
			m.Stats()
		}
		if n < 2 {
			continue
		}
		// The deactivation delay: until packets under way have arrived.
		for was := [2]int64{counts[0].Load(), counts[1].Load()}; (counts[0].Load() < was[0]+8 || counts[1].Load() < was[1]+8) && !t.Failed(); {
			runtime.Gosched()
		}
		for _, m := range []member{a, b} {
			must(t, m.Retire("blue", spi+n-2))
		}
	}
	stop.Store(true)
	wg.Wait()
	if sent := a.Stats().OutPackets + b.Stats().OutPackets; sent != uint64(counts[0].Load()+counts[1].Load()) {
		t.Fatalf("sent %d, delivered %d and %d", sent, counts[0].Load(), counts[1].Load())
	}
	for _, m := range []member{a, b} { // under a hundred keys, most of them gone
		if s := m.Stats(); len(s.Groups) != 1 || s.Groups[0].OutPackets != s.OutPackets || s.Groups[0].InPackets != s.InPackets || s.Groups[0].InBytes != s.InBytes {
			t.Errorf("group's traffic %+v, of all %d out, %d in", s.Groups, s.OutPackets, s.InPackets)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	a, b := newMember(t, 1, engine.Config{}), newMember(t, 2, engine.Config{})
	plain, big := inner(17, 1400), inner(17, 4000)
	small, large := room(plain), room(big)
	batch := make([]engine.Packet, 2)
	out, in := make([]engine.Result, 0, 16), make([]engine.Result, 0, 1)
	if n := testing.AllocsPerRun(50, func() {
		copy(small.Bytes(), plain)
		copy(large.Bytes(), big)
		batch[0], batch[1] = small, large
		out = a.w.Outbound(1, batch, out[:0])
		for i := range out {
			in = b.w.Inbound(1, []engine.Packet{out[i].Packet}, in[:0])
			if in[0].Action != engine.Deliver {
				t.Fatal(in[0].Reason)
			}
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

func FuzzOutbound(f *testing.F) {
	f.Add(inner(17, 100))
	f.Add(inner(6, 2000))
	f.Add([]byte{0x60})
	f.Add(inner6(17, 100))
	f.Add(inner6(6, 1600))
	f.Add(inner6(44, 100, func(b []byte) { copy(b[40:], []byte{60, 0, 0, 9, 0, 0, 0, 9}) }))
	a, far := dual(f, 1, engine.Config{MSS: 1000}), dual(f, 2, engine.Config{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 65535 {
			return
		}
		for _, r := range a.out(b) {
			switch r.Action {
			case engine.Send:
				if got := far.in(r.Bytes()); got.Action != engine.Deliver && got.Reason != engine.BadECN {
					t.Fatalf("sealed but not delivered: %v", got.Reason)
				}
			case engine.Clear:
				if !bytes.Equal(r.Bytes(), b) {
					t.Fatal("a packet in clear was changed")
				}
			}
		}
	})
}

func FuzzInbound(f *testing.F) {
	a := newMember(f, 1, engine.Config{})
	f.Add(a.sealed(f, inner(17, 100)), []byte{4})
	f.Add([]byte{0x45}, inner(6, 100))
	f.Add(dual(f, 1, engine.Config{}).sealed(f, inner6(17, 100)), inner6(6, 100))
	sa, err := esp.NewSA(spi, esp.AES256GCM, keymat(1), 24)
	must(f, err)
	f.Fuzz(func(t *testing.T, wire, payload []byte) {
		b := dual(t, 2, engine.Config{MSS: 1000})
		b.in(wire)
		if len(payload) > 60000 {
			return
		}
		// The same from a member gone bad: any payload, authentic.
		p := room(payload)
		next, head := byte(esp.NextIPv4), inner(17, 28)
		if packet.Version(payload) == 6 {
			next, head = esp.NextIPv6, inner6(17, 40)
		}
		start, n, err := sa.Seal(new(esp.Context), esp.Ticket{IV: 9<<40 | 1, Seq: 1}, p.Buf, p.Off, p.Len, next)
		if err != nil {
			t.Fatal(err)
		}
		h, err := packet.Parse(head)
		must(t, err)
		if outer, err := packet.Parse(payload); err == nil {
			h = outer
		}
		out := make([]byte, h.OuterLen(), h.OuterLen()+n)
		packet.PutOuter(out, &h, packet.ProtoESP, h.OuterLen()+n, 1)
		if r := b.in(append(out, p.Buf[start:start+n]...)); r.Action == engine.Deliver && r.Len > len(payload) {
			t.Fatalf("delivered %d octets of %d", r.Len, len(payload))
		}
	})
}

func BenchmarkSealPacket(b *testing.B) {
	for _, n := range []int{64, 576, 1400} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			m := newMember(b, 1, engine.Config{})
			plain := inner(17, n)
			batch := make([]engine.Packet, 64)
			for i := range batch {
				batch[i] = room(plain)
			}
			out := make([]engine.Result, 0, 64)
			b.SetBytes(int64(n) * 64)
			b.ReportAllocs()
			for b.Loop() {
				for i := range batch { // sealing destroyed it
					copy(batch[i].Bytes(), plain)
				}
				if out = m.w.Outbound(1, batch, out[:0]); out[63].Action != engine.Send {
					b.Fatal(out[63].Reason)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/packet")
		})
	}
}

// BenchmarkOpenPacket includes the sealing: subtract BenchmarkSealPacket.
func BenchmarkOpenPacket(b *testing.B) {
	for _, n := range []int{64, 576, 1400} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tx, rx := newMember(b, 1, engine.Config{}), newMember(b, 2, engine.Config{})
			plain := inner(17, n)
			work := room(plain)
			batch := make([]engine.Packet, 1)
			sent, got := make([]engine.Result, 0, 1), make([]engine.Result, 0, 1)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for b.Loop() {
				copy(work.Bytes(), plain)
				batch[0] = work
				sent = tx.w.Outbound(1, batch, sent[:0])
				batch[0] = sent[0].Packet
				if got = rx.w.Inbound(1, batch, got[:0]); got[0].Action != engine.Deliver {
					b.Fatal(got[0].Reason)
				}
			}
		})
	}
}
