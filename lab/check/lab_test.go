package check

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/netns"
	"github.com/getvpn/getvpn/lab/scenario"
)

// bareLab is the small network without any daemon: plain routing, so everything leaks.
func bareLab(t *testing.T, steps string) *Env {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	text := strings.ReplaceAll(strings.ReplaceAll(small, ", program: d", ""), "name: small", fmt.Sprintf("name: gvlc%d", os.Getpid()))
	s := parse(t, text+steps)
	t.Cleanup(func() {
		if err := netns.Down(s.Name); err != nil {
			t.Error(err)
		}
	})
	var c *Capture
	l, err := netns.Up(context.Background(), s.Name, s, func(l driver.Lab) (err error) { c, err = StartCapture(l); return err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &Env{Lab: l, Scenario: s, Capture: c, Log: t.Logf}
}

// Without members the checks must say so: hosts reach each other, and the core sees everything.
func TestChecksFailWithoutEncryption(t *testing.T) {
	env := bareLab(t, `steps:
  - {check: reach, pairs: all, within: 30s}
  - {check: denied-clear, pair: h1-h2}
  - {check: own-traffic, member: gm1, to: h2, within: 2s}
  - {check: core-only-esp}
  - {do: partition gm1/gm2}
  - {check: reach, name: cut, pairs: all, within: 1s}
  - {do: heal}
  - {check: reach, name: healed, pairs: all, within: 30s}
`)
	got := map[string]scenario.Result{}
	Run(context.Background(), env, func(r scenario.Result) { got[r.Name] = r; t.Log(r) })
	for name, want := range map[string]bool{"reach": true, "denied-clear": true, "own-traffic": false, "core-only-esp": false,
		"cut": false, "healed": true} {
		if r, ok := got[name]; !ok || r.OK != want {
			t.Errorf("%s: %+v, want ok=%v", name, r, want)
		}
	}
	if m := got["core-only-esp"].Message; !strings.Contains(m, "CLEAR OF PROTECTED RANGE") || !strings.Contains(m, "10.1.1.10") {
		t.Errorf("the first offence is not shown: %q", m)
	}
	if env.Capture.Lost() != 0 {
		t.Errorf("the capture missed %d packets", env.Capture.Lost())
	}
}

// The generator counts exactly what a cut of the network takes away, and when.
func TestTrafficCountsLoss(t *testing.T) {
	env := bareLab(t, "")
	traffic, err := StartTraffic(context.Background(), env, bothWays(env, []Pair{{"h1", "h2"}}), 100)
	if err != nil {
		t.Fatal(err)
	}
	// The network has to find its neighbours first.
	for end := time.Now().Add(30 * time.Second); traffic.Flows[0].FirstReceived(0)*traffic.Flows[1].FirstReceived(0) == 0 && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	begun := traffic.Since()
	time.Sleep(500 * time.Millisecond)
	p, err := env.Scenario.ParsePartition("gm1/gm2")
	if err != nil {
		t.Fatal(err)
	}
	from := traffic.Since()
	if err := env.Lab.Partition(p, 0); err != nil {
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond)
	if err := env.Lab.Heal(); err != nil {
		t.Fatal(err)
	}
	to := traffic.Since()
	time.Sleep(500 * time.Millisecond)
	traffic.Stop()
	for _, f := range traffic.Flows {
		before, during, after := f.Between(begun, from), f.Between(from, to), f.Between(to, forever)
		t.Logf("%s: %+v %+v %+v", f, before, during, after)
		if before.Lost != 0 || after.Lost != 0 || before.Sent < 40 || after.Sent < 40 {
			t.Errorf("%s: lost %d of %d before and %d of %d after the cut", f, before.Lost, before.Sent, after.Lost, after.Sent)
		}
		if during.Lost < 30 || during.First < from || during.Last > to {
			t.Errorf("%s: lost %d of %d during the cut", f, during.Lost, during.Sent)
		}
	}
	if total := env.Capture.Totals(); total[ClearProtected] == 0 || total.Offences() != total[ClearProtected] {
		t.Errorf("the core saw %s", total)
	}
}
