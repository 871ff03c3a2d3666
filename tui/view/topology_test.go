package view

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// TestTopologyOfALab: who hangs where, what is cut, and what has healed by itself.
func TestTopologyOfALab(t *testing.T) {
	f := frame(t, sourcetest.Cut())
	f.Height = 60
	text := ansi.Strip(strings.Join(drawn(Topology{}, f), "\n"))
	for _, want := range []string{"[p1] ═", "├─ ks1 ● up ✂1a,2a", "└─ gm2 ● registered ✂2b ── h2", "└─ gm4 × down ✂1b ── h4", "CUT 1, for 00:12 more: a) ks1 gm1  b) gm3 gm4", "CUT 2 (control only), until it is healed"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "x1") {
		t.Error("who was never started is drawn")
	}
	f.Fleet.Time = sourcetest.Now.Add(13e9)
	if text := ansi.Strip(strings.Join(drawn(Topology{}, f), "\n")); strings.Contains(text, "a) ks1 gm1") || !strings.Contains(text, "CUT 1 (control only)") {
		t.Errorf("a cut that has ended is drawn:\n%s", text)
	}
}

// TestAllOthers: a side that is everybody else is not spelt out.
func TestAllOthers(t *testing.T) {
	fleet := sourcetest.Lab()
	fleet.State.Nodes = append(fleet.State.Nodes, source.LabNode{Name: "gm5", Kind: "gm"}, source.LabNode{Name: "gm6", Kind: "gm"})
	fleet.State.Faults = []source.LabFault{{Kind: "partition", Spec: "ks1/gm1,gm2,gm3,gm4,gm5,gm6"}}
	f := frame(t, fleet)
	f.Height = 60
	if text := ansi.Strip(strings.Join(drawn(Topology{}, f), "\n")); !strings.Contains(text, "a) ks1  b) all others") || strings.Contains(text, "✂1b") {
		t.Errorf("%s", text)
	}
}

// TestTopologyOfGroups: key servers that do not hear each other, and members below the one where they registered.
func TestTopologyOfGroups(t *testing.T) {
	f := frame(t, sourcetest.Split())
	f.Height = 60
	text := ansi.Strip(strings.Join(drawn(Topology{}, f), "\n"))
	for _, want := range []string{"ks1 ● primary ═", "╌×╌", "ks1 ╌×╌ ks3", "├─ gm1 ● registered"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
