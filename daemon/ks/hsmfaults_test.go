package ks_test

import (
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
	"github.com/getvpn/getvpn/gdoi"
)

// TestTokenLost: a token that is pulled out stops new keys, and not the traffic; everything goes on when it is back.
func TestTokenLost(t *testing.T) {
	w := newWorld(t)
	w.edit("lifetime: 64s", "lifetime: 640s", "lifetime: 32s", "lifetime: 320s")
	s := w.inToken("")
	w.startKS()
	a, b := w.pair()
	c := w.ksClient()
	stop := stream(t, a, b)
	s.Leave(t)
	await(t, c, "the loss", func(x control.Watch) bool { return x.Event != nil && x.Event.Name == gdoi.NoteCustodyLost })
	if _, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "blue", KEK: true}); err == nil {
		t.Error("a KEK rekey is promised without the token")
	}
	s.Return(t)
	await(t, c, "the return", func(x control.Watch) bool { return x.Event != nil && x.Event.Name == gdoi.NoteCustodyBack })
	w.rekeyAll(control.RekeyRequest{Group: "blue", KEK: true}, a, b)
	if sent, lost := stop(); sent == 0 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
}

// TestTokenFaults: what the configuration puts in is what a token does, while the key server runs; the token need not answer
// for it to be taken out again.
func TestTokenFaults(t *testing.T) {
	w := newWorld(t)
	w.edit("lifetime: 64s", "lifetime: 640s", "lifetime: 32s", "lifetime: 320s")
	w.inToken("")
	w.edit("control: ks.sock", "control: ks.sock\nfaults: {token-gone: false}")
	w.startKS()
	a, b := w.pair()
	c := w.ksClient()
	apply := func(was, is string) {
		t.Helper()
		w.edit(was, is)
		if _, err := c.Apply(t.Context(), control.PlanRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	stop := stream(t, a, b)

	apply("token-gone: false", "token-gone: true")
	await(t, c, "the loss", func(x control.Watch) bool { return x.Event != nil && x.Event.Name == gdoi.NoteCustodyLost })
	apply("token-gone: true", "token-delay: 10ms")
	await(t, c, "the return", func(x control.Watch) bool { return x.Event != nil && x.Event.Name == gdoi.NoteCustodyBack })

	from := time.Now()
	conn, _ := wiretest.Pair(16, nil)
	late := w.startGM("gm3", "127.0.1.3", "psk", conn)
	await(t, late.client, "registration with a slow token", registered)
	t.Logf("registered in %v of real time with 10 ms for each function of the token", time.Since(from))
	w.rekeyAll(control.RekeyRequest{Group: "blue", KEK: true}, a, b, late)

	// Full: the next KEK is there already, the one after it is not.
	apply("token-delay: 10ms", "token-full: true")
	next := control.RekeyRequest{Group: "blue", KEK: true}
	w.rekeyAll(next, a, b, late)
	if err := w.rekey(next); err == nil || !strings.Contains(err.Error(), "next KEK") {
		t.Errorf("another KEK rekey with a full token: %v", err)
	}
	w.rekeyAll(control.RekeyRequest{Group: "blue"}, a, b, late)
	apply("token-full: true", "token-full: false")
	await(t, c, "a KEK again", func(control.Watch) bool { return w.rekey(next) == nil })
	if sent, lost := stop(); sent == 0 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
}

// TestTokenHangs: a token that takes a call and never answers counts as lost; nothing else waits for it, the end neither.
func TestTokenHangs(t *testing.T) {
	w := newWorld(t)
	w.edit("lifetime: 64s", "lifetime: 640s", "lifetime: 32s", "lifetime: 320s")
	w.inToken("  timeout: 500ms\n")
	cmd := w.startKS()
	a, b := w.pair()
	c := w.ksClient()
	stop := stream(t, a, b)
	w.edit("control: ks.sock", "control: ks.sock\nfaults: {token-delay: 1m}")
	if _, err := c.Apply(t.Context(), control.PlanRequest{}); err != nil {
		t.Fatal(err)
	}
	await(t, c, "the loss", func(x control.Watch) bool { return x.Event != nil && x.Event.Name == gdoi.NoteCustodyLost })
	from := time.Now()
	if _, err := c.Snapshot(t.Context()); err != nil || time.Since(from) > time.Second {
		t.Errorf("a snapshot after %v: %v", time.Since(from), err)
	}
	if sent, lost := stop(); sent == 0 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
	if _, err := c.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Error("the key server does not end")
	}
}
