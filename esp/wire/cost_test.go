package wire

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestNoAllocations: a batch costs none, in any mode, in either direction.
func TestNoAllocations(t *testing.T) {
	eachMode(t, func(t *testing.T, w *wan, l *Link) {
		c := l.Conns[0]
		p := v4("10.1.0.5", "10.77.1.2", 1, 200)
		w.send(c, p, 1)
		if l.Mode != Raw {
			eventually(t, "the fast way", func() bool { return viaFast(c, p) })
		}
		batch := make([][]byte, 32)
		// The watcher of the kernel allocates when it has something to do: the best of a few runs is ours.
		best := func(f func()) (least float64) {
			least = 1e9
			for range 10 {
				least = min(least, testing.AllocsPerRun(20, f))
			}
			return least
		}
		if n := best(func() {
			for i, f := range c.Frames(len(batch)) {
				batch[i] = f[96 : 96+copy(f[96:], p)]
			}
			if n, err := c.WriteBatch(batch); n != len(batch) || err != nil {
				t.Fatal(n, err)
			}
		}); n != 0 {
			t.Errorf("sending: %v", n)
		}
		q := v4("10.77.1.2", "10.1.0.5", 1, 200)
		pkts := make([][]byte, 32)
		self := w.self()
		frame := append(append([]byte{}, self...), 2, 0, 0, 0, 0, 9, 8, 0)
		frame = append(frame, q...)
		if n := best(func() {
			if _, err := syscall.Write(w.far, frame); err != nil {
				t.Fatal(err)
			}
			if n, err := c.ReadBatch(pkts); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}); n != 0 {
			t.Errorf("receiving: %v", n)
		}
	})
}

// TestRingsTurn: far more packets than the rings have entries, both ways; all are sent and accounted for.
func TestRingsTurn(t *testing.T) {
	eachMode(t, func(t *testing.T, w *wan, l *Link) {
		c := l.Conns[0]
		p := v4("10.1.0.5", "10.77.1.2", 1, 200)
		w.send(c, p, 1)
		if l.Mode != Raw {
			eventually(t, "the fast way", func() bool { return viaFast(c, p) })
		}
		const rounds, per = 200, 64
		before := c.Stats()
		batch := make([][]byte, per)
		for range rounds {
			frames := c.Frames(per)
			for i := range batch {
				if batch[i] = p; i < len(frames) && i%2 == 0 {
					batch[i] = frames[i][96 : 96+copy(frames[i][96:], p)]
				}
			}
			if _, err := c.WriteBatch(batch); err != nil {
				t.Fatal(err)
			}
		}
		s := c.Stats()
		unsent := s.TooBig + s.NoBuffers + s.Unreachable + s.Refused + s.SendErrors
		if s.Sent-before.Sent+unsent != rounds*per {
			t.Errorf("%d sent, %+v", s.Sent-before.Sent, s)
		}
		in := background(c)
		for i := range 5000 {
			w.inject(w.near.Attrs().HardwareAddr, v4("10.77.1.2", "10.1.0.5", byte(i), 200))
			if got := next(t, in); got[20] != byte(i) {
				t.Fatalf("%d: %x", i, got[20])
			}
		}
	})
}

// TestKilled: after SIGKILL neither program nor table is left.
func TestKilled(t *testing.T) {
	if os.Getenv("GETVPN_WIRE_HOLD") != "" {
		l, err := Open(Config{Device: "wan0", Mode: Mode(os.Getenv("GETVPN_WIRE_HOLD"))})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("holding", l.Name)
		time.Sleep(time.Hour)
	}
	if !inNamespace(t) {
		return
	}
	newWAN(t)
	left := func() string {
		return run(t, "ip", "-d", "link", "show", "wan0") + run(t, "nft", "list", "tables")
	}
	for _, row := range []struct {
		mode Mode
		sign string
	}{{XDP, "prog/xdp"}, {Packet, "netdev getvpn_wire"}} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "GETVPN_WIRE_HOLD="+string(row.mode))
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "it is there: "+row.sign, func() bool { return strings.Contains(left(), row.sign) })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		eventually(t, "nothing is left", func() bool { return !strings.Contains(left(), row.sign) })
	}
}

// TestLadder: in a user namespace there is no XDP, and a stranger's program is left alone; each refusal says why.
func TestLadder(t *testing.T) {
	if os.Getenv("GETVPN_WIRE_USERNS") != "" {
		run(t, "ip", "link", "add", "wan0", "type", "veth", "peer", "name", "far0")
		run(t, "ip", "link", "set", "wan0", "up")
		l, err := Open(Config{Device: "wan0"})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if l.Mode != Packet || len(l.Refused) != 1 || !strings.Contains(l.Refused[0], "user namespace") {
			t.Errorf("%s %q", l.Mode, l.Refused)
		}
		return
	}
	if !inNamespace(t) {
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestLadder$", "-test.v")
	cmd.Env = append(os.Environ(), "GETVPN_WIRE_USERNS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{Size: 1}}, GidMappings: []syscall.SysProcIDMap{{Size: 1}},
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}

	newWAN(t)
	first, err := Open(Config{Device: "wan0"})
	if err != nil || first.Mode != XDP || len(first.Refused) != 0 {
		t.Fatalf("%+v %v", first, err)
	}
	second, err := Open(Config{Device: "wan0"})
	if err != nil || second.Mode != Packet || len(second.Refused) != 1 || !strings.Contains(second.Refused[0], "already") {
		t.Fatalf("%+v %v", second, err)
	}
	if _, err := Open(Config{Device: "wan0", Mode: XDP}); err == nil {
		t.Error("forced XDP fell back")
	}
	if first.Close() != nil || second.Close() != nil {
		t.Error("Close")
	}
	run(t, "ip", "link", "set", "wan0", "mtu", "9000")
	for dev, want := range map[string][]string{"wan0": {"MTU of 9000"}, "lo": {"not Ethernet", "not Ethernet"}} {
		l, err := Open(Config{Device: dev})
		if err != nil || len(l.Refused) != len(want) {
			t.Fatalf("%s: %+v %v", dev, l, err)
		}
		for i := range want {
			if !strings.Contains(l.Refused[i], want[i]) {
				t.Errorf("%s: %s", dev, l.Refused[i])
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, cfg := range []Config{{Device: "wan0", Mode: "water"}, {Device: "nothere"}} {
		if _, err := Open(cfg); err == nil {
			t.Errorf("%+v was opened", cfg)
		}
	}
}
