package machine

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	var b Bucket
	now := Instant(0)
	for _, c := range []struct {
		name  string
		after time.Duration
		asked int
		want  int
	}{
		{"full at first", 0, 5, 3},
		{"empty", 9 * time.Second, 1, 0},
		{"one is back", time.Second, 2, 1},
		{"full again, no fuller", time.Hour, 5, 3},
		{"the clock went back: still empty", -time.Hour, 1, 0},
		{"but not for an hour", 10 * time.Second, 2, 1},
	} {
		now = now.Add(c.after)
		got := 0
		for range c.asked {
			had := b.Has(now, 3, 10*time.Second)
			if took := b.Take(now, 3, 10*time.Second); took {
				got++
			} else if had {
				t.Errorf("%s: it has a token and gives none", c.name)
			}
		}
		if got != c.want {
			t.Errorf("%s: %d tokens; want %d", c.name, got, c.want)
		}
	}
	if b.Full(now) || !b.Full(now.Add(time.Hour)) {
		t.Error("it is full when it is empty, or never")
	}
}
