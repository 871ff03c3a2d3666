package engine_test

import (
	"slices"
	"testing"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/replay"
)

// TestWindows: what operators see of a sender is what has arrived of it.
func TestWindows(t *testing.T) {
	a, b := newMember(t, 7, engine.Config{}), newMember(t, 8, engine.Config{})
	for range 3 {
		if r := b.in(a.sealed(t, inner(17, 100))); r.Action != engine.Deliver {
			t.Fatal(r)
		}
	}
	got := b.Windows(50, 64, 32)
	if len(got) != 1 || got[0].Group != "blue" || got[0].SPI != spi || len(got[0].Senders) != 1 {
		t.Fatalf("%+v", got)
	}
	s := got[0].Senders[0]
	want := slices.Repeat([]int{replay.Nothing}, 32)
	want[31] = 8
	if s.SID != 7 || !s.Known || s.Top != 3 || s.Heard != 50 || s.Size != replay.DefaultSize || s.Missing != 0 || !slices.Equal(s.Parts, want) {
		t.Errorf("%+v", s)
	}
}
