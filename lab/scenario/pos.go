package scenario

import (
	"errors"
	"fmt"
	"regexp"

	"go.yaml.in/yaml/v4"
)

// Pos is a place in a scenario file; the zero value is nowhere. Columns count from 1.
type Pos struct {
	Line, Column int
	Below        bool // in the file of the base
}

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

// ofBase is added to the lines of what stems from a base: where merged nodes go, the mark goes with them.
const ofBase = 1 << 24

// sink marks all of a base.
func sink(n *yaml.Node) {
	n.Line += ofBase
	for _, c := range n.Content {
		sink(c)
	}
}

func posAt(line, column int) Pos {
	if line > ofBase {
		return Pos{line - ofBase, column, true}
	}
	return Pos{Line: line, Column: column}
}

func posOf(n *yaml.Node) Pos { return posAt(n.Line, n.Column) }

// PosOf is the place of a node of a scenario file.
func PosOf(n *yaml.Node) Pos { return posOf(n) }

// other names the line in a message about another place of the same scenario.
func (p Pos) other() string {
	if p.Below {
		return fmt.Sprintf("line %d of the base", p.Line)
	}
	return fmt.Sprintf("line %d", p.Line)
}

// in gives the mistakes of a merged scenario that are in its base the name of that file.
func in(base string, err error) error {
	switch e := err.(type) { //nolint:errorlint // each of them is looked at as it is
	case *Error:
		if e.At.Below {
			e.File = base
		}
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			_ = in(base, one)
		}
	}
	return err
}

// fileOf is the file in which a place is.
func (s *Scenario) fileOf(at Pos) string {
	if at.Below {
		return s.base
	}
	return s.File
}

// Where is file:line:column of a place.
func (s *Scenario) Where(at Pos) string { return s.fileOf(at) + at.String() }

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

var yamlLine = regexp.MustCompile(`^(?:.*: )?(?:line |yaml: line )?(\d+)[:.]`)

var unknownField = regexp.MustCompile(`^field (.*) not found in type .*$`)

// plain says what the decoder says without the names of Go types.
func plain(message string) string { return unknownField.ReplaceAllString(message, `unknown key "$1"`) }

// located gives errors of the YAML decoder a file and a line.
func located(file string, err error) error {
	var at *placed
	if errors.As(err, &at) {
		return &Error{file, at.at, at.text}
	}
	var many *yaml.LoadErrors
	if errors.As(err, &many) {
		var out []error
		for _, e := range many.Errors {
			if errors.As(e, &at) {
				out = append(out, &Error{file, at.at, at.text})
				continue
			}
			out = append(out, &Error{file, posAt(e.Mark.Line, e.Mark.Column), plain(e.Message)})
		}
		return errors.Join(out...)
	}
	var one *yaml.LoadError
	if errors.As(err, &one) {
		return &Error{file, posAt(one.Mark.Line, one.Mark.Column), one.Message}
	}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		var line int
		_, _ = fmt.Sscan(m[1], &line)
		return &Error{file, posAt(line, 0), err.Error()}
	}
	return &Error{file, Pos{}, err.Error()}
}
