package view

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
)

func TestRekeyStatus(t *testing.T) {
	th, err := theme.New("")
	if err != nil {
		t.Fatal(err)
	}
	f := &Frame{Theme: th, Fleet: sourcetest.Fleet(), Width: 80, Height: 24}
	text := ansi.Strip(strings.Join(drawn(Rekey{}, f), "\n"))
	for _, want := range []string{"ROLLOVER of group blue", "GM REKEY STATUS", "gm4", "MISSED", "ACKED", "18.4 ms", "LOST if the old TEK ended now: gm3", "waited for 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in 80 columns:\n%s", want, text)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if n := ansi.StringWidth(line); n > 80 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	red := *f
	red.Group = "red"
	if got := ansi.Strip(strings.Join(drawn(Rekey{}, &red), "\n")); !strings.Contains(got, "no key server here sends rekeys of a group red") {
		t.Errorf("an unknown group prints %q", got)
	}
	b, err := json.Marshal(Rekey{}.Data(f.Fleet, "blue"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"acked":11`, `"missed":1`, `"rtt_ms":18.4`, `"seq":12`, `"address":"172.16.4.2"`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is missing in %s", want, b)
		}
	}
}
