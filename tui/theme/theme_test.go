package theme

import (
	"math"
	"strconv"
	"testing"
)

// luminance of #rrggbb, as WCAG 2 defines it.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(colour[1:], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	part := func(v uint64) float64 {
		c := float64(v&255) / 255
		if c <= 0.03928 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(n>>16) + 0.7152*part(n>>8) + 0.0722*part(n)
}

func contrast(t *testing.T, a, b string) float64 {
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// TestContrast: text can be read on its background: 4.5 to 1, 7 to 1 in the theme that is made for it, 3 to 1 for rules and hints and
// what is of the past.
func TestContrast(t *testing.T) {
	for name, p := range palettes {
		back, _ := build(name, p).Paper()
		least := 4.5
		if name == "contrast" {
			least = 7
		}
		for what, pair := range map[string][2]string{
			"text": {string(p.text), back}, "labels": {string(p.dim), back}, "accent": {string(p.accent), back}, "ok": {string(p.ok), back}, "warn": {string(p.warn), back},
			"bad": {string(p.bad), back}, "cursor": {string(p.cursorFG), string(p.cursorBG)}, "tab": {"#ffffff", string(p.tabBG)},
		} {
			if c := contrast(t, pair[0], pair[1]); c < least {
				t.Errorf("%s: %s has a contrast of %.1f, want %.1f", name, what, c, least)
			}
		}
		if c := contrast(t, string(p.faint), back); c < 3 {
			t.Errorf("%s: rules and what is old have a contrast of %.1f, want 3", name, c)
		}
	}
}

// TestNoColour: NO_COLOR wins over every name, and a wrong name is still wrong.
func TestNoColour(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	for _, name := range append(Names(), "") {
		if th, err := New(name); err != nil || th.Name != "mono" {
			t.Errorf("%q is %v, %v", name, th, err)
		}
	}
	if _, err := New("pink"); err == nil {
		t.Error("pink is no theme")
	}
}
