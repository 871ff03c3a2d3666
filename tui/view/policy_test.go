package view

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
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

// TestPolicyOfOneMember: what a member has of its own is tried before the group's list, at that member only, and so it is shown.
func TestPolicyOfOneMember(t *testing.T) {
	fleet := sourcetest.Fleet()
	for name, own := range map[string][]string{"gm1": {"deny icmp any any", "deny ip any host 10.9.9.9"}, "gm2": {"deny tcp any any eq 443"}, "gm3": {"deny tcp any any eq 443"}} {
		g := &fleet.Node(name).Snap.GM.Groups[0]
		var list []control.Rule
		for _, text := range own {
			list = append(list, control.Rule{Text: text, Owner: "local", Hits: 2})
		}
		g.Policy = append(list, g.Policy...)
	}
	rules := policies(fleet, "blue")[0].Rules
	for i, want := range []struct {
		text, members string
		number        int
		hits          uint64
	}{
		{"deny icmp any any", "gm1", 0, 2}, {"deny ip any host 10.9.9.9", "gm1", 0, 2}, {"deny tcp any any eq 443", "gm2 gm3", 0, 4},
		{"deny udp any eq 848 any eq 848", "", 1, 0}, {"deny tcp any any eq 22", "", 2, 60},
	} {
		if r := rules[i]; r.Text != want.text || strings.Join(r.Members, " ") != want.members || r.Number != want.number || r.Hits != want.hits {
			t.Errorf("rule %d is %+v, want %+v", i, r, want)
		}
	}
	if len(rules) != 6 {
		t.Errorf("%d rules: %+v", len(rules), rules)
	}
	for _, width := range []int{80, 132} {
		f := frame(t, fleet)
		f.Width, f.Height = width, 40
		text := ansi.Strip(strings.Join(drawn(Policy{}, f), "\n"))
		if own, group := strings.Index(text, "only gm2 gm3"), strings.Index(text, "deny udp any eq 848"); own < 0 || own > group || !strings.Contains(text, "rules without a number") {
			t.Errorf("%d columns:\n%s", width, text)
		}
	}
}
