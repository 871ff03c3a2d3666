package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// owners maps the sender ids of a group to the members that have them.
func owners(fleet *source.Fleet, group string) map[uint32]string {
	out := map[uint32]string{}
	for _, s := range fleet.ServersOf(group) {
		for i := range s.Group.Members {
			m := &s.Group.Members[i]
			for _, sid := range m.SIDs {
				out[sid] = m.Address
			}
		}
	}
	for i := range fleet.Nodes { // a name says more than an address
		n := &fleet.Nodes[i]
		if g := memberOf(n, group); g != nil {
			for _, sid := range g.SIDs {
				out[sid] = n.Name
			}
		}
	}
	return out
}

// senderName is who a sender is.
func senderName(s *control.Sender, owners map[uint32]string) string {
	switch name := owners[s.SID]; {
	case s.Source != "":
		return s.Source
	case name != "":
		return name
	}
	return "former" // sender ids are new at every registration
}

// windowLines draws the replay windows that a member keeps under a TEK, a line for each sender, in at most room lines.
func (f *Frame) windowLines(n *source.Node, group string, t *control.TEK, room int) []string {
	if room < 2 || n == nil || n.Snap == nil || n.Snap.GM == nil {
		return nil
	}
	right := fmt.Sprintf("%d senders", t.SenderCount)
	if t.SenderCount > len(t.Senders) {
		right = fmt.Sprintf("%d senders, the %d heard last", t.SenderCount, len(t.Senders))
	}
	head := "REPLAY WINDOWS of " + n.Name + ", TEK " + short(t.SPI)
	if len(t.Senders) > 0 {
		for _, legend := range []string{ // as much as there is room for
			fmt.Sprintf("%d numbers wide, oldest left; what is not here went to others, or was lost · ", t.Senders[0].Window),
			"not here: it went to others, or was lost · ",
		} {
			if width(head+legend+right)+3 < f.Width {
				right = legend + right
				break
			}
		}
	}
	out := []string{f.section(head, f.Theme.Dim.Render(right))}
	if len(t.Senders) == 0 {
		return append(out, " "+f.Theme.Dim.Render("nothing has been received under this key"))
	}
	return append(out, f.senderTable(n, group, t).View(f.Theme, nil, f.Width, room-1)...)
}

// senderTable lists the senders under a TEK.
func (f *Frame) senderTable(n *source.Node, group string, t *control.TEK) *widget.Table {
	who, old := owners(f.Fleet, group), !n.Connected
	tab := &widget.Table{Len: len(t.Senders), ID: func(i int) string { return fmt.Sprint(t.Senders[i].SID, t.Senders[i].Source) }, Old: func(int) bool { return old }}
	column := columns(tab, t.Senders)
	column(widget.Column{Title: " SENDER"}, func(s *control.Sender) widget.Cell { return widget.Text(" " + senderName(s, who)) })
	column(widget.Column{Title: "SID", Right: true, Drop: 2}, func(s *control.Sender) widget.Cell {
		if s.Source != "" {
			return widget.None()
		}
		return widget.Int(s.SID)
	})
	column(widget.Column{Title: "HIGHEST", Right: true}, func(s *control.Sender) widget.Cell { return widget.Int(s.Top) })
	column(widget.Column{Title: "WINDOW", Min: 16}, func(s *control.Sender) widget.Cell { return widget.Text(f.window(s)) })
	column(widget.Column{Title: "NOT HERE", Key: "missing", Right: true}, func(s *control.Sender) widget.Cell { return widget.Int(s.Missing) })
	column(widget.Column{Title: "HEARD", Drop: 1}, func(s *control.Sender) widget.Cell { return widget.Ago(s.Heard, f.Fleet.Time) })
	return tab
}

// window draws a replay window: a block for each part, as high as the share of its numbers that were seen.
func (f *Frame) window(s *control.Sender) string {
	var b strings.Builder
	for i := 0; i < len(s.Picture); {
		k := i + 1
		for k < len(s.Picture) && s.Picture[k] == s.Picture[i] {
			k++
		}
		b.WriteString(f.windowPart(s.Picture[i], k-i))
		i = k
	}
	return b.String()
}

// windowPart draws parts that are alike. A sender counts the packets to all members with one number, so that a gap is a fault
// only where the packet was for this one.
func (f *Frame) windowPart(c byte, n int) string {
	switch {
	case c == '8':
		return f.Theme.Level(theme.Good).Render(strings.Repeat(string(widget.Block(1)), n))
	case c > '0' && c < '8':
		return f.Theme.Accent.Render(strings.Repeat(string(widget.Block(float64(c-'1')/8)), n))
	case c == '0':
		return f.Theme.Dim.Render(strings.Repeat("_", n))
	}
	return f.Theme.Faint.Render(strings.Repeat("·", n)) // below the first number
}
