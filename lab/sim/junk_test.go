package sim

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
)

// TestBadInput: random, truncated, damaged and replayed datagrams, a thousand a second, to all nodes while the group
// works through rekeys. Nothing is lost, and every drop has a reason.
func TestBadInput(t *testing.T) {
	s := New(Config{Seed: 12, Members: 4, Group: quick, Network: clean, DPD: 10 * time.Second})
	type packet struct {
		to netip.AddrPort
		b  []byte
	}
	var seen []packet
	s.Tap = func(_, to netip.AddrPort, b []byte) {
		if len(seen) < 4096 {
			seen = append(seen, packet{to, bytes.Clone(b)})
		}
	}
	stranger := netip.MustParseAddrPort("192.0.2.7:848")
	injected := 0
	var junk func()
	junk = func() {
		p := seen[s.rng.IntN(len(seen))]
		from, b := stranger, bytes.Clone(p.b)
		if s.rng.IntN(2) == 0 {
			from = s.nodes[s.rng.IntN(len(s.nodes))].Addr // forged
		}
		switch s.rng.IntN(4) {
		case 0:
			b = b[:s.rng.IntN(len(b))]
		case 1:
			for range 1 + s.rng.IntN(8) {
				b[s.rng.IntN(len(b))] ^= byte(1 + s.rng.IntN(255))
			}
		case 2:
			for i := range b {
				b[i] = byte(s.rng.Uint32())
			}
		}
		injected++
		if n := s.byAddr[p.to]; n != nil {
			s.Inject(n, from, b)
		}
		s.After(time.Millisecond, junk)
	}
	s.After(5*time.Second, junk)
	s.Run(2 * time.Minute)
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
	if n := s.Stats().Notes[gdoi.NoteRekeyMissed]; n != 0 {
		t.Errorf("%d rekeys were missed", n)
	}
	ks := s.KS().KeyServer().Snapshot(s.clock())
	// A forged rekey under an unknown KEK makes a member ask, once in a while.
	if n := ks.Groups[0].Registrations; len(ks.Groups[0].Members) != 4 || n < 4 || n > 8 {
		t.Errorf("%d members, %d registrations; want 4, and few more than 4", len(ks.Groups[0].Members), n)
	}
	var drops uint64
	for _, d := range ks.Drops {
		drops += d.Count
	}
	t.Logf("%d datagrams injected; the key server dropped %d: %v", injected, drops, ks.Drops)
	if drops == 0 {
		t.Error("no drop was counted")
	}
}
