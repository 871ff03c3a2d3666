package sim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/policy"
)

// TestStreams: packets pass between members that have keys, are held back by one that has none, and the run does not know of them.
func TestStreams(t *testing.T) {
	cfg := Config{Seed: 3, Members: 2}
	play := func(with bool) (*Sim, []Packets) {
		s := New(cfg)
		x := &Stream{From: s.GM(1), To: s.GM(2), Packet: policy.Packet{Src: netip.MustParseAddr("10.1.0.1"), Dst: netip.MustParseAddr("10.2.0.1"), Proto: 17}}
		if with {
			stop := s.Streams(10*time.Millisecond, []*Stream{x})
			s.After(9*time.Second, stop)
		} else {
			s.After(9*time.Second, func() {})
		}
		s.After(5*time.Second, s.GM(2).Crash)
		s.After(7*time.Second, s.GM(1).Crash)
		s.Run(10 * time.Second)
		return s, x.Tell()
	}
	s, got := play(true)
	none, _ := play(false)
	if s.TraceHash() != none.TraceHash() {
		t.Error("the run is another one with a stream")
	}
	want := []Packets{{Count: 500, Arrived: true, Left: true}, {Count: 200, Left: true}, {Count: 200}}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, p := range got {
		if (p.SPI != 0) != p.Left {
			t.Errorf("%d: %+v", i, p)
		}
		if p.SPI = 0; p != want[i] {
			t.Errorf("%d: %+v", i, p)
		}
	}
}
