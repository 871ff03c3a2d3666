package ks_test

import (
	"fmt"
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
)

// TestEitherFamily: a key server listens on 127.0.0.1 and on ::1; one member registers over each, by its own pre-shared key,
// both get and acknowledge rekeys there, and packets between them pass through rollovers without a loss.
func TestEitherFamily(t *testing.T) {
	w := newWorld(t)
	w.ks6 = freePort(t, "::1")
	w.write("ks.yml", fmt.Sprintf(`
name: ks1
listen: ["%s", "%s"]
control: ks.sock
state: ks
identity: {address: ["::1", 127.0.0.1]}
phase1: {suites: [aes128-sha256-ecp256], lifetime: 1h}
pre-shared-keys:
  - {peer: 127.0.1.0/24, secret-file: psk}
  - {peer: "::1", secret-file: wrong}
groups:
  - name: blue
    id: 1234
    authorise: [{address: 127.0.1.0/24}, {address: "::1/128"}]
    policy:
      - deny udp any eq 848 any eq 848
      - deny udp any6 eq 848 any6 eq 848
      - permit ip 10.0.0.0/8 10.0.0.0/8
      - permit ipv6 2001:db8::/32 2001:db8::/32
    tek: {suite: aes-256-gcm, lifetime: 32s}
    kek: {suite: aes-256-cbc, lifetime: 64s}
    rekey: {activation-delay: 4s}
`, w.ks6, w.ks))
	w.startKS()
	ca, cb := wiretest.Pair(4096, nil)
	a, b := w.startGM("gm1", "127.0.1.1", "psk", ca), w.startGM("gm2", "::1", "wrong", cb)
	for _, m := range []*gateway{a, b} {
		await(t, m.client, "registration", registered)
	}
	stop := stream(t, a, b)
	await(t, w.ksClient(), "three rekeys that both acknowledge", func(x control.Watch) bool {
		if x.Snapshot == nil || len(x.Snapshot.KS.Groups[0].Members) != 2 {
			return false
		}
		for _, m := range x.Snapshot.KS.Groups[0].Members {
			if m.Address != "127.0.1.1" && m.Address != "::1" || m.Identity != m.Address || m.Rekey.Acked < 3 {
				return false
			}
		}
		return true
	})
	if sent, lost := stop(); lost != 0 || sent < 20 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
	for _, m := range []*gateway{a, b} {
		s, err := m.client.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// Within a KEK lifetime it registers again once, which keeps it on the list.
		if g := s.GM.Groups[0]; g.Registrations > 2 || len(g.Policy) != 5 {
			t.Errorf("%s: %d registrations, policy %+v", m.name, g.Registrations, g.Policy)
		}
	}
}
