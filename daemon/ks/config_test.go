package ks

import (
	"crypto"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/soft"
)

func example(t *testing.T, file string) *config.KS {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("../config/testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Mkdir(filepath.Join(dir, "psk"), 0o700),
		os.WriteFile(filepath.Join(dir, "psk/gm1"), []byte("0123456789abcdef"), 0o600),
		os.WriteFile(filepath.Join(dir, "psk/ks2"), []byte("123456789abcdef0"), 0o600),
		os.WriteFile(filepath.Join(dir, "ks.yml"), text, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	c, err := config.LoadKS(filepath.Join(dir, "ks.yml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCheckExample: the commented example of the configuration is one that a key server could run with.
func TestCheckExample(t *testing.T) {
	c := example(t, "ks.yml")
	if err := Check(c); err != nil {
		t.Error(err)
	}
	c.Groups[0].Rekey.Retransmits = 0
	keys, err := soft.Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := translate.KeyServerNode(c, c.Listen, nil, func(_ string, k config.KEK) (translate.SignatureKey, error) {
		der, err := newPublicKeys(keys).ensure(t.Context(), k)
		return translate.SignatureKey{Name: k.SignatureKey, Public: der}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	g := n.Groups[0]
	if g.ID != gdoi.GroupIDFromUint32(1234) || g.Retransmits >= 0 || g.SignKey != "rekey-blue" || len(g.SignPublic) < 256 {
		t.Errorf("%+v", g)
	}
	c.Groups[0].TEK.Lifetime = time.Minute
	if err := Check(c); !errors.Is(err, keyserver.ErrConfig) {
		t.Errorf("a TEK that ends before its rollover: %v", err)
	}
}

// TestCooperation: what the file says about other key servers reaches the machine, and a priority alone may change later.
func TestCooperation(t *testing.T) {
	c := example(t, "ks-coop.yml")
	if err := Check(c); err != nil {
		t.Fatal(err)
	}
	want := &node.Coop{
		ID: 1, Split: coop.Continue, Priority: 1, Priorities: map[string]int{"blue": 200, "green": 1}, Timers: coop.DefaultTimers, Software: control.Version,
		Peers: []node.CoopPeer{{ID: 2, Addr: netip.MustParseAddrPort("10.0.0.2:848")}, {ID: 3, Addr: netip.MustParseAddrPort("10.0.0.3:848")}},
	}
	if got := translate.Cooperation(c); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	next := *c
	next.Groups = slices.Clone(c.Groups)
	next.Groups[1].Priority = 7
	if r := translate.Restarts(c, &next); r != nil {
		t.Errorf("another priority needs a restart: %q", r)
	}
	if got := translate.Cooperation(translate.Merged(c, &next, "green")).Priorities; got["green"] != 7 || got["blue"] != 200 {
		t.Errorf("priorities %v", got)
	}
	other := *c.Cooperation
	other.Split = coop.Fork
	next.Cooperation = &other
	if r := translate.Restarts(c, &next); len(r) != 1 || !strings.Contains(r[0], "split: fork") {
		t.Errorf("another way to split: %q", r)
	}
	if translate.Cooperation(translate.Merged(c, &next, "")).Split != coop.Continue {
		t.Error("what takes a restart changed without one")
	}
	if translate.Cooperation(example(t, "ks.yml")) != nil {
		t.Error("a key server that is alone cooperates")
	}
}

func TestMostSpecificSecret(t *testing.T) {
	secret := func(s string) *machine.Secret { return machine.NewSecret([]byte(s)) }
	find := translate.PSKs([]config.PSK{
		{Peer: netip.MustParsePrefix("10.1.0.1/32"), Secret: secret("one")},
		{Peer: netip.MustParsePrefix("10.1.0.0/16"), Secret: secret("many")},
	})
	for addr, want := range map[string]string{"10.1.0.1": "one", "10.1.0.2": "many", "10.2.0.1": "", "::ffff:10.1.0.1": "one"} {
		if got := string(find(netip.MustParseAddr(addr)).Bytes()); got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
}

func TestSignTranslation(t *testing.T) {
	keys, err := soft.Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Ensure(t.Context(), "k", hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Sign}); err != nil {
		t.Fatal(err)
	}
	digest := make([]byte, crypto.SHA256.Size())
	if sig, err := sign(keys, nil)(t.Context(), machine.Sign{Key: "k", Scheme: machine.SignRSAPKCS1, Hash: machine.SHA256, Digest: digest}); err != nil || len(sig) != 256 {
		t.Errorf("%d octets, %v", len(sig), err)
	}
	if _, err := sign(keys, nil)(t.Context(), machine.Sign{Key: "k", Scheme: machine.SignECDSAConcat, Hash: machine.SHA256, Digest: digest}); !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("ECDSA by an RSA key: %v", err)
	}
	for _, row := range []struct {
		kind hsm.Kind
		hash machine.Hash
	}{{hsm.P256, machine.SHA256}, {hsm.P384, machine.SHA384}} {
		if err := keys.Ensure(t.Context(), row.kind.String(), hsm.Spec{Kind: row.kind, Use: hsm.Sign}); err != nil {
			t.Fatal(err)
		}
		pub, err := keys.Public(t.Context(), row.kind.String())
		if err != nil {
			t.Fatal(err)
		}
		key, err := suite.NewSignatureKey(pub)
		if err != nil {
			t.Fatal(err)
		}
		digest := make([]byte, suite.HashLen(row.hash))
		sig, err := sign(keys, nil)(t.Context(), machine.Sign{Key: row.kind.String(), Scheme: machine.SignECDSAConcat, Hash: row.hash, Digest: digest})
		if err == nil {
			err = key.Verify(machine.SignECDSAConcat, row.hash, digest, sig)
		}
		if err != nil {
			t.Errorf("%v: %v", row.kind, err)
		}
	}
}
