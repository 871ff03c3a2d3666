package app

import (
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/source/sourcetest"
	"github.com/getvpn/getvpn/tui/view"
)

// asking is a fleet whose key server can be asked, in vain: nothing listens.
func asking(t *testing.T) *source.Fleet {
	f := sourcetest.Fleet()
	f.Nodes[0].Socket = t.TempDir() + "/ks1.sock"
	return f
}

// TestPendingIsAskedFor: by who looks at the policy, again after a while and when the policy has changed, and by nobody else.
func TestPendingIsAskedFor(t *testing.T) {
	m := model(t, 100, 30)
	now := sourcetest.Now
	m.now = func() time.Time { return now }
	m.Update(fleetMsg{asking(t)})
	if press(m, "2") != nil {
		t.Error("asked for the members view")
	}
	cmd := press(m, "6")
	if cmd == nil {
		t.Fatal("not asked")
	}
	if press(m, "down") != nil {
		t.Error("asked again while the answer is on its way")
	}
	if !strings.Contains(ansi.Strip(m.View()), "asking the key servers") {
		t.Errorf("nothing is said meanwhile:\n%s", ansi.Strip(m.View()))
	}
	m.Update(cmd())
	if text := ansi.Strip(m.View()); !strings.Contains(text, "are not known: ") || !strings.Contains(text, "ks1.sock") {
		t.Errorf("the failure is not told:\n%s", text)
	}
	if now = now.Add(askAgain / 2); press(m, "down") != nil {
		t.Error("asked too often")
	}
	f := asking(t)
	f.Nodes[0].Snap.KS.Groups[0].PolicyDigest = "30969b261829"
	m.fleet = f
	if cmd = press(m, "down"); cmd == nil {
		t.Fatal("not asked after a change")
	}
	m.Update(cmd())
	if now = now.Add(askAgain); press(m, "down") == nil {
		t.Error("not asked again")
	}
}

// TestPendingNeedsAnOperator: who may only look on is told why nothing is known, and asks nobody.
func TestPendingNeedsAnOperator(t *testing.T) {
	for _, c := range []struct {
		change func(n *source.Node)
		says   string
	}{
		{func(n *source.Node) { n.Operator = false }, "only root"}, {func(n *source.Node) { n.Connected = false }, "no key server answers"}, {func(n *source.Node) { n.Socket = "" }, "recording"},
	} {
		m := model(t, 120, 30)
		f := asking(t)
		c.change(&f.Nodes[0])
		m.Update(fleetMsg{f})
		if press(m, "6") != nil || !strings.Contains(m.View(), c.says) {
			t.Errorf("%s:\n%s", c.says, ansi.Strip(m.View()))
		}
		m.Update(pendingMsg{&view.Pending{Plans: sourcetest.Changed()}}) // late: it was asked before
	}
}
