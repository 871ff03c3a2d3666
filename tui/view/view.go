// Package view draws what the console knows. A View is a pure function from a source.Fleet to lines of text, and to the
// values that `getvpn-tui show` prints as JSON: the screen and the script see the same things. Labels are those that
// operators of group VPNs know.
package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Frame is what a view may draw on and with.
type Frame struct {
	Theme         *theme.Theme
	Fleet         *source.Fleet
	Width, Height int
	Cursor        int    // selected row
	Offset        int    // first row shown; the view keeps the cursor visible
	Filter        string // rows must contain it; "!word" excludes
	Node          string // the node that a node view shows
}

// View is one screen of the console.
type View interface {
	// Name is the word that commands use: members.
	Name() string
	// Rows names what the cursor can stand on, top to bottom: node names, or nothing where rows are not objects.
	Rows(f *Frame) []string
	// Draw returns at most f.Height lines.
	Draw(f *Frame) []string
	// Data is what `show --json` prints.
	Data(fleet *source.Fleet) any
}

// All returns the views in the order of their tabs.
func All() []View {
	return []View{Overview{}, Members{}, Keys{}, Policy{}, Events{}, Coop{}}
}

// Printer is a view that is printed in other words than the screen has.
type Printer interface{ Print(f *Frame) []string }

// Printed returns the views that the show verb knows: those of the screen, and those that only scripts ask for.
func Printed() []View { return append(All(), Rekey{}) }

// ByName finds a view for the show verb.
func ByName(name string) (View, error) {
	var names []string
	for _, v := range Printed() {
		if v.Name() == name {
			return v, nil
		}
		names = append(names, v.Name())
	}
	return nil, fmt.Errorf("there is no view %q: use one of %s", name, strings.Join(names, ", "))
}

// Of limits a view to a group, if it can be.
func Of(v View, group string) View {
	switch v.(type) {
	case Rekey:
		return Rekey{Group: group}
	case Coop:
		return Coop{Group: group}
	}
	return v
}

// match applies the filter to a row's text.
func (f *Frame) match(text string) bool {
	want := strings.ToLower(f.Filter)
	if want == "" {
		return true
	}
	text = strings.ToLower(text)
	for _, word := range strings.Fields(want) {
		if w, not := strings.CutPrefix(word, "!"); not {
			if w != "" && strings.Contains(text, w) {
				return false
			}
		} else if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// section is a heading over a part of a screen.
func (f *Frame) section(title, right string) string {
	t := f.Theme
	head := t.Title.Render(title) + " "
	tail := ""
	if right != "" {
		tail = " " + right
	}
	rule := f.Width - width(head) - width(tail)
	return head + t.Faint.Render(strings.Repeat("─", max(rule, 0))) + tail
}

// nodeState says how a node is, in a word.
func nodeState(f *source.Fleet, n *source.Node) (theme.Level, string) {
	switch {
	case f.Hangs(n):
		return theme.Broken, "hangs"
	case !n.Connected && n.Snap == nil:
		return theme.Broken, "unreachable"
	case !n.Connected:
		return theme.Broken, "down"
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

// until prints a countdown to t, or a dash.
func until(t, now time.Time) string {
	if t.IsZero() {
		return "-"
	}
	if d := t.Sub(now); d > 0 {
		return widget.Clock(d)
	}
	return "now"
}

// clock prints a time of day, or a dash.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("15:04:05")
}

// top returns the largest counter, "replay 12".
func top(counters []control.Counter) string {
	best := control.Counter{}
	for _, c := range counters {
		// The key server repeats rekeys on purpose: copies are not a fault.
		if c.Name != "duplicate" && c.Name != "ack-duplicate" && c.Count > best.Count {
			best = c
		}
	}
	if best.Count == 0 {
		return "-"
	}
	return fmt.Sprintf("%s %s", best.Name, widget.Count(float64(best.Count)))
}

// rate prints the newest value, or a dash while there is none.
func rate(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	return widget.Count(v[len(v)-1])
}
