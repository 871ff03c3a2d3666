package view

import (
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// stateDown is the state of a node that does not answer.
const stateDown = "down"

// stateHangs is the state of a node that keeps its connection and says nothing; in a lab it may have been paused.
const (
	stateHangs  = "hangs"
	statePaused = "paused"
)

func hangWord(f *source.Fleet, n *source.Node) string {
	if l := f.State.Node(n.Name); l != nil && l.Paused() {
		return statePaused
	}
	return stateHangs
}

// silence is why a node that hangs is in trouble.
func silence(f *source.Fleet, n *source.Node) string {
	return "has said nothing for " + widget.Clock(n.Age(f.Time))
}

// nodeState says how a node is, in a word.
func nodeState(f *source.Fleet, n *source.Node) (theme.Level, string) {
	switch {
	case f.Hangs(n):
		return theme.Broken, hangWord(f, n)
	case !n.Connected && n.Snap == nil:
		return theme.Broken, "unreachable"
	case !n.Connected:
		return theme.Broken, stateDown
	case n.Snap == nil: // its first word was an event
		return theme.Neutral, "not seen yet"
	case n.Role == control.RoleKeyServer:
		return serverWord(n)
	}
	worst, word := theme.Good, control.StateRegistered
	if n.Snap.GM == nil || len(n.Snap.GM.Groups) == 0 {
		return theme.Neutral, "no group"
	}
	for _, g := range n.Snap.GM.Groups {
		if l := StateLevel(g.State); l > worst {
			worst, word = l, g.State
		}
	}
	return worst, word
}

// serverWord is what a key server is in its groups, or that it is up if it shares none.
func serverWord(n *source.Node) (theme.Level, string) {
	level, word := theme.Good, ""
	for i := range n.Snap.KS.Groups {
		g := &n.Snap.KS.Groups[i]
		switch {
		case g.Coop == nil:
			continue
		case !g.Coop.Ready:
			return theme.Caution, "blocked"
		case word != "" && word != g.Role:
			word = "prim./sec."
		default:
			word = g.Role
		}
	}
	if word == "" {
		word = "up"
	}
	return level, word
}

// StateLevel says how good a registration state is.
func StateLevel(state string) theme.Level {
	switch state {
	case control.StateRegistered:
		return theme.Good
	case control.StateReregistering, control.StateRegistering:
		return theme.Caution
	case control.StateLeft, control.StateRemoved:
		return theme.Neutral
	default:
		return theme.Broken
	}
}

// lifeLevel says how urgent a key's remaining life is.
func lifeLevel(remaining, lifetime int) theme.Level {
	switch {
	case lifetime <= 0 || remaining <= 0:
		return theme.Broken
	case remaining*10 < lifetime:
		return theme.Caution
	default:
		return theme.Neutral
	}
}

// stale is how far a node's snapshot lags behind the screen: countdowns go on, but only while it is connected.
func stale(n *source.Node, now time.Time) int {
	if !n.Connected || n.Snap == nil {
		return 0
	}
	return int(now.Sub(n.Snap.Time) / time.Second)
}

// clock prints a time of day, or a dash.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("15:04:05")
}

// worst returns the largest counter.
func worst(counters []control.Counter) (best control.Counter) {
	for _, c := range counters {
		if c.Count > best.Count {
			best = c
		}
	}
	return best
}

// reason prints a counter, "replay 12", or a dash.
func reason(c control.Counter) string {
	if c.Count == 0 {
		return "-"
	}
	return fmt.Sprintf("%s %s", c.Name, widget.Count(float64(c.Count)))
}

// drops lists what a daemon has dropped, of its control and its data plane, but for rekeys and answers that came twice: they
// are repeated on purpose, and no fault.
func drops(s *control.Snapshot) []control.Counter {
	out := slices.Clone(s.Drops)
	if s.GM != nil {
		out = append(out, s.GM.DataPath.Drops...)
	}
	return slices.DeleteFunc(out, func(c control.Counter) bool { return c.Name == "duplicate" || c.Name == "ack-duplicate" })
}

// dropped sums up what a member's data path has dropped, and names the first reason of all.
func dropped(s *control.Snapshot) (n uint64, top string) {
	if s.GM != nil {
		for _, c := range s.GM.DataPath.Drops {
			n += c.Count
		}
	}
	if w := worst(drops(s)); w.Count > 0 {
		top = reason(w)
	}
	return n, top
}

// silent says whether a node in a state gives no answer.
func silent(state string) bool {
	return state == stateDown || state == stateHangs || state == statePaused
}
