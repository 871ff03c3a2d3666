package member

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// told is a time that comes at an instant of the member's clock; trip is 0 for a rekey.
func told(at, pseudo, trip time.Duration) *pull.TimeOffer {
	return &pull.TimeOffer{Now: pseudo, Window: 10 * time.Second, At: machine.Instant(at), RoundTrip: trip}
}

func TestClockIsSetByRegistration(t *testing.T) {
	var c clock
	if !c.adjust(told(time.Hour, 100*time.Hour, 40*time.Millisecond)) || c.now(machine.Instant(time.Hour)) != 100*time.Hour+20*time.Millisecond {
		t.Fatalf("%+v", c)
	}
	if c.errors != 0 || c.syncs != 1 || c.most != 0 {
		t.Errorf("%+v", c)
	}
}

// TestClockJudgesRekeys: what is ahead is true, what is behind is late unless an oscillator explains it.
func TestClockJudgesRekeys(t *testing.T) {
	for _, row := range []struct {
		name  string
		after time.Duration
		off   time.Duration
		trip  time.Duration
		taken bool
		jump  uint64
	}{
		{"a little behind", time.Minute, -60 * time.Millisecond, 0, true, 0},
		{"behind by more than 500 ppm", time.Minute, -100 * time.Millisecond, 0, false, 0},
		{"repeated after ten seconds", time.Hour, -10 * time.Second, 0, false, 0},
		{"behind, but hours have passed", 5 * time.Hour, -2400 * time.Millisecond, 0, true, 0},
		{"behind by more than a quarter of the window, whatever has passed", 50 * time.Hour, -2600 * time.Millisecond, 0, false, 0},
		{"ahead", time.Minute, time.Second, 0, true, 0},
		{"far ahead", time.Minute, time.Minute, 0, true, 1},
		{"registration, behind", time.Minute, -time.Second, 2 * time.Millisecond, true, 0},
		{"registration, far behind", time.Minute, -time.Minute, 2 * time.Millisecond, true, 1},
	} {
		var c clock
		c.adjust(told(0, time.Hour, 2*time.Millisecond))
		was := c.now(machine.Instant(row.after))
		taken := c.adjust(told(row.after, was+row.off, row.trip))
		moved := c.now(machine.Instant(row.after)) - was
		if want := row.off + row.trip/2; taken != row.taken || taken && (moved != want || c.last != want) || !taken && (moved != 0 || c.late != 1) || c.errors != row.jump {
			t.Errorf("%s: taken %v, moved %v, %+v", row.name, taken, moved, c)
		}
	}
}

// TestClockLearnsDrift: the correction gets smaller with each hour; an absurd oscillator is followed only so far.
func TestClockLearnsDrift(t *testing.T) {
	for _, ppm := range []int64{200, -200, 3, 600} {
		var c clock
		c.adjust(told(0, time.Hour, time.Millisecond))
		first := time.Duration(0)
		for i := 1; i <= 8; i++ {
			at := time.Duration(i) * time.Hour
			true := time.Hour + at + time.Duration(int64(at/time.Millisecond)*ppm)
			c.adjust(told(at, true, time.Millisecond))
			if i == 1 {
				first = c.last.Abs()
			}
		}
		switch {
		case ppm == 600:
			if c.drift != maxDrift {
				t.Errorf("%d ppm is followed to %d ppb", ppm, c.drift)
			}
		case c.last.Abs() > first/8+2*time.Millisecond, c.drift > 1000*ppm+2000 || c.drift < 1000*ppm-2000:
			t.Errorf("%d ppm: the last correction is %v, the first was %v; drift %d ppb", ppm, c.last, first, c.drift)
		}
	}
}

// TestClockAndLostMessages: a registration in which something was sent again says little; a clock that is set moves only if
// it must, and one that is not is set better by the next.
func TestClockAndLostMessages(t *testing.T) {
	var c clock
	c.adjust(told(0, time.Hour, 8*time.Second))
	if !c.poor || c.now(0) != time.Hour+4*time.Second {
		t.Fatalf("%+v", c)
	}
	c.adjust(told(time.Minute, time.Hour+time.Minute+8*time.Second, 2*time.Millisecond))
	if c.poor || c.now(machine.Instant(time.Minute)) != time.Hour+time.Minute+8*time.Second+time.Millisecond {
		t.Fatalf("%+v", c)
	}
	for _, row := range []struct{ said, moved time.Duration }{{-8 * time.Second, -time.Second}, {-7 * time.Second, 0}, {-time.Second, 0}, {time.Second, time.Second}} {
		d := c
		was := d.now(machine.Instant(2 * time.Minute))
		d.adjust(told(2*time.Minute, was+row.said, 7*time.Second))
		if got := d.now(machine.Instant(2*time.Minute)) - was; got != row.moved {
			t.Errorf("said %v: moved %v, want %v", row.said, got, row.moved)
		}
	}
}
