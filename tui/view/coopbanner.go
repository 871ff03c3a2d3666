package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Banner is something among key servers that an operator must not overlook.
type Banner struct {
	Group string      `json:"group"`
	Kind  string      `json:"kind"` // split, out-of-reach, no-primary, merge, blocked or policy
	Text  string      `json:"text"`
	Lines []string    `json:"lines,omitempty"`
	level theme.Level // of Kind
}

// deaf says whether some of these do not hear each other.
func deaf(all []*source.Server) bool {
	return slices.ContainsFunc(all, func(s *source.Server) bool {
		return slices.ContainsFunc(all, func(o *source.Server) bool { return o != s && !s.Sees(o.ID) })
	})
}

// banners says what is wrong among the key servers of a group, the worst first.
func banners(c *source.Cooperation, f *source.Fleet) []Banner {
	var out []Banner
	add := func(l theme.Level, kind, format string, args ...any) {
		out = append(out, Banner{Group: c.Group, Kind: kind, Text: fmt.Sprintf(format, args...), level: l})
	}
	switch {
	case len(c.Sides) > 1:
		add(theme.Broken, "split", "SPLIT for %s: %s; %s", since(c.Since, f.Time), sides(c), splitMeans(c))
	case len(c.Primaries) > 1 && deaf(c.Primaries):
		add(theme.Broken, "split", "%d PRIMARIES (%s), not all of which hear each other, though others hear them: something is between them, and nobody passes on",
			len(c.Primaries), names(c.Primaries))
	case len(c.Primaries) > 1:
		add(theme.Broken, "split", "%d PRIMARIES (%s), which hear each other: one of them stands down now", len(c.Primaries), names(c.Primaries))
	}
	if gone := unreached(c); len(c.Sides) <= 1 && gone != "" {
		add(theme.Caution, "out-of-reach", "OUT OF REACH for %s: %s", since(c.Since, f.Time), gone)
	}
	if headless(c) && len(c.Sides) > 0 {
		add(theme.Broken, "no-primary", noPrimary+": nobody makes keys, and members that come are told to wait")
	}
	if c.Merging {
		left := "under way"
		if c.MergeLeft > 0 {
			left = widget.Clock(c.MergeLeft) + " left"
		}
		add(theme.Caution, "merge", "MERGE %s: members have the keys of both sides until one side's end", left)
	}
	for i := range c.Servers {
		s := &c.Servers[i]
		self := s.Self()
		if self == nil {
			continue
		}
		if len(self.Diff) > 0 {
			add(theme.Broken, "policy", "POLICY of %s is not that of %s (- there, + here)", s.Name, c.Name(self.Primary))
			out[len(out)-1].Lines = self.Diff
		}
		if !self.Ready && len(c.Primaries) > 0 {
			add(theme.Caution, "blocked", "%s registers no members: %s", s.Name, self.Why)
		}
	}
	return out
}

// splitMeans says what a split does to members, in half a line.
func splitMeans(c *source.Cooperation) string {
	if c.Split == "continue" {
		return "continue: all derive the same keys"
	}
	return "fork: the next keys of each side are its own"
}

// sides is "ks1 ks2 | ks3".
func sides(c *source.Cooperation) string {
	var out []string
	for _, side := range c.Sides {
		out = append(out, names(side))
	}
	return strings.Join(out, " | ")
}

func names(list []*source.Server) string {
	var out []string
	for _, s := range list {
		out = append(out, s.Name)
	}
	return strings.Join(out, " ")
}

// unreached says who is missed: dead, or not heard by some.
func unreached(c *source.Cooperation) string {
	var out []string
	for i := range c.Servers {
		s := &c.Servers[i]
		var by []*source.Server
		for k := range c.Servers {
			if self := c.Servers[k].Self(); self != nil && slices.Contains(self.Unreachable, s.ID) {
				by = append(by, &c.Servers[k])
			}
		}
		switch {
		case len(by) == 0:
		case s.Self() != nil:
			out = append(out, fmt.Sprintf("%s, which runs, by %s", s.Name, names(by)))
		case s.Hangs:
			out = append(out, s.Name+" (hangs)")
		case s.Node != nil:
			out = append(out, s.Name+" (down)")
		default:
			out = append(out, s.Name+" (dead, or cut off)")
		}
	}
	return strings.Join(out, "; ")
}

// coopBanners draws what is wrong in a group: in full, or what matters beside other things, each in a line.
func (f *Frame) coopBanners(c *source.Cooperation, all bool) []string {
	var out []string
	for _, b := range banners(c, f.Fleet) {
		if !all && b.Kind == "blocked" {
			continue // its state says so
		}
		if !all {
			out = append(out, f.sentence(b.level, b.Text))
			continue
		}
		text := strings.Split(ansi.Wrap(b.Text, max(1, f.Width-3), ""), "\n")
		out = append(out, " "+f.Theme.State(b.level, text[0]))
		for _, l := range text[1:] {
			out = append(out, "   "+f.Theme.Level(b.level).Render(l))
		}
		lines := b.Lines
		if most := max(3, f.Height/4); len(lines) > most { // the key servers must not be what is pushed out
			lines = append(slices.Clone(lines[:most-1]), fmt.Sprintf("… and %d more; getvpn-tui show coop %s prints all", len(lines)-most+1, b.Group))
		}
		for _, l := range lines {
			style := f.Theme.Dim
			switch {
			case strings.HasPrefix(l, "-"):
				style = f.Theme.Bad
			case strings.HasPrefix(l, "+"):
				style = f.Theme.OK
			}
			out = append(out, "     "+style.Render(ansi.Truncate(l, max(1, f.Width-5), "…")))
		}
	}
	return out
}

// SplitGroups names the groups whose key servers do not all reach each other, for the title of the screen.
func SplitGroups(fleet *source.Fleet) []string {
	var out []string
	for _, g := range fleet.Groups() {
		if c := fleet.Cooperation(g); c != nil && (len(c.Sides) > 1 || len(c.Primaries) > 1) {
			out = append(out, g)
		}
	}
	return out
}

// coopLine is the key servers of a group in one line of the overview.
func (f *Frame) coopLine(c *source.Cooperation) string {
	t := f.Theme
	line := " " + t.Dim.Render("KS ")
	for i := range c.Servers {
		s := &c.Servers[i]
		level, word := serverState(s)
		if self := s.Self(); self != nil && self.Ready {
			word = self.Role
			if self.Role == control.RolePrimary {
				word += fmt.Sprintf(" term %d", self.Term)
			}
		}
		line += " " + t.Text.Render(s.Name) + " " + t.State(level, word) + " "
	}
	return ansi.Truncate(line, f.Width, "…")
}
