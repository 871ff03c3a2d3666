package view

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
)

// pulse is the pulse of a fleet, without colours.
func pulse(f *Frame) string { return ansi.Strip(strings.Join(drawn(Pulse{}, f), "\n")) }

// TestRemovedIsNotCounted: who was removed is no member, even while it sends on with the key that it has; it is said what it does.
func TestRemovedIsNotCounted(t *testing.T) {
	f := sourcetest.Fleet()
	ks := &f.Node("ks1").Snap.KS.Groups[0]
	ks.Removed = []control.Removed{{Address: "172.16.1.2", Identity: "gm1"}}
	if text := pulse(onto(t, f, 160, 50)); !strings.Contains(text, "3/4 registered") || strings.Contains(text, "REMOVED") {
		t.Errorf("somebody else has registered from its address since:\n%s", text)
	}
	ks.Members = ks.Members[1:]
	gm2 := f.Node("gm2")
	gm2.Snap.GM.DataPath.Drops = []control.Counter{{Name: unknownSPI, Count: 100}}
	gm2.Drops = []float64{0, 25}
	text := pulse(onto(t, f, 160, 50))
	for _, want := range []string{"2/3 registered", "REMOVED but still there: gm1 (sends with TEK 5ca1ab1e); the others drop 25/s (unknown-spi)", "▲ removed"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	gm2.Drops = []float64{25, 0}
	f.Node("gm1").Snap.GM.Groups[0].TEKs = nil
	if text := pulse(onto(t, f, 160, 50)); strings.Contains(text, "REMOVED but") {
		t.Errorf("who has no key any more sends nothing:\n%s", text)
	}
}

// TestNoPrimaryIsNotOK: what a key server said before the primary died is not how the group is.
func TestNoPrimaryIsNotOK(t *testing.T) {
	f := sourcetest.Coop()
	f.Node("ks1").Connected = false
	for i := range f.Nodes {
		if ks := f.Nodes[i].Snap.KS; ks != nil {
			ks.Groups[0].Health, ks.Groups[0].HealthReason = "OK", ""
		}
	}
	if text := pulse(onto(t, f, 160, 50)); strings.Contains(text, "● OK") || !strings.Contains(text, "─ × NO PRIMARY  ") {
		t.Errorf("a group whose primary is dead:\n%s", text)
	}
	f = sourcetest.Fleet()
	f.Node("ks1").Seen = sourcetest.Now.Add(-8 * time.Second)
	if text := pulse(onto(t, f, 160, 50)); strings.Contains(text, "● OK") || !strings.Contains(text, "× ks1 hangs 00:08") {
		t.Errorf("a group whose only key server hangs:\n%s", text)
	}
}

// TestOnItsWay: members are counted, not datagrams.
func TestOnItsWay(t *testing.T) {
	f := sourcetest.Fleet()
	g := &f.Nodes[0].Snap.KS.Groups[0]
	g.Transmitting = 12
	if text := pulse(onto(t, f, 160, 50)); !strings.Contains(text, "rekey on its way to 2") { // gm3 and gm4 have not answered
		t.Errorf("of four members two are waited for:\n%s", text)
	}
	for i := range g.Members {
		g.Members[i].Rekey.Acks = false
	}
	if text := pulse(onto(t, f, 160, 50)); !strings.Contains(text, "rekey on its way to 4") {
		t.Errorf("there are four members:\n%s", text)
	}
}
