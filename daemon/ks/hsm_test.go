package ks_test

import (
	"fmt"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/hsm/hsmtest"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

// inToken gives the key server a SoftHSM token of its own; more are lines of its custody section.
func (w *world) inToken(more string) *hsmtest.SoftHSM {
	w.t.Helper()
	if !pkcs11.Available {
		w.t.Skip("built without cgo")
	}
	s := hsmtest.NewSoftHSM(w.t, "ks1")
	w.edit("state: ks\n", fmt.Sprintf("state: ks\ncustody:\n  module: %s\n  token: pkcs11:token=ks1\n  pin: {file: %s}\n  allow-oaep-sha1: true\n%s", s.Module, s.PINFile(), more))
	return s
}

// custodies are what the tests of KEKs in a custody run with: the same in files and in a real token.
var custodies = map[string]func(w *world, more string){
	"files": func(w *world, more string) { w.edit("state: ks\n", "state: ks\ncustody:\n  backend: files\n"+more) },
	"token": func(w *world, more string) { w.inToken(more) },
}

// TestCustodyRollover: with all keys in a custody packets flow through TEK and KEK rollovers without a loss.
func TestCustodyRollover(t *testing.T) {
	for name, in := range custodies {
		for _, kek := range []string{"token", "process"} {
			t.Run(name+" and kek "+kek, func(t *testing.T) {
				w := newWorld(t)
				in(w, fmt.Sprintf("  kek: %s\n  tek-random: token\n", kek))
				w.startKS()
				a, b := w.pair()
				stop := stream(t, a, b)
				c := w.ksClient()
				keks := map[string]bool{}
				await(t, c, "a KEK rollover", func(x control.Watch) bool {
					if x.Snapshot != nil {
						keks[x.Snapshot.KS.Groups[0].KEK.SPI] = true
					}
					return len(keks) >= 2
				})
				for _, m := range []*gateway{a, b} {
					await(t, m.client, "rekeys", func(x control.Watch) bool {
						return registered(x) && x.Snapshot.GM.Groups[0].RekeysReceived >= 3
					})
				}
				if sent, lost := stop(); sent < 100 || lost != 0 {
					t.Errorf("%d of %d packets lost", lost, sent)
				}
			})
		}
	}
}

// TestCustodyRestart: a key server that was killed finds its KEK by its name, and members notice nothing.
func TestCustodyRestart(t *testing.T) {
	for name, in := range custodies {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.edit("lifetime: 64s", "lifetime: 640s", "lifetime: 32s", "lifetime: 320s")
			in(w, "")
			cmd := w.startKS()
			a, b := w.pair()
			c := w.ksClient()
			stop := stream(t, a, b)
			rekey := func() {
				t.Helper()
				before := rekeys(t, a, b)
				if _, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err != nil {
					t.Fatal(err)
				}
				for i, m := range []*gateway{a, b} {
					await(t, m.client, "a rekey at "+m.name, func(x control.Watch) bool {
						return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
					})
				}
			}
			rekey()
			s, err := c.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			was := s.KS.Groups[0].KEK
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			w.startKS()
			await(t, c, "the key server", func(x control.Watch) bool { return x.Snapshot != nil })
			rekey()
			if s, err = c.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
			if is := s.KS.Groups[0].KEK; is.SPI != was.SPI || is.Seq <= was.Seq {
				t.Errorf("KEK %s with SEQ %d was %s with %d", is.SPI, is.Seq, was.SPI, was.Seq)
			}
			if sent, lost := stop(); sent == 0 || lost != 0 {
				t.Errorf("%d of %d packets lost", lost, sent)
			}
			for _, m := range []*gateway{a, b} {
				s, err := m.client.Snapshot(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if n := s.GM.Groups[0].Registrations; n != 1 {
					t.Errorf("%s registered %d times", m.name, n)
				}
			}
		})
	}
}

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
	before := rekeys(t, a, b)
	if _, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "blue", KEK: true}); err != nil {
		t.Fatal(err)
	}
	for i, m := range []*gateway{a, b} {
		await(t, m.client, "a rekey at "+m.name, func(x control.Watch) bool {
			return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
		})
	}
	if sent, lost := stop(); sent == 0 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
}
