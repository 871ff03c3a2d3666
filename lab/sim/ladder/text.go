package ladder

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Choice is which messages are shown.
type Choice struct {
	Kind     string // Phase1, Pull, Push, Coop; empty: all
	Nodes    []string
	From, To time.Duration // To 0: until the end
	Most     int           // 0: all
}

// Kinds lists what Choice.Kind may be.
func Kinds() []string { return []string{Phase1, Pull, Push, Coop, Inform} }

// Choose lists what a choice leaves of a capture.
func (c *Capture) Choose(o Choice) (out []*Datagram) {
	for _, d := range c.Datagrams {
		switch {
		case o.Kind != "" && d.Kind != o.Kind, d.At < o.From, o.To > 0 && d.At > o.To:
		case len(o.Nodes) > 0 && !slices.Contains(o.Nodes, d.From) && !slices.Contains(o.Nodes, d.To):
		case o.Most > 0 && len(out) == o.Most:
			return out
		default:
			out = append(out, d)
		}
	}
	return out
}

// Style is how a ladder is written.
type Style struct {
	Width int  // of the terminal
	ASCII bool // no box drawing
	Short bool // no payloads
}

// signs are what lines are made of.
type signs struct{ line, dash, right, left, lost, cut, dot string }

var (
	unicodeSigns = signs{"│", "─", "▶", "◀", "╳", "…", "·"}
	asciiSigns   = signs{"|", "-", ">", "<", "x", "...", "."}
)

const (
	timeWidth = 13
	least     = 6  // of a column
	textLeast = 24 // what must be left for words beside the columns
)

// Text writes messages as a ladder: a column for each node where there is room, else the names.
func (c *Capture) Text(w io.Writer, list []*Datagram, st Style) error {
	s := unicodeSigns
	if st.ASCII {
		s = asciiSigns
	}
	names := c.participants(list)
	column := least
	for _, n := range names {
		column = max(column, len(n)+2)
	}
	p := &page{w: w, st: st, s: s, names: names, column: column}
	if timeWidth+column*len(names)+textLeast > st.Width || slices.ContainsFunc(list, func(d *Datagram) bool { return d.To == "" }) {
		p.names = nil // no columns: a multicast message has no column to end in, either
	}
	if p.names != nil {
		head := strings.Repeat(" ", timeWidth)
		for _, n := range names {
			head += fmt.Sprintf("%-*s", column, n)
		}
		p.say(strings.TrimRight(head, " "))
	}
	for _, d := range list {
		p.message(d)
	}
	return p.err
}

func (c *Capture) participants(list []*Datagram) (names []string) {
	seen := map[string]bool{}
	for _, d := range list {
		seen[d.From], seen[d.To] = true, true
	}
	for _, n := range c.Names {
		if seen[n] {
			names = append(names, n)
		}
	}
	return names
}

type page struct {
	w      io.Writer
	st     Style
	s      signs
	names  []string
	column int
	err    error
}

// say writes a line, cut to the width.
func (p *page) say(line string) {
	if r := []rune(line); len(r) > p.st.Width {
		line = string(r[:p.st.Width-len([]rune(p.s.cut))]) + p.s.cut
	}
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, line)
	}
}

func (p *page) message(d *Datagram) {
	when := fmt.Sprintf("%11.6f  ", d.At.Seconds())
	p.say(when + p.arrow(d) + " " + d.label())
	if p.st.Short {
		return
	}
	rails := strings.Repeat(" ", timeWidth) + p.rails()
	for _, line := range d.lines() {
		for i, part := range wrap(line, p.st.Width-len([]rune(rails))-5) {
			mark := "  " + p.s.dot + " "
			if i > 0 {
				mark = "    "
			}
			p.say(rails + mark + part)
		}
	}
}

// lines are what a message says, unless that was shown.
func (d *Datagram) lines() []string {
	switch {
	case d.repeat > 0:
		return nil
	case d.same != "":
		return []string{"the same octets as to " + d.same}
	case d.Header == "":
		return d.Payloads
	}
	return append([]string{d.Header}, d.Payloads...)
}

// label is what a message is, and what became of it.
func (d *Datagram) label() string {
	text := d.Title
	if d.repeat > 0 {
		text += " again"
	}
	switch {
	case d.Unreachable > 0 && d.Arrived == 0:
		text += " (unreachable)"
	case d.Lost > 0 && d.Arrived == 0:
		text += " (lost)"
	case d.To == "":
		text += fmt.Sprintf(" (to %v, %d copies)", d.Dst.Addr(), d.Arrived)
	case d.Arrived > 1:
		text += fmt.Sprintf(" (arrived %d times)", d.Arrived)
	}
	return text
}

func (d *Datagram) arrived() bool { return d.Arrived > 0 || d.Lost+d.Unreachable == 0 }

// rails are the columns where nothing is sent.
func (p *page) rails() string {
	if p.names == nil {
		return ""
	}
	return strings.Repeat(p.s.line+strings.Repeat(" ", p.column-1), len(p.names))
}

func (p *page) arrow(d *Datagram) string {
	head := p.s.right
	if !d.arrived() {
		head = p.s.lost
	}
	to := d.To
	if to == "" {
		to = d.Dst.Addr().String()
	}
	if p.names == nil {
		return fmt.Sprintf("%-5s %s%s %-5s", d.From, p.s.dash+p.s.dash, head, to)
	}
	line := []rune(p.rails())
	a, b := slices.Index(p.names, d.From)*p.column, slices.Index(p.names, to)*p.column
	if a < 0 || b < 0 {
		return string(line)
	}
	for i := min(a, b) + 1; i < max(a, b); i++ {
		line[i] = []rune(p.s.dash)[0]
	}
	switch {
	case b > a:
		line[b-1] = []rune(head)[0]
	case d.arrived():
		line[b+1] = []rune(p.s.left)[0]
	default:
		line[b+1] = []rune(head)[0]
	}
	return string(line)
}

// wrap breaks a line at spaces.
func wrap(line string, width int) (out []string) {
	width = max(width, 10)
	for len(line) > width {
		at := strings.LastIndexByte(line[:width+1], ' ')
		if at <= 0 {
			at = width
		}
		out = append(out, line[:at])
		line = strings.TrimLeft(line[at:], " ")
	}
	return append(out, line)
}

// Mermaid writes messages as a sequence diagram: their payloads are notes.
func (c *Capture) Mermaid(w io.Writer, list []*Datagram, st Style) error {
	var b strings.Builder
	b.WriteString("sequenceDiagram\n")
	for _, n := range c.participants(list) {
		fmt.Fprintf(&b, "  participant %s\n", n)
	}
	plain := strings.NewReplacer(";", ",", "\n", " ", "#", "no. ", "<", "(", ">", ")")
	for _, d := range list {
		to := d.To
		if to == "" {
			to = d.From // a group has no line of its own
		}
		arrow := "->>"
		if !d.arrived() {
			arrow = "--x"
		}
		fmt.Fprintf(&b, "  %s%s%s: %.6f %s\n", d.From, arrow, to, d.At.Seconds(), plain.Replace(d.label()))
		if shown := d.lines(); !st.Short && len(shown) > 0 {
			var lines []string
			for _, l := range shown {
				lines = append(lines, plain.Replace(l))
			}
			over := d.From
			if to != d.From {
				over += "," + to
			}
			fmt.Fprintf(&b, "  Note over %s: %s\n", over, strings.Join(lines, "<br/>"))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
