package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/space"
)

const bare = `
name: gvlt
nodes:
  - {name: p1, kind: core, routes: [10.7.2.0/24 via 172.16.0.2, 172.16.2.0/30 via 172.16.0.2, 10.7.1.0/24 via 172.16.1.1]}
  - {name: p2, kind: core, routes: [10.7.1.0/24 via 172.16.0.1, 172.16.1.0/30 via 172.16.0.1, 10.7.2.0/24 via 172.16.2.1]}
  - {name: g1, kind: gm, routes: [default via 172.16.1.2]}
  - {name: g2, kind: gm, program: sleeper, routes: [default via 172.16.2.2]}
  - {name: h1, kind: host, routes: [default via 10.7.1.1]}
  - {name: h2, kind: host, routes: [default via 10.7.2.1]}
programs:
  sleeper: {binary: sleep, config: "x"}
links:
  - {ends: [p1 core0 172.16.0.1/30, p2 core0 172.16.0.2/30], mtu: 1400}
  - {ends: [g1 wan0 172.16.1.1/30, p1 g1 172.16.1.2/30]}
  - {ends: [g2 wan0 172.16.2.1/30, p2 g2 172.16.2.2/30]}
  - {ends: [h1 eth0 10.7.1.10/24, g1 lan0 10.7.1.1/24]}
  - {ends: [h2 eth0 10.7.2.10/24, g2 lan0 10.7.2.1/24]}
`

// patience is how long a test waits for what must happen, on a machine with other work as well.
const patience = 30 * time.Second

// unique lets two runs of the tests share a machine.
func unique(text string) string {
	return strings.Replace(text, "name: gvlt", fmt.Sprintf("name: gvlt%d", os.Getpid()), 1)
}

