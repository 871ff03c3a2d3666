package ks_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
)

// TestChangeOfSignature: the signatures of a group change from RSA to ECDSA, to the other curve and back, over a restart, while
// packets flow. None is lost, and nobody has to register: what members hear next is signed with the key they know.
func TestChangeOfSignature(t *testing.T) {
	w := newWorld(t)
	w.edit("lifetime: 32s", "lifetime: 600s", "lifetime: 64s", "lifetime: 1200s")
	cmd := w.startKS()
	a, b := w.pair()
	c := w.ksClient()
	stop := stream(t, a, b)
	was, suite := "", "suite: aes-256-cbc"
	var seen []string
	for _, row := range []struct{ signature, key, says string }{
		{"ecdsa-256", "rekey-blue-ecdsa-256", "ecdsa-256 sha256"},
		{"ecdsa-384", "rekey-blue-ecdsa-384", "ecdsa-384 sha384"},
		{"rsa", "rekey-blue", "rsa-2048 sha256"},
	} {
		w.edit(suite+was, suite+", signature: "+row.signature)
		was = ", signature: " + row.signature
		p, err := c.Plan(t.Context(), control.PlanRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if text := strings.Join(p.Plan.Groups[0].Consequences, "\n"); !strings.Contains(text, "rekeys are signed with "+row.key+" ") || !strings.Contains(text, "new KEK now") {
			t.Errorf("the plan says %q", text)
		}
		if _, err := c.Apply(t.Context(), control.PlanRequest{}); err != nil {
			t.Fatal(err)
		}
		for _, m := range []*gateway{a, b} {
			await(t, m.client, row.signature+" at "+m.name, func(x control.Watch) bool {
				return x.Snapshot != nil && x.Snapshot.GM.Groups[0].KEK.SignatureAlg == row.says
			})
		}
		if row.signature == "ecdsa-384" {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			cmd = w.startKS()
			await(t, c, "the key server", func(x control.Watch) bool { return x.Snapshot != nil })
		}
		before := rekeys(t, a, b)
		if _, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err != nil {
			t.Fatal(err)
		}
		for i, m := range []*gateway{a, b} {
			await(t, m.client, "a rekey by "+row.signature+" at "+m.name, func(x control.Watch) bool {
				return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
			})
		}
		seen = append(seen, row.says)
	}
	sent, lost := stop()
	t.Logf("%v: %d packets", seen, sent)
	if sent < 20 || lost != 0 {
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
}

// TestECDSAInToken: rekeys are signed with ECDSA in a token, before and after a rotation and a restart.
func TestECDSAInToken(t *testing.T) {
	for _, row := range []struct{ signature, says string }{{"ecdsa-256", "ecdsa-256 sha256"}, {"ecdsa-384", "ecdsa-384 sha384"}} {
		t.Run(row.signature, func(t *testing.T) {
			w := newWorld(t)
			w.edit("lifetime: 64s", "lifetime: 640s, signature: "+row.signature, "lifetime: 32s", "lifetime: 320s")
			w.inToken("")
			cmd := w.startKS()
			a, b := w.pair()
			c := w.ksClient()
			stop := stream(t, a, b)
			w.rekeyAll(control.RekeyRequest{Group: "blue"}, a, b)
			before := rekeys(t, a, b)
			r, err := c.Rotate(t.Context(), control.RotateRequest{Group: "blue"})
			if err != nil {
				t.Fatal(err)
			}
			if want := "rekey-blue-" + row.signature + ".2 signs from now on"; !strings.HasPrefix(r.Text, want) {
				t.Errorf("the operator is told %q, not %q", r.Text, want)
			}
			for i, m := range []*gateway{a, b} {
				await(t, m.client, "the new KEK at "+m.name, func(x control.Watch) bool {
					return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i] && x.Snapshot.GM.Groups[0].KEK.SignatureAlg == row.says
				})
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			w.startKS()
			before = rekeys(t, a, b)
			await(t, c, "the next KEK, which the token makes", func(x control.Watch) bool {
				return x.Snapshot != nil && w.rekey(control.RekeyRequest{Group: "blue", KEK: true}) == nil
			})
			for i, m := range []*gateway{a, b} {
				await(t, m.client, "a rekey after the restart at "+m.name, func(x control.Watch) bool {
					return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
				})
			}
			if sent, lost := stop(); sent < 20 || lost != 0 {
				t.Errorf("%d of %d packets lost", lost, sent)
			}
			for _, m := range []*gateway{a, b} {
				if n := registrations(t, m); n != 1 {
					t.Errorf("%s registered %d times", m.name, n)
				}
			}
		})
	}
}

func rekeys(t *testing.T, all ...*gateway) (n []uint64) {
	t.Helper()
	for _, m := range all {
		s, err := m.client.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n = append(n, s.GM.Groups[0].RekeysReceived)
	}
	return n
}

// TestSignatureKeyOfAnotherKind: a name that a key of another kind has is refused, and says what to do.
func TestSignatureKeyOfAnotherKind(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	c := w.ksClient()
	await(t, c, "the key server", func(x control.Watch) bool { return x.Snapshot != nil })
	w.edit("suite: aes-256-cbc", "suite: aes-256-cbc, signature: ecdsa-256, signature-key: rekey-blue")
	for name, ask := range map[string]func() error{
		"plan":  func() error { _, err := c.Plan(t.Context(), control.PlanRequest{}); return err },
		"apply": func() error { _, err := c.Apply(t.Context(), control.PlanRequest{}); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), "group blue: signature key rekey-blue") || !strings.Contains(err.Error(), "name another key in signature-key") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTrioToECDSA: three key servers change from RSA to ECDSA one after the other, each with a key of its own, while packets
// flow and rekeys go out in between; then the primary is killed, and another goes on. None is lost, and nobody is cut off by a
// key that it does not know.
func TestTrioToECDSA(t *testing.T) {
	w := newTrioWith(t, blue("400s", "1000s", "8s"), func(int) string { return "" })
	w.lead(0, 0, 1, 2)
	a, b := w.pair()
	w.until(2, "the members of all key servers", func(g *control.KSGroup, c *control.Coop) bool { return len(g.Members) == 2 })
	stop := stream(t, a, b)
	rekey := func(p int, kek bool) {
		t.Helper()
		before := rekeys(t, a, b)
		await(t, w.clients[p], "room for a rekey", func(x control.Watch) bool {
			if x.Snapshot == nil {
				return false
			}
			_, err := w.clients[p].Rekey(t.Context(), control.RekeyRequest{Group: "blue", KEK: kek})
			return err == nil
		})
		for i, m := range []*gateway{a, b} {
			await(t, m.client, "a rekey at "+m.name, func(x control.Watch) bool {
				return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
			})
		}
	}
	for _, i := range []int{2, 1, 0} {
		w.editFile(fmt.Sprintf("ks%d.yml", i+1), "suite: aes-256-cbc", "suite: aes-256-cbc, signature: ecdsa-256")
		if _, err := w.clients[i].Apply(t.Context(), control.PlanRequest{}); err != nil {
			t.Fatal(err)
		}
		rekey(0, false)
	}
	if p := w.agreed(0, 1, 2); p != 0 {
		t.Fatalf("the primary is ks%d", p+1)
	}
	for _, m := range []*gateway{a, b} {
		await(t, m.client, "a KEK with ECDSA at "+m.name, func(x control.Watch) bool {
			return x.Snapshot != nil && x.Snapshot.GM.Groups[0].KEK.SignatureAlg == "ecdsa-256 sha256"
		})
	}
	w.kill(0)
	p := w.agreed(1, 2)
	rekey(p, false)
	rekey(p, true)
	w.nothingLost(stop)
}
