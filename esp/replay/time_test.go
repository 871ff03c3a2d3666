package replay_test

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/esp/replay"
)

func TestTime(t *testing.T) {
	c := replay.Time{At: int64(5 * time.Second), Base: time.Hour, Drift: 200_000, Window: 10 * time.Second}
	if got := c.Now(int64(5 * time.Second)); got != time.Hour {
		t.Fatal(got)
	}
	// 200 ppm of an hour are 720 ms.
	if got := c.Now(int64(time.Hour + 5*time.Second)); got != 2*time.Hour+720*time.Millisecond {
		t.Fatal(got)
	}
	if got := c.Now(0); got != time.Hour-5*time.Second-time.Millisecond {
		t.Fatal(got)
	}
	for _, row := range []struct {
		stamp time.Duration // before now
		fresh bool
	}{{0, true}, {10 * time.Second, true}, {-10 * time.Second, true}, {10001 * time.Millisecond, false}, {-10001 * time.Millisecond, false},
		{24 * 24 * time.Hour, false}, {-24 * 24 * time.Hour, false}} {
		for _, now := range []time.Duration{time.Hour * 24 * 365, 1 << 32 * time.Millisecond, 1<<32*time.Millisecond + time.Second, 49 * 24 * time.Hour} {
			age := replay.Age(now, replay.Stamp(now-row.stamp))
			if age != row.stamp || c.Fresh(age) != row.fresh {
				t.Errorf("at %v a stamp of %v before: age %v, fresh %v", now, row.stamp, age, c.Fresh(age))
			}
		}
	}
	if c.Slack() != 500*time.Millisecond || (&replay.Time{Window: time.Second}).Slack() != 62500*time.Microsecond {
		t.Error(c.Slack())
	}
	if off := (replay.Time{}); !off.Fresh(time.Hour) {
		t.Error("without a window everything is fresh")
	}
}
