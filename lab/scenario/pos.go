package scenario

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// Pos is a place in a scenario file; the zero value is nowhere. Columns count from 1.
type Pos struct{ Line, Column int }

// String is ":line:column", to follow the name of a file; empty when the place is not known.
func (p Pos) String() string {
	switch {
	case p.Line == 0:
		return ""
	case p.Column == 0:
		return fmt.Sprintf(":%d", p.Line)
	}
	return fmt.Sprintf(":%d:%d", p.Line, p.Column)
}

func posOf(n *yaml.Node) Pos { return Pos{n.Line, n.Column} }

// Place is the place of what the path leads to, by keys of mappings and numbers of lists, or of the nearest thing above it.
func (s *Scenario) Place(path ...any) Pos {
	n := s.root
	if n == nil {
		return Pos{}
	}
	for _, step := range path {
		var next *yaml.Node
		switch step := step.(type) {
		case string:
			next = value(n, step)
		case int:
			if n.Kind == yaml.SequenceNode && step < len(n.Content) {
				next = n.Content[step]
			}
		}
		if next == nil {
			break
		}
		n = next
	}
	return posOf(n)
}
