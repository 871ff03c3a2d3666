package control

import (
	"testing"
	"time"
)

// However many events hurry, a stream has one snapshot a second for them; the first comes at once.
func TestHurryIsRare(t *testing.T) {
	x, now := &watcher{}, time.Now()
	for _, v := range []struct {
		event string
		after time.Duration
		want  bool
	}{
		{"rekey-sent", 0, false},
		{"coop-role", 0, true},
		{"coop-role", watchHurry, false},
		{"coop-epoch", watchInterval - 1, false},
		{"coop-role", watchInterval, true},
		{"coop-role", watchInterval + watchHurry, false},
		{"rekey-sent", 5 * watchInterval, false},
		{"coop-role", 5 * watchInterval, true},
	} {
		if have := x.hurries(v.event, now.Add(v.after)); have != v.want {
			t.Errorf("%s after %v: %v", v.event, v.after, have)
		}
	}
}
