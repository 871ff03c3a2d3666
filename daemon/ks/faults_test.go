package ks_test

import (
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi"
)

// TestStoreFaults: a store that fails, and then is slow, is what the configuration file asked for while the key server ran.
// Nothing depends on what was not written, and all goes on when it is.
func TestStoreFaults(t *testing.T) {
	w := newWorld(t)
	w.startKS()
	w.pair()
	c := w.ksClient()
	apply := func(was, is string) {
		t.Helper()
		w.edit(was, is)
		if _, err := c.Apply(t.Context(), control.PlanRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	apply("control: ks.sock", "control: ks.sock\nfaults: {store-fails: true}")
	if _, err := c.Rekey(t.Context(), control.RekeyRequest{Group: "blue"}); err != nil {
		t.Fatal(err)
	}
	await(t, c, "failure to write", func(x control.Watch) bool { return x.Event != nil && x.Event.Name == gdoi.NotePersistFailed })
	s, err := c.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sent := s.KS.Groups[0].RekeysSent
	apply("store-fails: true", "store-delay: 20ms")
	await(t, c, "rekey after the store was repaired", func(x control.Watch) bool {
		return x.Snapshot != nil && x.Snapshot.KS.Groups[0].RekeysSent > sent
	})
}
