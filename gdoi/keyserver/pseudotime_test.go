package keyserver

import (
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestPseudotimeOverRestarts: the wall clock counts only over a boot, and never backwards.
func TestPseudotimeOverRestarts(t *testing.T) {
	const life = 10 * time.Second
	wall := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	group := func(boot string) *Group {
		return &Group{env: &machine.Env{Boot: boot}, cfg: Config{AntiReplay: AntiReplay{Window: time.Second}}}
	}
	for _, row := range []struct {
		name         string
		was, is      string        // boots
		mono, wall   time.Duration // that have passed by these clocks
		want         time.Duration
		anotherClock bool
	}{
		{"the process restarts", "a", "a", life, life, life, false},
		{"the process restarts, the wall clock is set", "a", "a", life, -time.Hour, life, false},
		{"the system is booted", "a", "b", -time.Hour, life, life, true},
		{"the system is booted, the wall clock goes back", "a", "b", -time.Hour, -time.Hour, 0, true},
		{"a system that does not name its boots", "", "", life, 2 * life, 2 * life, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := group(row.was)
			now := machine.Now{Mono: machine.Instant(5 * time.Hour), Wall: wall}
			g.beginTime(now, true)
			before := g.time.now(now.Mono)
			records := g.timeRecords(now)
			later := machine.Now{Mono: now.Mono.Add(row.mono), Wall: wall.Add(row.wall)}
			h := group(row.is)
			if err := h.restoreTime(later, records[0].Value); err != nil {
				t.Fatal(err)
			}
			if got := h.time.now(later.Mono) - before; got != row.want {
				t.Errorf("it went on by %v, want %v", got, row.want)
			}
			if (h.time.series != g.time.series) != row.anotherClock {
				t.Errorf("series %d after %d", h.time.series, g.time.series)
			}
			// A step of the wall clock while the process runs is nothing to it.
			if got := h.timeOffer(machine.Now{Mono: later.Mono.Add(life), Wall: wall.Add(-100 * time.Hour)}).Now - before; got != row.want+life {
				t.Errorf("%v", got)
			}
		})
	}
	g := group("a")
	for _, bad := range []string{"", "{}", `{"Time":5,"Since":6}`, `{"Time":-1}`, `{"Time":"x"}`} {
		if g.restoreTime(machine.Now{Wall: wall}, []byte(bad)) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestTimeWindowIsValid(t *testing.T) {
	for text, a := range map[string]AntiReplay{
		"set anti-replay time": {Demand: true},
		"from 1s to 10m0s":     {Window: 999 * time.Millisecond},
		"whole milliseconds":   {Window: time.Second + time.Microsecond},
		"to 10m0s":             {Window: time.Hour},
		"stamps repeat":        {Window: time.Second},
	} {
		c := Config{AntiReplay: a, TEKLifetime: 21 * 24 * time.Hour}
		if err := c.validateTime(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v", a, err)
		}
	}
	for _, a := range []AntiReplay{{}, {Window: time.Second}, {Window: 10 * time.Minute, Demand: true}} {
		if err := (&Config{AntiReplay: a, TEKLifetime: time.Hour}).validateTime(); err != nil {
			t.Error(err)
		}
	}
}
