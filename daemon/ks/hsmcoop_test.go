package ks_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/hsm/hsmtest"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

// newTrioInTokens is three key servers with a SoftHSM token each.
func newTrioInTokens(t *testing.T) *trio {
	t.Helper()
	if !pkcs11.Available {
		t.Skip("built without cgo")
	}
	s := hsmtest.NewSoftHSM(t, "ks1", "ks2", "ks3")
	return newTrioWith(t, blue("320s", "1000s", "4s"), func(i int) string {
		return fmt.Sprintf("custody: {module: %s, token: pkcs11:token=ks%d, pin: {file: %s}, allow-oaep-sha1: true}\n", s.Module, i+1, s.PINFile())
	})
}

// kek waits until those key servers have the same KEK, and returns its SPI.
func (w *trio) kek(all ...int) string {
	w.t.Helper()
	var seen []string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		seen = nil
		for _, i := range all {
			s, err := w.clients[i].Snapshot(w.t.Context())
			if err == nil && s.KS.Groups[0].KEK != nil {
				seen = append(seen, s.KS.Groups[0].KEK.SPI)
			}
		}
		if len(seen) == len(all) && len(slices.Compact(seen)) == 1 {
			return seen[0]
		}
	}
	w.t.Fatalf("key servers %v have the KEKs %v", all, seen)
	return ""
}

// rekeyBy has a primary rekey, once there is room for another TEK, and waits until the members have it.
func (w *trio) rekeyBy(p int, kek bool, all ...*gateway) {
	w.t.Helper()
	before := rekeys(w.t, all...)
	await(w.t, w.clients[p], "a rekey", func(control.Watch) bool {
		_, err := w.clients[p].Rekey(w.t.Context(), control.RekeyRequest{Group: "blue", KEK: kek})
		return err == nil
	})
	for i, m := range all {
		await(w.t, m.client, fmt.Sprintf("the rekey of ks%d at %s", p+1, m.name), func(x control.Watch) bool {
			return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[i]
		})
	}
}

// TestTrioTokens: KEKs move from token to token. The primary is killed, and the next one goes on under the same KEK; a
// primary whose token is lost hands over by itself, and the key server is whole again when the token is back.
func TestTrioTokens(t *testing.T) {
	w := newTrioInTokens(t)
	w.lead(0, 0, 1, 2)
	a, b := w.pair()
	stop := stream(t, a, b)
	w.rekeyBy(0, true, a, b)
	was := w.kek(0, 1, 2)
	w.kill(0)
	p := w.agreed(1, 2)
	w.rekeyBy(p, false, a, b)
	if is := w.kek(1, 2); is != was {
		t.Errorf("the KEK %s of the new primary is not %s", is, was)
	}
	w.start(0)
	p = w.agreed(0, 1, 2)
	if is := w.kek(0, 1, 2); is != was {
		t.Errorf("the KEK %s is not %s", is, was)
	}
	w.rekeyBy(p, true, a, b)

	p = w.agreed(0, 1, 2)
	was = w.kek(0, 1, 2)
	w.fault(p, "{token-gone: true}")
	w.until(p, "another primary", func(g *control.KSGroup, c *control.Coop) bool {
		return g.Role == control.RoleSecondary && c.Primary != 0 && c.Primary != p+1 && !c.Ready
	})
	others := slices.DeleteFunc([]int{0, 1, 2}, func(i int) bool { return i == p })
	next := w.agreed(others...)
	w.rekeyBy(next, false, a, b)
	if is := w.kek(others...); is != was {
		t.Errorf("the KEK %s of the primary with a token is not %s", is, was)
	}
	w.rekeyBy(next, true, a, b)
	w.fault(p, "{token-gone: false}")
	await(t, w.clients[p], "the return", func(x control.Watch) bool { return x.Event != nil && x.Event.Name == gdoi.NoteCustodyBack })
	if primary := w.agreed(0, 1, 2); primary != next {
		t.Errorf("ks%d is primary again, without being asked", primary+1)
	}
	if is := w.kek(0, 1, 2); is == was {
		t.Error("no other KEK")
	}
	await(t, w.clients[next], "trust in the token that is back", func(control.Watch) bool {
		_, err := w.clients[next].Handover(t.Context(), control.HandoverRequest{Group: "blue", To: fmt.Sprint(p + 1)})
		return err == nil
	})
	w.lead(p, 0, 1, 2)
	w.rekeyBy(p, true, a, b)
	w.nothingLost(stop)
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
