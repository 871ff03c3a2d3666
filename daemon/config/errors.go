package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// ErrInvalid is what every error of this package wraps.
var ErrInvalid = errors.New("configuration is not valid")

// Error is one mistake and its place.
type Error struct {
	File         string
	Line, Column int // from 1
	Text         string
	Source       string // the line itself
}

// Error returns place and text, then the line with a caret under the place.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: %s", e.File, e.Line, e.Column, e.Text)
	if e.Source != "" {
		num := fmt.Sprintf("%5d", e.Line)
		fmt.Fprintf(&b, "\n%s | %s\n%*s | %s^", num, printable(e.Source), len(num), "", indent(e.Source, e.Column-1))
	}
	return b.String()
}

// Unwrap returns ErrInvalid.
func (e *Error) Unwrap() error { return ErrInvalid }

// printable shows what a terminal would obey as a replacement character, one for one.
func printable(line string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, line)
}

// indent is white space as wide as the first n characters of line, tabs included.
func indent(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n == 0 {
			break
		}
		n--
		if r == '\t' {
			b.WriteRune('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String() + strings.Repeat(" ", max(n, 0))
}
