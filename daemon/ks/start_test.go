package ks_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/daemon/gm"
	"github.com/getvpn/getvpn/daemon/ks"
)

// TestStartFailures: whatever is in the way, a start ends with an error that names it, and leaves nothing open.
func TestStartFailures(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(t *testing.T, w *world)
		want  []string
	}{
		{"control socket in use", func(t *testing.T, w *world) {
			l, err := net.Listen("unix", w.path("ks.sock"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			go func() { // it must answer, or it counts as a dead daemon's
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					c.Close()
				}
			}()
		}, []string{"ks.sock"}},
		{"port in use", func(t *testing.T, w *world) {
			c, err := net.ListenPacket("udp4", w.ks.String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
		}, []string{w4, "is taken"}},
		{"state of nobody", func(t *testing.T, w *world) {
			if err := os.MkdirAll(w.path("ks"), 0o700); err != nil {
				t.Fatal(err)
			}
			w.write("ks/state.db", strings.Repeat("nonsense", 512))
		}, []string{"state.db"}},
		{"state directory open to all", func(t *testing.T, w *world) {
			if err := os.MkdirAll(w.path("ks/keys"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(w.path("ks/keys"), 0o755); err != nil { //nolint:gosec // the mistake under test
				t.Fatal(err)
			}
		}, []string{"ks/keys", "chmod"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			row.spoil(t, w)
			c, err := config.LoadKS(w.path("ks.yml"))
			if err != nil {
				t.Fatal(err)
			}
			d, err := ks.New(c, slog.New(slog.DiscardHandler), ks.Options{Clock: fast{w.epoch}})
			if err == nil || d != nil {
				t.Fatalf("New returned %v, %v", d, err)
			}
			for _, want := range row.want {
				if want == w4 {
					want = fmt.Sprint(w.ks)
				}
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
		})
	}
}

// w4 stands for the address of the key server.
const w4 = "ADDRESS"

// TestSecondDaemon: the state and the sockets of a running daemon are its own, and a failed start leaves them alone.
func TestSecondDaemon(t *testing.T) {
	w := newWorld(t)
	c, err := config.LoadKS(w.path("ks.yml"))
	if err != nil {
		t.Fatal(err)
	}
	first, err := ks.New(c, slog.New(slog.DiscardHandler), ks.Options{Clock: fast{w.epoch}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	up := make(chan struct{})
	go func() { done <- first.Run(ctx, func() { close(up) }) }()
	<-up
	if second, err := ks.New(c, slog.New(slog.DiscardHandler), ks.Options{Clock: fast{w.epoch}}); err == nil || second != nil {
		t.Errorf("a second daemon started: %v", err)
	}
	if _, err := os.Stat(w.path("ks.sock")); err != nil {
		t.Errorf("the second daemon took the first one's socket: %v", err)
	}
	if _, err := client.New(w.path("ks.sock")).Snapshot(ctx); err != nil {
		t.Errorf("the first daemon no longer answers: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("the first daemon did not end in order: %v", err)
	}
}

// TestMemberStartFailure: the same for a member, whose port is taken.
func TestMemberStartFailure(t *testing.T) {
	w := newWorld(t)
	busy, err := net.ListenPacket("udp4", "127.0.1.77:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	w.write("gm.yml", fmt.Sprintf(`
name: gm1
control: gm1.sock
state: gm1
identity: {address: 127.0.1.77}
local: %s
interfaces: {lan: [lan0], wan: wan0, tun: gv0}
groups: [{name: blue, id: 1234, key-servers: [{address: "%s", secret-file: psk}], protect: [10.0.0.0/8]}]
`, busy.LocalAddr(), w.ks))
	c, err := config.LoadGM(w.path("gm.yml"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := gm.New(c, slog.New(slog.DiscardHandler), gm.Options{})
	if err == nil || d != nil || !strings.Contains(err.Error(), busy.LocalAddr().String()) {
		t.Errorf("New returned %v, %v", d, err)
	}
}
