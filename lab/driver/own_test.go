package driver

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/getvpn/getvpn/lab/scenario"
)

const sharing = `
name: sharing
secrets: [gm1, gm1-2025, gm2]
pki: {authorities: [{name: hq, key: ecdsa256}], certificates: [{name: ks1, by: hq, key: ecdsa256}]}
nodes:
  - {name: ks1, kind: ks, program: ks, routes: [default via 172.16.3.2]}
  - {name: gm1, kind: gm, program: gm, vars: {secret: gm1-2025}, routes: [default via 172.16.1.2]}
  - {name: gm2, kind: gm, program: gm, vars: {secret: gm2}, routes: [default via 172.16.2.2]}
  - {name: p1, kind: core}
programs:
  ks: {binary: none, config: "own: [${secrets}/ks1.pem, ${secrets}/ks1.key]\ncrl: ${secrets}/hq.crl\npsk: [\"${secrets}/gm1\", ${secrets}/gm2]"}
  gm: {binary: none, config: "psk: ${secrets}/${secret}\ncrl: ${secrets}/hq.crl"}
links:
  - {ends: [gm1 wan0 172.16.1.1/30, p1 gm1 172.16.1.2/30]}
  - {ends: [gm2 wan0 172.16.2.1/30, p1 gm2 172.16.2.2/30]}
  - {ends: [ks1 wan0 172.16.3.1/30, p1 ks1 172.16.3.2/30]}
`

// noMachines are enough for files.
type noMachines struct{ Machines }

func (noMachines) Describe(*NodeState) {}

// A node has the secrets that its daemon's configuration names, and no other's: those that another configuration names come with it.
func TestSecretsAreHandedOut(t *testing.T) {
	t.Setenv("GETVPN_LAB_DIR", t.TempDir())
	s, err := scenario.Parse("sharing.yaml", []byte(sharing), scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := New("sharing", s, noMachines{})
	if err := c.Make("none", nil, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	has := func(node string, want ...string) {
		t.Helper()
		entries, err := os.ReadDir(c.handed(node))
		if err != nil {
			t.Fatal(err)
		}
		var have []string
		for _, e := range entries {
			have = append(have, e.Name())
		}
		if !slices.Equal(have, want) {
			t.Errorf("%s has %v, and should have %v", node, have, want)
		}
	}
	has("ks1", "gm1", "gm2", "hq.crl", "ks1.key", "ks1.pem")
	has("gm1", "gm1-2025", "hq.crl")
	has("gm2", "gm2", "hq.crl")
	if st, err := os.Stat(filepath.Join(c.handed("gm2"), "gm2")); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	if err := c.Configure("gm1", "", map[string]string{"secret": "gm1"}); err != nil {
		t.Fatal(err)
	}
	has("gm1", "gm1", "gm1-2025", "hq.crl")
	read := func(node string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(c.handed(node), "hq.crl"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	before := read("gm1")
	if err := c.Revoke("ks1"); err != nil {
		t.Fatal(err)
	}
	if read("gm1") == before || read("gm1") != read("ks1") {
		t.Error("the revocation has not reached all nodes")
	}
	has("gm2", "gm2", "hq.crl")
}
