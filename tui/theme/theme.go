// Package theme is the console's look: every colour and glyph is named here by what it means. State is never told by
// colour alone; each state has a glyph and a word as well.
package theme

import (
	"fmt"
	"os"
	"strings"

	"github.com/charmbracelet/lipgloss"
)

// Theme is a set of styles.
type Theme struct {
	Name string

	Text, Dim, Faint  lipgloss.Style // body, labels, rules and hints
	Old               lipgloss.Style // data of the past
	Title, Brand      lipgloss.Style
	Tab, TabOn        lipgloss.Style
	Head, Cursor      lipgloss.Style // table header, selected row
	OK, Warn, Bad     lipgloss.Style
	Accent            lipgloss.Style
	BarFull, BarEmpty lipgloss.Style
	Key, KeyText      lipgloss.Style // footer: the key, what it does
	Box               lipgloss.Style // dialogs
}

// Paper is the background and the plain text's colour of pictures in this theme.
func (t *Theme) Paper() (back, front string) {
	switch t.Name {
	case "light":
		return "#ffffff", string(palettes["light"].text)
	case "contrast", "mono":
		return "#000000", "#ffffff"
	}
	return "#14181f", string(palettes["dark"].text)
}

type palette struct{ text, dim, faint, accent, ok, warn, bad, cursorBG, cursorFG, tabBG lipgloss.Color }

var palettes = map[string]palette{
	"dark":     {"#d7dae0", "#8b93a1", "#626b79", "#5fb3ff", "#5fd38d", "#f0c05a", "#ff6b6b", "#26374d", "#ffffff", "#1d4f86"},
	"light":    {"#20242b", "#5b6472", "#858e9c", "#0b5cad", "#12783a", "#8a5a00", "#b3261e", "#d5e6fa", "#101419", "#0b5cad"},
	"contrast": {"#ffffff", "#ffffff", "#bfbfbf", "#00ffff", "#00ff00", "#ffff00", "#ff7070", "#ffffff", "#000000", "#0000ff"},
}

// Names lists the themes.
func Names() []string { return []string{"dark", "light", "contrast", "mono"} }

// New returns a theme by name. With NO_COLOR set it is mono whatever the name.
func New(name string) (*Theme, error) {
	if name == "" {
		name = "dark"
	}
	p, ok := palettes[name]
	if ok && os.Getenv("NO_COLOR") != "" || name == "mono" {
		return mono(), nil
	}
	if !ok {
		return nil, fmt.Errorf("theme %q is unknown: use one of %s", name, strings.Join(Names(), ", "))
	}
	// The background is never asked of the terminal (OSC 11): some never answer, and late answers end up in inputs.
	lipgloss.SetHasDarkBackground(name != "light")
	return build(name, p), nil
}

func build(name string, p palette) *Theme {
	fg := func(c lipgloss.Color) lipgloss.Style { return lipgloss.NewStyle().Foreground(c) }
	t := &Theme{
		Name: name,
		Text: fg(p.text), Dim: fg(p.dim), Faint: fg(p.faint), Old: fg(p.faint),
		Title: fg(p.text).Bold(true), Brand: fg(p.accent).Bold(true),
		Tab: fg(p.dim).Padding(0, 1), TabOn: lipgloss.NewStyle().Foreground(lipgloss.Color("#ffffff")).Background(p.tabBG).Bold(true).Padding(0, 1),
		Head: fg(p.dim).Bold(true), Cursor: lipgloss.NewStyle().Foreground(p.cursorFG).Background(p.cursorBG).Bold(true),
		OK: fg(p.ok), Warn: fg(p.warn), Bad: fg(p.bad).Bold(true), Accent: fg(p.accent),
		BarFull: fg(p.accent), BarEmpty: fg(p.faint),
		Key: fg(p.accent).Bold(true), KeyText: fg(p.dim),
		Box: lipgloss.NewStyle().Border(lipgloss.RoundedBorder()).BorderForeground(p.accent).Padding(1, 2),
	}
	return t
}

// mono has no colours: what a terminal without them can do is bold, faint and reverse.
func mono() *Theme {
	plain := lipgloss.NewStyle()
	bold, faint := plain.Bold(true), plain.Faint(true)
	return &Theme{
		Name: "mono",
		Text: plain, Dim: plain, Faint: faint, Old: faint, Title: bold, Brand: bold,
		Tab: plain.Padding(0, 1), TabOn: plain.Reverse(true).Padding(0, 1), Head: bold, Cursor: plain.Reverse(true),
		OK: plain, Warn: bold, Bad: bold, Accent: bold, BarFull: plain, BarEmpty: faint, Key: bold, KeyText: plain,
		Box: plain.Border(lipgloss.RoundedBorder()).Padding(1, 2),
	}
}

// Level is how well something is.
type Level uint8

// Levels.
const (
	Neutral Level = iota
	Good
	Caution
	Broken
)

// Glyph of a level.
func (l Level) Glyph() string {
	switch l {
	case Good:
		return "●"
	case Caution:
		return "▲"
	case Broken:
		return "×"
	default:
		return "○"
	}
}

// Level returns the style of a level.
func (t *Theme) Level(l Level) lipgloss.Style {
	switch l {
	case Good:
		return t.OK
	case Caution:
		return t.Warn
	case Broken:
		return t.Bad
	default:
		return t.Dim
	}
}

// State renders a word with its glyph, "● registered".
func (t *Theme) State(l Level, word string) string { return t.Level(l).Render(l.Glyph() + " " + word) }