func testLab(t *testing.T, text string) *Lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	s, err := scenario.Parse("test.yaml", []byte(unique(text)), scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Down(s.Name); err != nil {
			t.Error(err)
		}
		if names, _ := namespaces(s.Name); len(names) > 0 {
			t.Errorf("left: %v", names)
		}
	})
	l, err := Up(context.Background(), s.Name, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// arrives sends one datagram after the other until one arrives or the time is over.
func arrives(t *testing.T, l *Lab, from, to string, limit time.Duration) bool {
	t.Helper()
	return arrivesAt(t, l, from, to, 0, limit)
}

// arrivesAt is arrives at a port.
func arrivesAt(t *testing.T, l *Lab, from, to string, port uint16, limit time.Duration) bool {
	t.Helper()
	var rx net.PacketConn
	var tx net.Conn
	err := l.Inside(to, func() (err error) {
		rx, err = net.ListenPacket("udp4", netip.AddrPortFrom(l.s.Address(to), port).String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer rx.Close()
	err = l.Inside(from, func() (err error) {
		tx, err = net.Dial("udp4", rx.LocalAddr().String())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	for end := time.Now().Add(limit); time.Now().Before(end); {
		_, _ = tx.Write([]byte("x")) // refused and unreachable count as not arrived
		_ = rx.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, _, err := rx.ReadFrom(make([]byte, 10)); err == nil && n == 1 {
			return true
		}
	}
	return false
}

func TestRoutingPartitionAndDown(t *testing.T) {
	l := testLab(t, strings.Replace(bare, ", program: sleeper", "", 1))
	if !arrives(t, l, "h1", "h2", patience) || !arrives(t, l, "h2", "h1", patience) {
		t.Fatal("h1 and h2 do not reach each other over the plain core")
	}
	part := func(spec string, d time.Duration) {
		t.Helper()
		p, err := l.s.ParsePartition(spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Partition(p, d); err != nil {
			t.Fatal(err)
		}
	}
	for _, spec := range []string{"g1/g2", "p1/p2", "h1/g1", "h2/g1"} {
		part(spec, 0)
		if arrives(t, l, "h1", "h2", 200*time.Millisecond) {
			t.Errorf("partition %s: h1 still reaches h2", spec)
		}
		if err := l.Heal(); err != nil {
			t.Fatal(err)
		}
		if !arrives(t, l, "h1", "h2", patience) {
			t.Errorf("partition %s healed, but h1 does not reach h2", spec)
		}
	}
	// What is cut of control alone is the port of GDOI.
	part("g1/g2 only control", 0)
	if arrivesAt(t, l, "g1", "g2", driver.PortGDOI, 200*time.Millisecond) {
		t.Error("control is cut, but g1 still reaches port 848 of g2")
	}
	if !arrives(t, l, "h1", "h2", patience) || !arrives(t, l, "g1", "g2", patience) {
		t.Error("control is cut, and traffic as well")
	}
	if err := l.Heal(); err != nil {
		t.Fatal(err)
	}
	if !arrivesAt(t, l, "g1", "g2", driver.PortGDOI, patience) {
		t.Error("control is not healed")
	}
	for _, spec := range []string{"g1/g2", "p1/p2"} {
		const away = 3 * time.Second
		before := time.Now()
		part(spec, away)
		if arrives(t, l, "h1", "h2", 200*time.Millisecond) && time.Since(before) < away {
			t.Errorf("partition %s for %v: h1 still reaches h2", spec, away)
		}
		if !arrives(t, l, "h1", "h2", patience) {
			t.Errorf("partition %s did not end by itself", spec)
		}
	}
	st, err := l.Status(context.Background())
	if err != nil || len(st.Nodes) != 6 {
		t.Errorf("status: %+v, %v", st, err)
	}
	if _, err := Up(context.Background(), l.name, l.s, nil); err == nil || !strings.Contains(err.Error(), "already up") {
		t.Errorf("second up: %v", err)
	}
	reopened, err := driver.Set{Name: Driver{}}.Open("")
	if err != nil || reopened.Name() != l.name {
		t.Errorf("Open: %v", err)
	}
	if err := Down(l.name); err != nil {
		t.Error(err)
	}
	if err := Down(l.name); err != nil {
		t.Errorf("second down: %v", err)
	}
}

func TestDownAfterCrashHalfWay(t *testing.T) {
	l := testLab(t, strings.Replace(bare, ", program: sleeper", "", 1))
	// A process that no lab.json knows, a namespace without a mount, and no run directory: what a killed tool leaves.
	p, err := launch(prefix(l.name)+"h1", filepath.Join(t.TempDir(), "log"), nil, "/bin/sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(driver.Dir(l.name)); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(filepath.Join(space.Names(), prefix(l.name)+"p2"), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	if _, err := Up(context.Background(), l.name, l.s, nil); err == nil {
		t.Error("up over a half-done lab succeeded")
	}
	if err := Down(l.name); err != nil {
		t.Error(err)
	}
	if p.Alive() {
		t.Error("the process is still there")
	}
}

func TestDaemonThatEndsAtOnceIsReported(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	s, err := scenario.Parse("test.yaml", []byte(unique(bare)), scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Up(context.Background(), s.Name, s, nil) // sleep --config FILE is a usage error
	if err == nil || !strings.Contains(err.Error(), "ended right after its start") || !strings.Contains(err.Error(), "sleep:") {
		t.Errorf("got %v; want an error that shows the log", err)
	}
	if names, _ := namespaces(s.Name); len(names) > 0 {
		t.Errorf("a failed up left %v", names)
	}
}

func TestPauseAndWipe(t *testing.T) {
	text := strings.Replace(bare, "program: sleeper", "program: sleeper, manual: true", 1)
	l := testLab(t, text)
	p, err := launch(prefix(l.name)+"g2", filepath.Join(t.TempDir(), "log"), nil, "/bin/sleep", "1000")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Adopt("g2", p); err != nil {
		t.Fatal(err)
	}
	letter := func(want byte) {
		t.Helper()
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			state, _, err := driver.Stat(p.PID)
			if err == nil && state == want {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the process is in state %c, not %c: %v", state, want, err)
			}
		}
	}
	if err := l.Pause("g2"); err != nil {
		t.Fatal(err)
	}
	letter('T')
	if st, err := l.Status(context.Background()); err != nil || st.Nodes[3].Detail != driver.WantedPaused || !st.Nodes[3].Running {
		t.Errorf("status of a paused daemon: %+v, %v", st.Nodes[3], err)
	}
	if err := l.Resume("g2"); err != nil {
		t.Fatal(err)
	}
	letter('S')
	dir := filepath.Join(driver.Dir(l.name), "state", "g2")
	for _, name := range []string{"state.db", "keys"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Wipe("g2"); err == nil || !strings.Contains(err.Error(), "is running") {
		t.Errorf("wiping the state of a running daemon: %v", err)
	}
	// A daemon that is paused can still be ended in order.
	if err := l.Pause("g2"); err != nil {
		t.Fatal(err)
	}
	if err := l.Stop("g2"); err != nil {
		t.Fatal(err)
	}
	for i, only := range [][]string{{"state.db"}, nil} {
		if err := l.Wipe("g2", only...); err != nil {
			t.Fatal(err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1-i {
			t.Errorf("after wiping %v: %v are left", only, entries)
		}
	}
}

func TestMissingProgram(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("says that it needs root first")
	}
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	s, err := scenario.Parse("test.yaml", []byte(unique(strings.Replace(bare, "binary: sleep", "binary: no-such-program", 1))), scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Up(context.Background(), s.Name, s, nil); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v", err)
	}
	if _, err := driver.ReadState(s.Name); !errors.Is(err, driver.ErrNotUp) {
		t.Errorf("open: %v", err)
	}
}
