package view

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/theme"
)

// TestPolicyDigests: an operator sees who has another access list than the key server.
func TestPolicyDigests(t *testing.T) {
	th, err := theme.New("")
	if err != nil {
		t.Fatal(err)
	}
	f := &Frame{Theme: th, Fleet: sourcetest.Fleet(), Width: 80, Height: 24}
	for i := range f.Fleet.Nodes {
		switch s := f.Fleet.Nodes[i].Snap; {
		case s == nil:
		case s.KS != nil:
			s.KS.Groups[0].PolicyDigest = "00eb3d734dcc"
		case s.Name == "gm2":
			s.GM.Groups[0].PolicyDigest = "7e03a399baf5"
		case s.Name != "gm3":
			s.GM.Groups[0].PolicyDigest = "00eb3d734dcc"
		}
	}
	text := ansi.Strip(strings.Join(drawn(Policy{}, f), "\n"))
	for _, want := range []string{"00eb3d734dcc from ks1", "gm2 has another one, 7e03a399baf5", "gm3 has none"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "gm1 has") {
		t.Errorf("gm1 has the same:\n%s", text)
	}
	b, err := json.Marshal(Policy{}.Data(f.Fleet, ""))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"digest":"00eb3d734dcc"`, `{"node":"gm2","digest":"7e03a399baf5"}`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is missing in %s", want, b)
		}
	}
}
