package view

import (
	"fmt"

	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Key servers admit no more members than hold three quarters of their sender ids; when all are used up, everybody gets new
// keys and counting begins again.
const (
	sidCaution = 0.75
	sidBroken  = 0.95
)

// SIDRange is the sender ids that one key server of a group gives out.
type SIDRange struct {
	Group string `json:"group"`
	Node  string `json:"node"`
	First uint64 `json:"first"`
	Count uint64 `json:"count"`
	Used  uint64 `json:"used"` // since they were counted anew last
	Bits  int    `json:"bits"` // of a sender id
	Old   bool   `json:"old"`  // the key server does not answer
}

// sidRanges lists the ranges of a group's key servers by their first numbers.
func (f *Frame) sidRanges(group string) (out []SIDRange) {
	for _, n := range f.Fleet.KeyServers() {
		if n.Snap == nil || n.Snap.KS == nil {
			continue
		}
		for i := range n.Snap.KS.Groups {
			if g := &n.Snap.KS.Groups[i]; g.Name == group && g.SIDsTotal > 0 {
				out = append(out, SIDRange{group, n.Name, g.SIDFirst, g.SIDsTotal, g.SIDsUsed, g.SIDBits, !n.Connected})
			}
		}
	}
	return out
}

// sidLines draws how much of the sender ids of a group each key server has given out, in at most room lines.
func (f *Frame) sidLines(group string, room int) []string {
	ranges := f.sidRanges(group)
	if len(ranges) == 0 || room < 2 {
		return nil
	}
	t := f.Theme
	out := []string{f.section("SENDER IDS of group "+group, t.Dim.Render(fmt.Sprintf("%d bits; given out by each key server", ranges[0].Bits)))}
	name := 0
	for _, r := range ranges {
		name = max(name, width(r.Node))
	}
	for _, r := range ranges {
		part, level := float64(r.Used)/float64(r.Count), theme.Neutral
		switch {
		case part >= sidBroken:
			level = theme.Broken
		case part >= sidCaution:
			level = theme.Caution
		}
		left := " " + t.Text.Render(widget.Pad(r.Node, name, false)) + "  "
		right := "  " + t.State(level, fmt.Sprintf("%s of %s used", widget.Count(float64(r.Used)), widget.Count(float64(r.Count))))
		if f.Width >= 76 {
			right += t.Dim.Render(fmt.Sprintf("   %d to %d", r.First, r.First+r.Count-1))
		}
		if r.Old {
			right += t.Dim.Render("  (down)")
		}
		bar := widget.Bar(t, level, part, max(8, min(40, f.Width-width(left)-width(right)-1)))
		out = append(out, left+bar+right)
	}
	return out[:min(len(out), room)]
}
