package ks_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
)

// TestRollover: packets flow through several TEK rollovers and a KEK rollover without a loss, over real GDOI sockets.
func TestRollover(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	a, b := w.pair()
	stop := stream(t, a, b)
	c := w.ksClient()
	var teks, keks []string
	await(t, c, "four TEKs and two KEKs", func(x control.Watch) bool {
		if x.Snapshot == nil {
			return false
		}
		g := x.Snapshot.KS.Groups[0]
		for _, k := range g.TEKs {
			if !slices.Contains(teks, k.SPI) {
				teks = append(teks, k.SPI)
			}
		}
		if !slices.Contains(keks, g.KEK.SPI) {
			keks = append(keks, g.KEK.SPI)
		}
		return len(teks) >= 4 && len(keks) >= 2 && len(g.Members) == 2
	})
	sent, lost := stop()
	t.Logf("%d packets, %d TEKs, %d KEKs", sent, len(teks), len(keks))
	if sent < 100 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
	var s *control.Snapshot
	await(t, a.client, "the third rekey", func(x control.Watch) bool {
		s = x.Snapshot
		return s != nil && s.GM.Groups[0].RekeysReceived >= 3
	})
	g := s.GM.Groups[0]
	// It registers again once within a KEK lifetime, which keeps it on the list; everything else rekeys must do.
	if g.Registrations > 2 {
		t.Errorf("%d registrations, want rekeys to be enough", g.Registrations)
	}
	if p := g.Policy; len(p) != 4 || p[0].Owner != "local" || p[3].Hits != uint64(sent) {
		t.Errorf("policy %+v, want the local exception first and %d hits of the last", p, sent)
	}
	if d := s.GM.DataPath; d.OutPackets != uint64(sent) || d.MTU >= 1500 || d.MTU < 1400 {
		t.Errorf("data path %+v", d)
	}
	w.described("ks", "gm1", "gm2")
	text, _ := json.Marshal(s)
	for _, secret := range []string{"0123456789abcdef", "secret"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the snapshot holds %q", secret)
		}
	}
}

// TestKilledKeyServer: the state of a key server that was killed is taken up again, and nobody has to register.
func TestKilledKeyServer(t *testing.T) {
	w := newWorld(t)
	cmd := w.startKS()
	a, b := w.pair()
	before, err := w.ksClient().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop := stream(t, a, b)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	w.startKS()
	first := before.KS.Groups[0]
	await(t, w.ksClient(), "a rekey after the restart", func(x control.Watch) bool {
		if x.Snapshot == nil {
			return false
		}
		g := x.Snapshot.KS.Groups[0]
		if g.KEK.SPI == first.KEK.SPI && g.KEK.Seq < first.KEK.Seq {
			t.Errorf("the sequence number went back from %d to %d", first.KEK.Seq, g.KEK.Seq)
		}
		return len(g.Members) == 2 && g.RekeysSent > 0
	})
	for _, m := range []*gateway{a, b} {
		await(t, m.client, "the rekey of the restarted key server", func(x control.Watch) bool {
			return registered(x) && x.Snapshot.GM.Groups[0].RekeysReceived > 0
		})
	}
	if sent, lost := stop(); lost != 0 || sent == 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
}

// TestStranger: a wrong key gets nothing, and both sides say so.
func TestStranger(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	conn, _ := wiretest.Pair(16, nil)
	m := w.startGM("mallory", "127.0.1.66", "wrong", conn)
	await(t, w.ksClient(), "auth-failed", func(x control.Watch) bool {
		return x.Event != nil && x.Event.Name == "auth-failed" && strings.Contains(x.Event.Peer, "127.0.1.66")
	})
	s, err := m.client.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if g := s.GM.Groups[0]; g.Registrations != 0 || g.State == control.StateRegistered || len(g.TEKs) != 0 {
		t.Errorf("the stranger is %s with %d TEKs", g.State, len(g.TEKs))
	}
}

// TestNonsense: datagrams that mean nothing are counted and change nothing.
func TestNonsense(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	a, b := w.pair()
	stop := stream(t, a, b)
	conn, err := net.Dial("udp4", w.ks.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	buf := make([]byte, 2000)
	for range 3000 {
		n := rng.IntN(len(buf))
		for i := range n {
			buf[i] = byte(rng.Uint32())
		}
		if n >= 28 && rng.IntN(2) == 0 { // a header that could be one
			copy(buf[16:], []byte{1, 0x10, byte(2 + rng.IntN(40)), byte(rng.IntN(2)), 0, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)})
		}
		_, _ = conn.Write(buf[:n])
	}
	_, _ = conn.Write(nil)
	await(t, w.ksClient(), "drops by reason", func(x control.Watch) bool {
		if x.Snapshot == nil {
			return false
		}
		var sum uint64
		for _, d := range x.Snapshot.Drops {
			sum += d.Count
		}
		return sum > 1000 && len(x.Snapshot.Drops) > 1
	})
	if sent, lost := stop(); lost != 0 || sent == 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
}

// TestCommands: what operators may ask for, at the daemons themselves.
func TestCommands(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	a, _ := w.pair()
	c := w.ksClient()
	s, err := c.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	epoch := s.KS.Groups[0].TEKs[0].Epoch
	if r, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "blue", KEK: true}); err != nil || r.Text == "" {
		t.Errorf("rekey: %+v %v", r, err)
	}
	await(t, c, "a new TEK", func(x control.Watch) bool {
		return x.Snapshot != nil && x.Snapshot.KS.Groups[0].TEKs[len(x.Snapshot.KS.Groups[0].TEKs)-1].Epoch > epoch
	})
	if _, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "red"}); err == nil || !strings.Contains(err.Error(), "red") {
		t.Errorf("rekey of an unknown group: %v", err)
	}
	if _, err := a.client.Reregister(t.Context(), control.ReregisterRequest{Group: "blue"}); err != nil {
		t.Error(err)
	}
	await(t, a.client, "a second registration", func(x control.Watch) bool {
		return registered(x) && x.Snapshot.GM.Groups[0].Registrations >= 2
	})
	if r, err := c.ClearMember(t.Context(), control.ClearMemberRequest{Group: "blue", Member: "127.0.1.1"}); err != nil {
		t.Errorf("clear member: %+v %v", r, err)
	}
	if _, err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := c.Snapshot(ctx); err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Error("the key server does not stop")
	}
}

// TestKernelOrder: the guard is set before anything else and goes last.
func TestKernelOrder(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	a, _ := w.pair()
	a.end()
	a.kernel.mu.Lock()
	defer a.kernel.mu.Unlock()
	calls := a.kernel.calls
	if len(calls) < 4 || calls[0] != "groups" || calls[1] != "up" || calls[len(calls)-1] != "down" {
		t.Errorf("the kernel saw %v", calls)
	}
}
