// Package view draws what the console knows. A View is a pure function from a source.Fleet to a Page: lines, a table and
// what is to be said of its rows; and to the values that `getvpn-tui show` prints as JSON. The screen, exports and scripts
// see the same things. Labels are those that operators of group VPNs know.
package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
)

// Place is a view, and what it is limited to.
type Place struct {
	View  string // its name; empty: nowhere
	Group string // empty: all
	Node  string // of a node view
	SPI   string // of an SA view
	Task  string // of a task view: a row of the lab view
}

// Crumb is the place in a line of places.
func (p Place) Crumb() string {
	switch {
	case p.SPI != "":
		return "SA " + p.SPI
	case p.Task != "":
		return p.Task
	case p.Node != "":
		return p.Node
	case p.Group != "":
		return p.View + " of " + p.Group
	}
	return p.View
}

// TaskName is the task of the lab that the place is about, if it is about one.
func (p Place) TaskName() string {
	if name, ok := strings.CutPrefix(p.Task, kindTask+" "); ok {
		return name
	}
	return ""
}

// Frame is what a view may draw on and with.
type Frame struct {
	Theme         *theme.Theme
	Fleet         *source.Fleet
	Width, Height int
	Scroll        int // of a page without a table
	Pending       *Pending
	Marks, Far    map[string]bool // rows that are marked, by ID, and those of the other side
	Place
}

// View is one screen of the console.
type View interface {
	// Name is the word that commands use: members.
	Name() string
	// Page is what the screen shows.
	Page(f *Frame) *Page
	// Data is what `show --json` prints, of one group or, with an empty name, of all.
	Data(fleet *source.Fleet, group string) any
}

// All returns the views in the order of their tabs.
func All() []View {
	return []View{Pulse{}, Members{}, Rekey{}, Coop{}, SAs{}, Policy{}, Events{}, Topology{}, Custody{}, Lab{}}
}

// inner are the views that are entered from others.
func inner() []View { return []View{Node{}, SA{}, Task{}} }

// old are the names that views had before.
var old = map[string]string{"overview": "pulse", "keys": "sas", "traffic": "sas"}

// Printer is a view that is printed in other words than the screen has.
type Printer interface{ Print(f *Frame) []string }

// Names lists the views by name.
func Names() []string {
	var names []string
	for _, v := range All() {
		names = append(names, v.Name())
	}
	return names
}

// ByName finds a view.
func ByName(name string) (View, error) {
	if now := old[name]; now != "" {
		name = now
	}
	for _, v := range append(All(), inner()...) {
		if v.Name() == name {
			return v, nil
		}
	}
	return nil, fmt.Errorf("there is no view %q: use one of %s", name, strings.Join(Names(), ", "))
}

// groups are those that a frame is about.
func (f *Frame) groups() []string { return limited(f.Fleet, f.Group) }

func limited(fleet *source.Fleet, group string) []string {
	if group == "" {
		return fleet.Groups()
	}
	return []string{group}
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
