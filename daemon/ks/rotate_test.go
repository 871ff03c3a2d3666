package ks_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
)

// signing is a group's signature key as the console sees it, and the names of all keys of that group's in the custody.
func signing(s *control.Snapshot) (sig control.CustodySigning, keys []string) {
	if s == nil || s.Custody == nil || len(s.Custody.Signatures) != 1 {
		return sig, nil
	}
	for _, k := range s.Custody.Keys {
		if strings.HasPrefix(k.Name, "rekey-blue") {
			keys = append(keys, k.Name)
		}
	}
	return s.Custody.Signatures[0], keys
}

// TestRotate replaces the signature key twice under traffic, with the key server killed in the middle of the first time: no
// packet is lost, nobody registers again, and in the end the custody has the newest key and no other.
func TestRotate(t *testing.T) {
	in := maps.Clone(custodies)
	in["no custody section"] = func(*world, string) {}
	for name, prepare := range in {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.edit("lifetime: 64s", "lifetime: 640s", "lifetime: 32s", "lifetime: 320s")
			prepare(w, "")
			cmd := w.startKS()
			a, b := w.pair()
			c := w.ksClient()
			stop := stream(t, a, b)
			rotate := func(from, to string) {
				t.Helper()
				before := rekeys(t, a, b)
				r, err := c.Rotate(t.Context(), control.RotateRequest{Group: "blue"})
				if err != nil {
					t.Fatal(err)
				}
				if want := to + " signs from now on; " + from + " is destroyed"; !strings.HasPrefix(r.Text, want) {
					t.Errorf("the operator is told %q, not %q", r.Text, want)
				}
				if _, err := c.Rotate(t.Context(), control.RotateRequest{Group: "blue"}); err == nil || !strings.Contains(err.Error(), "not destroyed yet") {
					t.Errorf("a rotation in a rotation: %v", err)
				}
				for i, m := range []*gateway{a, b} {
					await(t, m.client, "the new KEK at "+m.name, func(x control.Watch) bool {
						return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
					})
				}
			}
			rotate("rekey-blue", "rekey-blue.2")
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			w.startKS()
			done := func(want string) func(control.Watch) bool {
				return func(x control.Watch) bool {
					sig, keys := signing(x.Snapshot)
					return sig.Key == want && len(sig.Retiring) == 0 && slices.Equal(keys, []string{want})
				}
			}
			await(t, c, "the end of the old key", done("rekey-blue.2"))
			rotate("rekey-blue.2", "rekey-blue.3")
			await(t, c, "the end of the second key", done("rekey-blue.3"))
			before := rekeys(t, a, b)
			if _, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err != nil {
				t.Fatal(err)
			}
			for i, m := range []*gateway{a, b} {
				await(t, m.client, "a rekey by the newest key at "+m.name, func(x control.Watch) bool {
					return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
				})
			}
			if p, err := c.Plan(t.Context(), control.PlanRequest{}); err != nil || p.Plan.Changes() {
				t.Errorf("the same configuration, read again, would change something: %v, %+v", err, p.Plan)
			}
			if sent, lost := stop(); sent == 0 || lost != 0 {
				t.Errorf("%d of %d packets lost", lost, sent)
			}
			for _, m := range []*gateway{a, b} {
				s, err := m.client.Snapshot(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if g := s.GM.Groups[0]; g.Registrations != 1 || g.RekeySigners != 1 {
					t.Errorf("%s registered %d times, and trusts %d keys", m.name, g.Registrations, g.RekeySigners)
				}
			}
		})
	}
}

// TestCustodySnapshot: the console sees the token, its findings, how long calls take, and names, never more.
func TestCustodySnapshot(t *testing.T) {
	w := newWorld(t)
	w.inToken("")
	w.startKS()
	w.pair()
	var c *control.Custody
	await(t, w.ksClient(), "an inventory", func(x control.Watch) bool {
		if x.Snapshot != nil {
			c = x.Snapshot.Custody
		}
		return c != nil && len(c.Keys) >= 4
	})
	if c.Backend != "pkcs11" || !c.Ready || c.KEKs != control.CustodyToken || !strings.Contains(c.URI, "token=ks1") || len(c.Degraded) != 0 || len(c.Findings) < 5 {
		t.Errorf("the custody is %+v", c)
	}
	uses := map[string]int{}
	for _, k := range c.Keys {
		uses[k.Use]++
		if k.Movable != (k.Use == "encrypt") || !k.Born && k.Use != "encrypt" {
			t.Errorf("key %+v", k)
		}
	}
	if uses["sign"] != 1 || uses["seal"] != 1 || uses["transport"] != 1 || uses["encrypt"] < 1 {
		t.Errorf("the keys are for %v", uses)
	}
	seen := map[string]bool{}
	for _, l := range c.Latency {
		var sum uint64
		for _, n := range l.Buckets {
			sum += n
		}
		if seen[l.Operation] = l.Count > 0; sum != l.Count || l.Mean > l.Max || l.P50 > l.P99 {
			t.Errorf("latency %+v", l)
		}
	}
	if !seen["wrap"] || !seen["make"] {
		t.Errorf("calls are counted of %v", seen)
	}
	w.described("ks")
}
