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

// Custody is who keeps the daemons' keys: whether the token answers, what does not work without it, which keys it has, and
// how long its calls take. It knows names, never keys.
type Custody struct{}

// NodeCustody is one daemon's element of `show custody --json`.
type NodeCustody struct {
	Node string `json:"node"`
	Role string `json:"role"`
	// Answers says whether the daemon does; what is here is the last that it said.
	Answers bool `json:"answers"`
	*control.Custody
}

// Name implements View.
func (Custody) Name() string { return "custody" }

// custodies lists the daemons that have one, of those that are in the group.
func custodies(fleet *source.Fleet, group string) []NodeCustody {
	out := []NodeCustody{}
	for i := range fleet.Nodes {
		n := &fleet.Nodes[i]
		if n.Snap != nil && n.Snap.Custody != nil && (group == "" || slices.Contains(n.Groups(), group)) {
			out = append(out, NodeCustody{n.Name, n.Role, n.Connected && !fleet.Hangs(n), n.Snap.Custody})
		}
	}
	return out
}

// custodyKey is a row: a key in a custody.
type custodyKey struct {
	of *NodeCustody
	*control.CustodyKey
}

// leastDetail is how many lines make sense of a custody's calls.
const leastDetail = 4

// Page implements View: a row for each key of each custody.
func (Custody) Page(f *Frame) *Page {
	all := custodies(f.Fleet, f.Group)
	if len(all) == 0 {
		return f.empty("No daemon here says who keeps its keys.",
			"custody: {module, token, pin} in its configuration keeps them in an HSM;", "'getvpn-ks hsm init' sets the token up.")
	}
	good := 0
	var keys []custodyKey
	for i := range all {
		if level, _ := all[i].state(); level == theme.Good {
			good++
		}
		for k := range all[i].Keys {
			keys = append(keys, custodyKey{&all[i], &all[i].Keys[k]})
		}
	}
	p := &Page{Title: "KEYS", Right: "names, never the keys", Want: 10, All: 16}
	p.Head = append(p.Head, f.section("CUSTODY", f.Theme.Dim.Render(fmt.Sprintf("%d of %d as they should be", good, len(all)))))
	wide := 0
	for i := range all {
		wide = max(wide, width(all[i].Node))
	}
	for i := range all {
		p.Head = append(p.Head, f.custodyLine(&all[i], wide))
		p.Head = append(p.Head, f.custodyTroubles(&all[i])...)
	}
	p.Table = f.custodyTable(keys, len(all) > 1)
	p.Subject = func(i int) Subject { return Subject{Group: keys[i].group(f.Group), Node: keys[i].of.Node} }
	p.Foot = func(i, room int) []string {
		if room < leastDetail {
			return nil
		}
		n := &all[0]
		if i >= 0 {
			n = keys[i].of
		}
		return f.custodyDetail(n)
	}
	return p
}

// state says how a custody is, in a word.
func (n *NodeCustody) state() (theme.Level, string) {
	switch {
	case !n.Answers:
		return theme.Broken, stateDown
	case !n.Ready:
		return theme.Broken, "lost"
	case len(n.Degraded) > 0:
		return theme.Caution, "degraded"
	case n.Backend != "pkcs11":
		return theme.Caution, "files"
	}
	return theme.Good, "ready"
}

// custodyLine is a custody in one line.
func (f *Frame) custodyLine(n *NodeCustody, wide int) string {
	t := f.Theme
	level, word := n.state()
	if word == "lost" && !n.Since.IsZero() {
		word += " " + widget.Clock(f.Fleet.Time.Sub(n.Since))
	}
	var parts []string
	if n.KEKs != "" {
		parts = append(parts, t.Dim.Render("KEKs in the ")+t.Text.Render(n.KEKs))
	}
	q := n.Queue
	if q.Limit > 0 {
		parts = append(parts, t.Dim.Render("queue ")+t.Text.Render(fmt.Sprintf("%d/%d", q.Waiting, q.Limit)))
	}
	for _, c := range []struct {
		word string
		n    uint64
	}{{"refused", q.Refused}, {"abandoned", q.Abandoned}, {"logins again", q.Reopened}} {
		if c.n > 0 {
			parts = append(parts, t.Dim.Render(c.word+" ")+t.Text.Render(widget.Count(float64(c.n))))
		}
	}
	parts = append(parts, t.Dim.Render(strings.TrimSpace(n.Model+" "+n.Firmware))) // cut first
	line := " " + t.Accent.Render(widget.Pad(n.Node, wide, false)) + "  " + widget.Pad(t.State(level, word), 12, false) + "  " + strings.Join(parts, "  ")
	return ansi.Truncate(line, f.Width, "…")
}

