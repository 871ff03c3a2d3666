package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// serve runs a lab whose time stands still until somebody moves it.
func serve(t *testing.T, name string) (*Server, *Lab) {
	t.Helper()
	base, err := os.MkdirTemp("", "sl") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	t.Setenv("GETVPN_LAB_DIR", base)
	sc, err := topologies.Load(name, scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := driver.Dir("test")
	p := &Plan{Seed: 1, Epoch: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	if err := errors.Join(os.MkdirAll(dir, 0o755), p.Stage(sc, dir), os.WriteFile(filepath.Join(dir, "scenario.yaml"), sc.Text, 0o600)); err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(t.Context(), "test", dir, p)
	if err != nil {
		t.Fatal(err)
	}
	s.pace.set(0, 0)
	if err := s.sync(); err != nil { // so that the first word finds the sockets
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for until := time.Now().Add(10 * time.Second); ; { // the lab's socket is made by Serve
		if _, err := AskTime(t.Context(), "test", TimeRequest{Do: TimeShow}); err == nil {
			break
		} else if time.Now().After(until) {
			t.Fatal(err)
		}
	}
	return s, Driver{}.Open("test", sc).(*Lab)
}

func travel(t *testing.T, to time.Duration) *TimeStatus {
	t.Helper()
	st, err := AskTime(t.Context(), "test", TimeRequest{Do: TimeGoto, To: to})
	if err != nil {
		t.Fatal(err)
	}
	if st.Now != to || st.Speed != 0 || len(st.Broken) > 0 {
		t.Fatalf("%+v", st)
	}
	return st
}

func look(t *testing.T, l *Lab, node string) *control.Snapshot {
	t.Helper()
	s, err := l.Control(node).Snapshot(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", node, err)
	}
	return s
}

// TestLab: a console sees the scenario's nodes at their addresses, its verbs and the lab's act, and time goes where it is told to.
func TestLab(t *testing.T) {
	_, l := serve(t, "coop-failover")
	travel(t, 10*time.Second)
	ks := look(t, l, "ks1")
	if g := ks.KS.Groups[0]; ks.Local != "172.16.101.1:848" || g.Role != control.RolePrimary || len(g.Members) != 8 || g.Health != "OK" || !ks.Time.Equal(time.Date(2026, 1, 1, 12, 0, 10, 0, time.UTC)) {
		t.Errorf("ks1: %s at %v: %+v", ks.Local, ks.Time, g)
	}
	gm := look(t, l, "gm3")
	if g := gm.GM.Groups[0]; g.State != control.StateRegistered || g.RegisteredWith != "172.16.103.1:848" || gm.GM.DataPath.OutPackets == 0 || g.TEKs[0].InPackets == 0 {
		t.Errorf("gm3: %+v %+v", g, gm.GM.DataPath)
	}
	// What a console orders while time stands still is done, and answered when time goes on.
	c := client.New(socket(driver.Dir("test"), "ks2"))
	if text, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err == nil || !strings.Contains(err.Error(), "172.16.101.1") {
		t.Errorf("a secondary rekeys: %q %v", text.Text, err)
	}
	if _, err := l.Control("ks1").Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err != nil {
		t.Error(err)
	}
	at29 := travel(t, 29999*time.Millisecond)
	travel(t, 30*time.Second)
	if n := len(look(t, l, "ks1").KS.Groups[0].TEKs); n != 2 {
		t.Errorf("%d TEKs after the rekey", n)
	}
	if err := l.Kill("ks1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Kill("ks1"); err == nil || !strings.Contains(err.Error(), "not running") {
		t.Errorf("killed twice: %v", err)
	}
	if _, err := l.Control("ks1").Snapshot(t.Context()); err == nil {
		t.Error("a daemon that was killed answers")
	}
	if err := l.Partition(scenario.Partition{A: []string{"p1"}, B: []string{"p2"}}, 5*time.Second); err != nil {
		t.Fatal(err)
	}
	st, err := l.State()
	if err != nil || len(st.Faults) != 1 || st.Faults[0].Spec != "p1/p2" || st.Driver != Name {
		t.Errorf("%+v %v", st, err)
	}
	cut := time.Date(2026, 1, 1, 12, 0, 30, 0, time.UTC) // the calendar of the run
	if f := st.Faults[0]; !f.Since.Equal(cut) || f.Until == nil || !f.Until.Equal(cut.Add(5*time.Second)) {
		t.Errorf("the fault is since %v, until %v", f.Since, f.Until)
	}
	if n := st.Nodes[0]; n.Name != "ks1" || n.Wanted != driver.WantedKilled || !n.Since.Equal(cut) || !st.Nodes[1].Since.IsZero() {
		t.Errorf("it was killed: %+v", n)
	}
	if is, err := l.Status(t.Context()); err != nil || len(is.Faults) != 1 || !is.Now.Equal(cut) { // in our time it would be over
		t.Errorf("%+v %v", is, err)
	}
	travel(t, 34*time.Second)
	if g := look(t, l, "ks3").KS.Groups[0]; g.Role != control.RolePrimary {
		t.Errorf("ks3 is %s after ks1 was killed", g.Role)
	}
	travel(t, 40*time.Second)
	status, err := l.Status(t.Context())
	if err != nil || len(status.Faults) != 0 || status.Nodes[0].Detail != driver.WantedKilled || status.Nodes[0].Running {
		t.Errorf("%+v %v", status, err)
	}
	// Back: exactly as it was; the orders are still there.
	if back := travel(t, 29*time.Second); back.Ahead != 2 {
		t.Errorf("%d orders ahead", back.Ahead)
	}
	if again := travel(t, 29999*time.Millisecond); again.Hash != at29.Hash || again.Events != at29.Events {
		t.Errorf("played again, the run is another one: %+v, %+v", again, at29)
	}
	travel(t, 29*time.Second)
	if look(t, l, "ks1").KS.Groups[0].Role != control.RolePrimary {
		t.Error("ks1 is not back")
	}
	events, err := l.Control("ks1").Events(t.Context(), 0)
	if err != nil || len(events) == 0 || events[len(events)-1].Name != EventBack {
		t.Errorf("the journal of ks1 does not say that time was turned back: %v", err)
	}
	if st, err := l.State(); err != nil || st.Turned != 2 {
		t.Errorf("lab.json says that time was turned back %d times (%v)", st.Turned, err)
	}
	if err := l.Pause("gm1"); err != nil { // something else happens now
		t.Fatal(err)
	}
	if again := travel(t, 30*time.Second); again.Ahead != 0 {
		t.Errorf("%d orders ahead", again.Ahead)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Control("gm1").Snapshot(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a daemon that was stopped answers: %v", err)
	}
	if err := l.Resume("gm1"); err != nil {
		t.Fatal(err)
	}
	if look(t, l, "gm1").GM == nil {
		t.Error("it does not go on")
	}
	// The plan that is written is the one that was played.
	p, err := readPlan(driver.Dir("test"))
	if err != nil || len(p.Orders) != 4 || p.Orders[2].Verb != VerbPause || p.Orders[0].Verb != "rekey" {
		b, _ := json.Marshal(p)
		t.Errorf("%s %v", b, err)
	}
	step, err := AskTime(t.Context(), "test", TimeRequest{Do: TimeStep})
	if err != nil || step.Said == "" || step.Now <= 30*time.Second {
		t.Errorf("%+v %v", step, err)
	}
	for _, q := range []TimeRequest{{Do: "stop"}, {Do: TimeBack}, {Do: TimeRun, Speed: 2000}, {Do: TimeFork, Name: "No"}, {Do: TimeGoto, To: -1}} {
		if _, err := AskTime(t.Context(), "test", q); err == nil {
			t.Errorf("%+v is taken", q)
		}
	}
}

// TestWanted: of several orders the last says how a daemon ended.
func TestWanted(t *testing.T) {
	_, l := serve(t, "coop-failover")
	travel(t, 10*time.Second)
	if err := errors.Join(l.Kill("gm2"), l.Start(t.Context(), "gm2"), l.Stop("gm2")); err != nil {
		t.Fatal(err)
	}
	travel(t, 20*time.Second) // it takes leave of its key server
	st, err := l.State()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range st.Nodes {
		if n.Name == "gm2" && n.Wanted != driver.WantedStopped {
			t.Errorf("gm2 was killed, started and stopped, and is wanted %q", n.Wanted)
		}
	}
	if _, err := os.Stat(socket(driver.Dir("test"), "gm2")); err == nil {
		t.Error("the socket of a daemon that was stopped in order is there")
	}
}

// TestDryRun: what an order would do is said, or that it would be refused, and nothing is done.
func TestDryRun(t *testing.T) {
	_, l := serve(t, "coop-failover")
	at := func(node string) *client.Client { return client.New(socket(driver.Dir("test"), node)).DryRun() }
	before := travel(t, 10*time.Second)
	all := []struct {
		node, want string
		do         func(c *client.Client) (control.Reply, error)
	}{
		{"ks1", "TEK", func(c *client.Client) (control.Reply, error) {
			return c.Rekey(t.Context(), control.RekeyRequest{Group: "blue"})
		}},
		{"ks2", "172.16.101.1", func(c *client.Client) (control.Reply, error) {
			return c.Rekey(t.Context(), control.RekeyRequest{Group: "blue"})
		}},
		{"ks1", "primary", func(c *client.Client) (control.Reply, error) {
			return c.Handover(t.Context(), control.HandoverRequest{Group: "blue"})
		}},
		{"gm1", "regist", func(c *client.Client) (control.Reply, error) {
			return c.Reregister(t.Context(), control.ReregisterRequest{Group: "blue"})
		}},
		{"gm1", "sessions would end", func(c *client.Client) (control.Reply, error) { return c.Stop(t.Context()) }},
	}
	for _, x := range all {
		r, err := x.do(at(x.node))
		if text := fmt.Sprint(r.Text, err); !strings.Contains(text, x.want) || err == nil && !r.DryRun || strings.Contains(text, "cannot say") {
			t.Errorf("%s: %+v %v", x.node, r, err)
		}
	}
	if now, err := AskTime(t.Context(), "test", TimeRequest{Do: TimeShow}); err != nil || now.Hash != before.Hash || now.Orders != 0 {
		t.Errorf("%+v, before %+v, %v", now, before, err)
	}
	if len(look(t, l, "ks1").KS.Groups[0].TEKs) != 1 {
		t.Error("it was done")
	}
	later := travel(t, 40*time.Second)
	travel(t, time.Second)
	if again := travel(t, 40*time.Second); again.Hash != later.Hash {
		t.Error("played again, without dry runs, the run is another one")
	}
}

// TestFar: while time is on a long way consoles are answered, nothing else is done, and the way ends with who wanted it to.
func TestFar(t *testing.T) {
	_, l := serve(t, "basic")
	for _, q := range []TimeRequest{{Do: TimeGoto, To: 100_000 * time.Hour}, {Do: TimeStep, By: 1000 * time.Hour}, {Do: TimeStep, By: 1<<63 - 1}} {
		if _, err := AskTime(t.Context(), "test", q); err == nil || !strings.Contains(err.Error(), "at most at once") {
			t.Errorf("%+v: %v", q, err)
		}
	}
	set := func(ctx context.Context, q TimeRequest) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := AskTime(ctx, "test", q)
			done <- err
		}()
		for { // until it is on its way
			st, err := AskTime(t.Context(), "test", TimeRequest{Do: TimeShow})
			if err != nil {
				t.Fatal(err)
			}
			if st.To != 0 || len(done) > 0 {
				return done
			}
		}
	}
	still := func() time.Duration {
		t.Helper()
		a, err := AskTime(t.Context(), "test", TimeRequest{Do: TimeShow})
		if err != nil || a.To != 0 || a.Now >= maxTrip || a.Now == 0 {
			t.Errorf("%+v, %v", a, err)
		}
		return a.Now
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := set(ctx, TimeRequest{Do: TimeGoto, To: maxTrip})
	if warn := look(t, l, "ks1").Warn; !strings.Contains(warn[0], "on its way to 168h") {
		t.Errorf("a console sees %q", warn)
	}
	if err := l.Kill("ks1"); err == nil || !strings.Contains(err.Error(), "time pause stops it") {
		t.Errorf("an order meanwhile: %v", err)
	}
	if _, err := AskTime(t.Context(), "test", TimeRequest{Do: TimeRun}); err == nil {
		t.Error("two ways at once")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for until := time.Now().Add(10 * time.Second); ; { // the process hears of it a moment later
		if st, err := AskTime(t.Context(), "test", TimeRequest{Do: TimeShow}); err == nil && st.To == 0 {
			break
		} else if time.Now().After(until) {
			t.Fatal("time goes on for nobody", err)
		}
	}
	if a, b := still(), still(); a != b {
		t.Errorf("%v, then %v", a, b)
	}
	done = set(t.Context(), TimeRequest{Do: TimeStep, By: maxTrip / 2})
	if _, err := AskTime(t.Context(), "test", TimeRequest{Do: TimePause}); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil || !strings.Contains(err.Error(), "stopped") {
		t.Errorf("%v", err)
	}
	still()
	set(t.Context(), TimeRequest{Do: TimeStep, By: maxTrip / 2}) // and the process ends meanwhile
}

// TestBroken: a run that broke off answers, also for what cannot be seen of it any more, and time can be turned back.
func TestBroken(t *testing.T) {
	s, l := serve(t, "basic")
	travel(t, 5*time.Second)
	if err := s.call(t.Context(), func() { panic("no sight") }); err == nil || !strings.Contains(err.Error(), "no sight") {
		t.Errorf("%v", err)
	}
	if st := travel(t, 6*time.Second); st.Failed != "" {
		t.Errorf("%+v", st)
	}
	if err := s.call(t.Context(), func() { _, _ = s.step(func() (bool, error) { panic("half a step") }) }); err != nil {
		t.Error(err)
	}
	if err := s.call(t.Context(), func() { panic("no sight") }); err == nil || !strings.Contains(err.Error(), "half a step") {
		t.Errorf("%v", err)
	}
	if err := l.Kill("gm1"); err == nil || !strings.Contains(err.Error(), "half a step") {
		t.Errorf("it takes orders: %v", err)
	}
	if x := look(t, l, "gm1"); !strings.Contains(x.Warn[0], "half a step") {
		t.Errorf("%q", x.Warn)
	}
	if st := travel(t, 6*time.Second); st.Failed != "" {
		t.Errorf("%+v", st)
	}
	if err := l.Kill("gm1"); err != nil {
		t.Error(err)
	}
}

// TestPace: a run is where the wall clock wants it, at any speed.
func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	p := newPace(func() time.Time { return now })
	now = now.Add(2 * time.Second)
	if p.target() != 2*time.Second || p.until(5*time.Second) != 3*time.Second {
		t.Errorf("%v %v", p.target(), p.until(5*time.Second))
	}
	p.set(100, p.target())
	now = now.Add(time.Second)
	if p.target() != 102*time.Second || p.until(202*time.Second) != time.Second {
		t.Errorf("%v %v", p.target(), p.until(202*time.Second))
	}
}
