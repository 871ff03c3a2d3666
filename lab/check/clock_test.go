package check

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
)

// still is a lab of virtual time in which nothing happens.
type still struct {
	driver.Virtual
	at time.Time
}

func (l *still) Now() time.Time { return l.at }

func (l *still) Sleep(_ context.Context, d time.Duration) error {
	l.at = l.at.Add(d)
	return nil
}

// TestVirtualClock: who do things together are awake one at a time, and each when its time has come, in the same order every time.
func TestVirtualClock(t *testing.T) {
	want := []string{"a 0s", "b 0s", "c 0s", "inner 0s", "inner 0s", "b 1s", "a 2s", "b 2s", "inner 3s", "inner 3s", "c 3s", "a 4s", "end 4s"}
	for range 20 {
		lab := &still{at: time.Unix(0, 0)}
		c := &virtualClock{lab: lab}
		var got []string
		say := func(who string) { got = append(got, fmt.Sprint(who, " ", lab.at.Sub(time.Unix(0, 0)))) }
		sleeper := func(who string, each time.Duration, times int) func() {
			return func() {
				for range times {
					say(who)
					if err := c.sleep(t.Context(), each); err != nil {
						t.Error(err)
					}
				}
				say(who)
			}
		}
		c.together(t.Context(), []func(){sleeper("a", 2*time.Second, 2), sleeper("b", time.Second, 2), func() {
			say("c")
			c.together(t.Context(), []func(){sleeper("inner", 3*time.Second, 1), sleeper("inner", 3*time.Second, 1)})
			say("c")
		}})
		say("end")
		if !slices.Equal(got, want) {
			t.Fatalf("%v", got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&virtualClock{lab: &still{}}).sleep(ctx, time.Second); err == nil {
		t.Error("a sleep goes on after the end of its context")
	}
}