// custodyTroubles says what is wrong, in full: who looks here wants to know what to do.
func (f *Frame) custodyTroubles(n *NodeCustody) (out []string) {
	say := func(l theme.Level, text string) {
		for i, line := range f.wrap(text, 5) {
			mark := l.Glyph()
			if i > 0 {
				mark = " "
			}
			out = append(out, "   "+f.Theme.Level(l).Render(mark+" "+line))
		}
	}
	if n.Problem != "" {
		say(theme.Broken, strings.TrimPrefix(n.Problem, "hsm: the custody does not answer: "))
	}
	for _, d := range n.Degraded {
		say(theme.Caution, d)
	}
	if n.Backend != "pkcs11" {
		say(theme.Caution, "keys in plain files are in no custody: whoever reads them has the group")
	}
	if n.KeysProblem != "" && n.Ready {
		say(theme.Caution, "its keys could not be listed: "+n.KeysProblem)
	}
	return out
}

// group is the one that a key signs for, or the only one that there is here.
func (k *custodyKey) group(limit string) string {
	if limit != "" {
		return limit
	}
	for _, s := range k.of.Signatures {
		if s.Key == k.Name || s.Next == k.Name {
			return s.Group
		}
	}
	if len(k.of.Signatures) == 1 {
		return k.of.Signatures[0].Group
	}
	return ""
}

// role says what a key does at the moment.
func (k *custodyKey) role() widget.Cell {
	if k.Problem != "" {
		return widget.State(theme.Broken, "not used: "+k.Problem)
	}
	for _, s := range k.of.Signatures {
		switch {
		case s.Key == k.Name:
			return widget.State(theme.Good, "signs for "+s.Group)
		case s.Next == k.Name:
			return widget.State(theme.Caution, "signs for "+s.Group+" soon")
		}
		for _, r := range s.Retiring {
			if r == k.Name {
				return widget.State(theme.Caution, "rotated out, to be destroyed")
			}
		}
	}
	switch k.Use {
	case "sign":
		return widget.State(theme.Neutral, "signs for no group")
	case "transport":
		return widget.State(theme.Good, "takes KEKs from others")
	case "seal":
		return widget.State(theme.Good, "seals the state")
	case "encrypt":
		return widget.State(theme.Good, "KEK")
	}
	return widget.Text(k.Use)
}

// origin says whether a key can leave, or could once.
func (k *custodyKey) origin() string {
	switch {
	case k.Movable:
		return "leaves wrapped"
	case k.Born:
		return "born here, stays"
	case k.of.Backend != "pkcs11":
		return "a file"
	case k.Problem != "":
		return "-"
	}
	return "came from outside"
}

func (f *Frame) custodyTable(keys []custodyKey, several bool) *widget.Table {
	t := &widget.Table{
		Len: len(keys), ID: func(i int) string { return keys[i].of.Node + "/" + keys[i].URI },
		Old:  func(i int) bool { return !keys[i].of.Ready || !keys[i].of.Answers },
		More: func(i int) string { return keys[i].URI },
	}
	column := columns(t, keys)
	if several {
		column(widget.Column{Title: " NODE"}, func(k *custodyKey) widget.Cell { return widget.Text(" " + k.of.Node) })
		column(widget.Column{Title: "KEY", Flex: true, Min: 16}, func(k *custodyKey) widget.Cell { return widget.Text(k.Name) })
	} else {
		column(widget.Column{Title: " KEY", Flex: true, Min: 17}, func(k *custodyKey) widget.Cell { return widget.Text(" " + k.Name) })
	}
	column(widget.Column{Title: "KIND"}, func(k *custodyKey) widget.Cell { return widget.Text(k.Kind) })
	column(widget.Column{Title: "STATE"}, func(k *custodyKey) widget.Cell { return k.role() })
	column(widget.Column{Title: "ORIGIN", Drop: 1}, func(k *custodyKey) widget.Cell { return widget.Text(k.origin()) })
	return t
}

// Data implements View.
func (Custody) Data(fleet *source.Fleet, group string) any {
	return map[string]any{"custodies": custodies(fleet, group)}
}
