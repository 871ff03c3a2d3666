package sim

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
)

// TestForgedTraffic: somebody sends every one of a thousand members packets under SPIs that nobody has, for an hour and more
// of them than a member can count. The first ones are believed, because they could be genuine; then the members ask ever
// more rarely and not all at once, and nobody loses a packet.
func TestForgedTraffic(t *testing.T) {
	const members = 1000
	s := New(Config{Seed: 5, Members: members, StartSpread: 10 * time.Second, Network: Network{Latency: 5 * time.Millisecond, Jitter: 10 * time.Millisecond}})
	s.Run(time.Minute)
	wantAll(t, s)
	registrations := func() uint64 { return s.Stats().Notes[gdoi.NoteGMRegistered] / 2 } // noted at both ends
	began := registrations()
	var perSecond []uint64
	last, spi := began, gdoi.SPI(0xf0000000)
	var second func()
	second = func() {
		for _, n := range s.Members() {
			spi++
			n.Do(gdoi.DataPlaneReport{Group: GroupName, SPI: spi, Kind: gdoi.UnknownSPI})
		}
		now := registrations()
		perSecond = append(perSecond, now-last)
		last = now
		s.After(time.Second, second)
	}
	s.After(0, second)
	s.Run(time.Minute + time.Hour)
	want(t, s)
	wantAll(t, s)
	wantLossless(t, s)
	peak := func(from, to time.Duration) (n uint64) {
		for _, v := range perSecond[from/time.Second : min(int(to/time.Second), len(perSecond))] {
			n = max(n, v)
		}
		return n
	}
	total, first, late := last-began, peak(0, 10*time.Second), peak(30*time.Minute, time.Hour)
	t.Logf("%d registrations in an hour; at most %d a second at first, %d in the second half", total, first, late)
	// Pauses of 30 s, 1, 2, 4, 8 and from then on 10 minutes, up to a quarter longer.
	if total < 5*members || total > 11*members {
		t.Errorf("%d registrations of %d members in an hour", total, members)
	}
	if first > members*3/4 || late > members/5 {
		t.Errorf("at most %d registrations a second at first, %d in the second half", first, late)
	}
}
