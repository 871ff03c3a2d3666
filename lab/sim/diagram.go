package sim

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Diagram writes the end of a trace as a Mermaid sequence diagram: most arrows of one kind in a row between the same two
// nodes are one, and what nodes say in their journals, faults and violations are notes.
func Diagram(w io.Writer, entries []Entry, last int) error {
	steps := condense(entries)
	if len(steps) > last {
		steps = steps[len(steps)-last:]
	}
	if _, err := fmt.Fprintln(w, "sequenceDiagram"); err != nil {
		return err
	}
	for _, name := range participants(steps) {
		if _, err := fmt.Fprintf(w, "  participant %s\n", name); err != nil {
			return err
		}
	}
	for _, s := range steps {
		if _, err := fmt.Fprintln(w, "  "+s.mermaid()); err != nil {
			return err
		}
	}
	return nil
}

// step is what a diagram shows on a line: an entry, and how many like it came after it.
type step struct {
	Entry
	name  string // of the datagram, without its message id
	more  int
	until time.Duration
}

// condense drops what a diagram has no room for and joins what comes again and again.
func condense(entries []Entry) (out []step) {
	for _, e := range entries {
		s := step{Entry: e, until: e.At}
		if e.From != "" {
			s.name = strings.Fields(e.Text)[0]
		}
		if e.Kind == "persist" {
			continue
		}
		joined := false
		for i := len(out) - 1; i >= 0 && i >= len(out)-8 && e.From != ""; i-- {
			o := &out[i]
			if o.From == "" {
				break
			}
			if o.Kind == e.Kind && o.From == e.From && o.Node == e.Node && o.name == s.name {
				o.more, o.until, joined = o.more+1, e.At, true
				break
			}
		}
		if !joined {
			out = append(out, s)
		}
	}
	return out
}

func participants(steps []step) (names []string) {
	seen := map[string]bool{}
	for _, s := range steps {
		for _, n := range []string{s.From, s.Node} {
			if n != "" && !seen[n] {
				seen[n] = true
				names = append(names, n)
			}
		}
	}
	// Key servers on the left.
	var left, right []string
	for _, n := range names {
		if strings.HasPrefix(n, "ks") {
			left = append(left, n)
		} else {
			right = append(right, n)
		}
	}
	return append(left, right...)
}

func (s step) mermaid() string {
	when := fmt.Sprintf("%.3f", s.At.Seconds())
	if s.From != "" {
		arrow := "->>"
		if s.Kind != "receive" {
			arrow = "--x"
		}
		text := s.name
		if s.more > 0 {
			text = fmt.Sprintf("%s, %d times until %.3f", s.name, s.more+1, s.until.Seconds())
		}
		return fmt.Sprintf("%s%s%s: %s %s", s.From, arrow, s.Node, when, text)
	}
	text := strings.NewReplacer(";", ",", "\n", " ", "#", "no. ").Replace(s.Text)
	if len(text) > 160 {
		text = text[:160] + "…"
	}
	if s.Node == "" {
		return fmt.Sprintf("Note over ks1: %s %s %s", when, s.Kind, text)
	}
	return fmt.Sprintf("Note over %s: %s %s %s", s.Node, when, s.Kind, text)
}

// Columns writes the end of a trace as a diagram for terminals: a column for each node.
func Columns(w io.Writer, entries []Entry, last int) error {
	steps := condense(entries)
	if len(steps) > last {
		steps = steps[len(steps)-last:]
	}
	names := participants(steps)
	const width = 7
	column := map[string]int{}
	head := strings.Repeat(" ", 12)
	for i, n := range names {
		column[n] = i
		head += fmt.Sprintf("%-*s", width, n)
	}
	if _, err := fmt.Fprintln(w, head); err != nil {
		return err
	}
	for _, s := range steps {
		line := []rune(strings.Repeat("|"+strings.Repeat(" ", width-1), len(names)))
		text := s.Kind + " " + s.Text
		switch {
		case s.From != "":
			a, b := column[s.From]*width, column[s.Node]*width
			for i := min(a, b) + 1; i < max(a, b); i++ {
				line[i] = '-'
			}
			head := '>'
			if s.Kind != "receive" {
				head = 'x'
			} else if b < a {
				head = '<'
			}
			if b > a {
				line[b-1] = head
			} else if b < a {
				line[b+1] = head
			}
			text = s.name
			if s.more > 0 {
				text += fmt.Sprintf(" ×%d until %.3f", s.more+1, s.until.Seconds())
			}
			if s.Kind != "receive" {
				text += " " + s.Kind
			}
		case s.Node != "":
			line[column[s.Node]*width] = '*'
		}
		if _, err := fmt.Fprintf(w, "%11.3f %s %s\n", s.At.Seconds(), string(line), text); err != nil {
			return err
		}
	}
	return nil
}
