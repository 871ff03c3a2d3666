package ks_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
	"github.com/getvpn/getvpn/hsm/pkcs11"
	"github.com/getvpn/getvpn/hsm/soft"
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
			if name == "files" && kek == "process" {
				continue // is what there is without a custody section
			}
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
				s, err := c.Snapshot(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				calls := map[string]uint64{}
				for _, l := range s.Custody.Latency {
					calls[l.Operation] = l.Count
				}
				inside := kek == "token"
				if s.Custody.KEKs != kek || calls["random"] == 0 || calls["sign"] == 0 || (calls["encrypt"] > 0) != inside || (calls["wrap"] > 0) != inside {
					t.Errorf("KEKs in %s; calls %v", s.Custody.KEKs, calls)
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
			rekey := func() { w.rekeyAll(control.RekeyRequest{Group: "blue"}, a, b) }
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

// rekey asks for a rekey until there is room for another TEK.
func (w *world) rekey(r control.RekeyRequest) (err error) {
	w.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if _, err = w.ksClient().Rekey(w.t.Context(), r); err == nil || !strings.Contains(err.Error(), "TEKs alive") {
			return err
		}
	}
	return err
}

// rekeyAll has the key server rekey, and waits until all have it.
func (w *world) rekeyAll(r control.RekeyRequest, all ...*gateway) {
	w.t.Helper()
	before := rekeys(w.t, all...)
	if err := w.rekey(r); err != nil {
		w.t.Fatal(err)
	}
	for i, m := range all {
		await(w.t, m.client, "a rekey at "+m.name, func(x control.Watch) bool {
			return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
		})
	}
}

// TestCustodyNeedsRestart: where keys are kept does not change while the key server runs, and it says so.
func TestCustodyNeedsRestart(t *testing.T) {
	w := newWorld(t)
	w.edit("lifetime: 64s", "lifetime: 640s", "lifetime: 32s", "lifetime: 320s")
	custodies["files"](w, "  kek: token\n")
	w.startKS()
	a, b := w.pair()
	w.edit("kek: token", "kek: process", "lifetime: 640s", "lifetime: 641s")
	r, err := w.ksClient().Apply(t.Context(), control.PlanRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if text := strings.Join(r.Plan.Restart, "\n"); !strings.Contains(text, "kek: token") || !strings.Contains(text, "kek: process") {
		t.Errorf("a restart is needed for %q", text)
	}
	w.rekeyAll(control.RekeyRequest{Group: "blue", KEK: true}, a, b)
	s, err := w.ksClient().Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	spi := s.KS.Groups[0].KEK.SPI
	h, err := soft.Open(w.path("ks/keys"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := h.Inventory(t.Context())
	if err != nil || !slices.ContainsFunc(keys, func(k hsm.KeyInfo) bool { return k.Name == "kek-"+spi }) {
		t.Errorf("the KEK %s is not in the custody: %v, %v", spi, keys, err)
	}
}

// TestCustodyRemoval: who is removed is cut off by keys that it cannot have, and the others go on.
func TestCustodyRemoval(t *testing.T) {
	for name, in := range custodies {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.edit("lifetime: 64s", "lifetime: 640s", "lifetime: 32s", "lifetime: 320s")
			in(w, "")
			w.startKS()
			a, b := w.pair()
			conn, _ := wiretest.Pair(16, nil)
			bad := w.startGM("gm3", "127.0.1.3", "psk", conn)
			await(t, bad.client, "registration", registered)
			c := w.ksClient()
			s, err := bad.client.Snapshot(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			was := s.GM.Groups[0].KEK.SPI
			stop := stream(t, a, b)
			if _, err := c.RemoveMember(t.Context(), control.RemoveMemberRequest{Group: "blue", Members: []string{"127.0.1.3"}}); err != nil {
				t.Fatal(err)
			}
			for _, m := range []*gateway{a, b} {
				await(t, m.client, "another KEK at "+m.name, func(x control.Watch) bool {
					return registered(x) && x.Snapshot.GM.Groups[0].KEK.SPI != was
				})
			}
			if s, err = bad.client.Snapshot(t.Context()); err != nil {
				t.Fatal(err)
			}
			if k := s.GM.Groups[0].KEK; k != nil && k.SPI != was {
				t.Errorf("who was removed has the KEK %s", k.SPI)
			}
			if sent, lost := stop(); sent == 0 || lost != 0 {
				t.Errorf("%d of %d packets lost", lost, sent)
			}
		})
	}
}
