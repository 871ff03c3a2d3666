package ks

import (
	"crypto"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/soft"
)

func example(t *testing.T) *config.KS {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile("../config/testdata/ks.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		os.Mkdir(filepath.Join(dir, "psk"), 0o700),
		os.WriteFile(filepath.Join(dir, "psk/gm1"), []byte("0123456789abcdef"), 0o600),
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
	c := example(t)
	if err := Check(c); err != nil {
		t.Error(err)
	}
	c.Groups[0].Rekey.Retransmits = 0
	keys, err := soft.Open(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := nodeConfig(c, c.Listen, func(k config.KEK) ([]byte, error) { return publicKey(t.Context(), keys, k) })
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

func TestMostSpecificSecret(t *testing.T) {
	secret := func(s string) *machine.Secret { return machine.NewSecret([]byte(s)) }
	find := psks([]config.PSK{
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
	if err := keys.EnsureRSA(t.Context(), "k", 2048); err != nil {
		t.Fatal(err)
	}
	digest := make([]byte, crypto.SHA256.Size())
	if sig, err := sign(keys, nil)(t.Context(), machine.Sign{Key: "k", Scheme: machine.SignRSAPKCS1, Hash: machine.SHA256, Digest: digest}); err != nil || len(sig) != 256 {
		t.Errorf("%d octets, %v", len(sig), err)
	}
	if _, err := sign(keys, nil)(t.Context(), machine.Sign{Key: "k", Scheme: machine.SignECDSAConcat, Hash: machine.SHA256, Digest: digest}); !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("ECDSA: %v", err)
	}
}

func TestHealth(t *testing.T) {
	tek := func(left time.Duration) []gdoi.TEKInfo { return []gdoi.TEKInfo{{Remaining: left}} }
	for _, row := range []struct {
		name   string
		s      keyserver.Snapshot
		want   string
		reason string
	}{
		{"well", keyserver.Snapshot{TEKs: tek(time.Hour), Least: time.Hour, ActivationDelay: time.Minute}, healthOK, ""},
		{"in a rollover", keyserver.Snapshot{TEKs: append(tek(time.Minute), tek(time.Hour)...), Least: time.Hour, ActivationDelay: time.Minute}, healthOK, ""},
		{"no new key", keyserver.Snapshot{TEKs: tek(90 * time.Second), Least: 90 * time.Second, ActivationDelay: time.Minute, Problems: []string{"the token is gone"}}, healthExpiring, "1m30s; the token is gone"},
		{"no token", keyserver.Snapshot{TEKs: tek(time.Hour), Least: time.Hour, ActivationDelay: time.Minute, Problems: []string{"the token is gone"}}, healthDegraded, "the token is gone"},
		{"not begun", keyserver.Snapshot{}, healthOK, ""},
	} {
		if got, reason := health(row.s); got != row.want || !strings.HasSuffix(reason, row.reason) {
			t.Errorf("%s: %s %q, want %s %q", row.name, got, reason, row.want, row.reason)
		}
	}
}
