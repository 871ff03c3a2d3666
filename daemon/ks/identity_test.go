package ks_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/gm"
	"github.com/getvpn/getvpn/esp/wire"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/pki/pkitest"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

// identities is a world in which everybody has a certificate, and the keys are in tokens.
type identities struct {
	*world
	root *pkitest.CA
	soft *hsmtest.SoftHSM
}

func newIdentities(t *testing.T, tokens ...string) *identities {
	t.Helper()
	if !pkcs11.Available {
		t.Skip("built without cgo")
	}
	i := &identities{world: newWorld(t), soft: hsmtest.NewSoftHSM(t, tokens...)}
	key, err := pkitest.NewKey("ecdsa256")
	if err == nil {
		i.root, err = pkitest.NewRoot(i.epoch, pkitest.Name("Root", "Example", ""), key)
	}
	if err != nil {
		t.Fatal(err)
	}
	i.writePEM("root.pem", i.root.Cert.Raw)
	return i
}

func (i *identities) writePEM(name string, der []byte) {
	i.t.Helper()
	i.write(name, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// token opens the token of a node as an operator's tool would, beside the daemon.
func (i *identities) token(node string, f func(h hsm.Token)) {
	i.t.Helper()
	h, err := pkcs11.Open(i.t.Context(), pkcs11.Options{Token: i.soft.URI(node)})
	if err != nil {
		i.t.Fatal(err)
	}
	defer h.Close()
	f(h)
}

// issue makes the key "identity" in the token of a node unless it is there, and a certificate for it.
func (i *identities) issue(node, addr string, kind hsm.Kind) {
	i.t.Helper()
	i.token(node, func(h hsm.Token) {
		if err := h.Ensure(i.t.Context(), "identity", hsm.Spec{Kind: kind, Use: hsm.Sign}); err != nil {
			i.t.Fatal(err)
		}
		public, err := h.Public(i.t.Context(), "identity")
		if err != nil {
			i.t.Fatal(err)
		}
		cert, err := i.root.Issue(i.epoch, pkitest.Request{Subject: pkitest.Name(node, "Example", ""), Addresses: []netip.Addr{netip.MustParseAddr(addr)}}, public)
		if err != nil {
			i.t.Fatal(err)
		}
		i.writePEM(node+".pem", cert.Raw)
	})
}

// sections are custody and certificates of a node.
func (i *identities) sections(node string) string {
	return fmt.Sprintf("custody: {module: %s, token: 'pkcs11:token=%s', pin: {file: %s}, allow-oaep-sha1: true}\ncertificates: {own: [{file: %s.pem, key: 'pkcs11:object=identity'}], ca: [root.pem]}\n",
		i.soft.Module, node, i.soft.PINFile(), node)
}

// renewed puts a certificate for a key that nobody has in the place of another, until undo is called.
func (i *identities) renewed(m *gateway, file, addr string) (undo func()) {
	i.t.Helper()
	was, err := os.ReadFile(i.path(file))
	if err != nil {
		i.t.Fatal(err)
	}
	key, err := pkitest.NewKey("ecdsa256")
	if err != nil {
		i.t.Fatal(err)
	}
	cert, err := i.root.Issue(i.epoch, pkitest.Request{Subject: pkitest.Name(m.name, "Example", ""), Addresses: []netip.Addr{netip.MustParseAddr(addr)}}, key.Public())
	if err != nil {
		i.t.Fatal(err)
	}
	i.writePEM(file, cert.Raw)
	return func() { i.write(file, string(was)) }
}

// member runs a member with the key of its certificate in its token.
func (i *identities) member(node, addr, suite string, conn wire.Conn) *gateway {
	i.t.Helper()
	i.write(node+".yml", fmt.Sprintf(`
name: %[1]s
control: %[1]s.sock
state: %[1]s
identity: {address: %[2]s}
local: %[3]s
%[4]s
interfaces: {lan: [lan0], wan: wan0, tun: gv0}
phase1: {suites: [%[5]s]}
groups:
  - name: blue
    id: 1234
    key-servers: [{address: "%[6]s"}]
    clear: ["deny tcp any any eq 22"]
    protect: [10.0.0.0/8]
`, node, addr, freePort(i.t, addr), i.sections(node), suite, i.ks))
	return i.runGM(node, conn)
}

// TestIdentitiesInTokens: key server and members prove themselves with keys that never leave their tokens: RSA, P-256 and
// P-384. A renewed certificate is taken up; one that does not fit the key is not.
func TestIdentitiesInTokens(t *testing.T) {
	for _, row := range []struct {
		kind  hsm.Kind
		suite string
	}{{hsm.RSA2048, "aes128-sha256-ecp256-rsa"}, {hsm.P256, "aes128-sha256-ecp256-ecdsa256"}, {hsm.P384, "aes128-sha384-ecp384-ecdsa384"}} {
		t.Run(row.kind.String(), func(t *testing.T) {
			i := newIdentities(t, "ks1", "gm1")
			i.issue("ks1", "127.0.0.1", row.kind)
			i.issue("gm1", "127.0.1.1", row.kind)
			i.edit("phase1: {suites: [aes128-sha256-ecp256], lifetime: 1h}\n", "phase1: {suites: ["+row.suite+"], lifetime: 1h}\n"+i.sections("ks1"),
				"pre-shared-keys:\n  - {peer: 127.0.1.0/24, secret-file: psk}\n", "")
			i.startKS()
			ca, _ := wiretest.Pair(16, nil)
			m := i.member("gm1", "127.0.1.1", row.suite, ca)
			await(t, m.client, "registration", registered)
			await(t, i.ksClient(), "the member's certificate", func(x control.Watch) bool {
				return x.Snapshot != nil && len(x.Snapshot.KS.Groups[0].Members) == 1
			})
			i.issue("gm1", "127.0.1.1", row.kind)
			if text, err := m.daemon.Reload(t.Context()); err != nil || !strings.Contains(text, "certificate") {
				t.Errorf("renewal: %q, %v", text, err)
			}
			before := registrations(t, m)
			if _, err := m.client.Reregister(t.Context(), control.ReregisterRequest{Group: "blue"}); err != nil {
				t.Fatal(err)
			}
			await(t, m.client, "a registration with the renewed certificate", func(x control.Watch) bool {
				return x.Snapshot != nil && x.Snapshot.GM.Groups[0].Registrations > before
			})
			// A certificate for another key is not taken up.
			i.token("gm1", func(h hsm.Token) {
				if err := h.Ensure(t.Context(), "other", hsm.Spec{Kind: row.kind, Use: hsm.Sign}); err != nil {
					t.Fatal(err)
				}
				public, err := h.Public(t.Context(), "other")
				if err != nil {
					t.Fatal(err)
				}
				cert, err := i.root.Issue(i.epoch, pkitest.Request{Subject: pkitest.Name("gm1", "Example", ""), Addresses: []netip.Addr{netip.MustParseAddr("127.0.1.1")}}, public)
				if err != nil {
					t.Fatal(err)
				}
				i.writePEM("gm1.pem", cert.Raw)
			})
			if _, err := m.daemon.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "is not the key of the certificate in") || !strings.Contains(err.Error(), "old certificates and revocation lists stay in force") {
				t.Errorf("a certificate for another key: %v", err)
			}
			m.end()
			c, err := config.LoadGM(i.path("gm1.yml"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := gm.New(c, slog.New(slog.DiscardHandler), gm.Options{Clock: fast{i.epoch}, System: m.system}); err == nil || !strings.Contains(err.Error(), "pkcs11:object=identity in the token is not the key of the certificate in") {
				t.Errorf("a start with it: %v", err)
			}
		})
	}
}

// TestMemberLosesItsToken: keys and traffic go on; what takes a signature fails, says so, and succeeds when the token is back.
func TestMemberLosesItsToken(t *testing.T) {
	i := newIdentities(t, "gm1")
	i.issue("gm1", "127.0.1.1", hsm.P256)
	key, err := pkitest.NewKey("ecdsa256")
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	i.write("ks.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	cert, err := i.root.Issue(i.epoch, pkitest.Request{Subject: pkitest.Name("ks1", "Example", ""), Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	i.writePEM("ks.pem", cert.Raw)
	const suite = "aes128-sha256-ecp256-ecdsa256"
	i.edit("suites: [aes128-sha256-ecp256]", "suites: ["+suite+", aes128-sha256-ecp256]",
		"pre-shared-keys:\n", "certificates: {own: [{file: ks.pem, key-file: ks.key}], ca: [root.pem]}\npre-shared-keys:\n")
	cmd := i.startKS()
	ca, cb := wiretest.Pair(4096, nil)
	a := i.member("gm1", "127.0.1.1", suite, ca)
	b := i.startGM("gm2", "127.0.1.2", "psk", cb)
	for _, m := range []*gateway{a, b} {
		await(t, m.client, "registration", registered)
	}
	stop := stream(t, a, b)
	i.soft.Leave(t)
	await(t, a.client, "word of the lost token", func(x control.Watch) bool {
		return x.Event != nil && x.Event.Name == gdoi.NoteCustodyLost && strings.Contains(x.Event.Text, "keys and traffic go on")
	})
	if _, err := a.daemon.Reload(t.Context()); err != nil {
		t.Errorf("revocation lists cannot be renewed without the token: %v", err)
	}
	renewed := i.renewed(a, "gm1.pem", "127.0.1.1")
	if _, err := a.daemon.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "stay in force") {
		t.Errorf("a certificate for a key that cannot be checked was taken up: %v", err)
	}
	renewed()
	before := rekeys(t, a, b)
	await(t, a.client, "a rekey without the token", func(x control.Watch) bool {
		return x.Snapshot != nil && x.Snapshot.GM.Groups[0].RekeysReceived > before[0]+1
	})
	s, err := a.client.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c := s.Custody; c == nil || c.Ready || len(c.Degraded) == 0 || !strings.Contains(c.Degraded[0], "no new phase 1 ") {
		t.Errorf("the console is told %+v", c)
	}
	sent, lost := stop()
	if sent < 100 || lost != 0 {
		t.Errorf("%d of %d packets lost", lost, sent)
	}
	// A key server that has forgotten its phase 1 makes a new one necessary, which fails for want of a signature.
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	i.startKS()
	if _, err := a.client.Reregister(t.Context(), control.ReregisterRequest{Group: "blue"}); err != nil {
		t.Fatal(err)
	}
	await(t, a.client, "a registration that fails", func(x control.Watch) bool {
		return x.Event != nil && x.Event.Name == gdoi.NoteRegisterFailed && x.Event.Reason == "sign-failed" && strings.Contains(x.Event.Text, "pkcs11:object=identity")
	})
	if s, err = a.client.Snapshot(t.Context()); err != nil || len(s.GM.Groups[0].TEKs) == 0 {
		t.Errorf("the member has given its keys up: %v", err)
	}
	n := registrations(t, a)
	i.soft.Return(t)
	await(t, a.client, "word of the token", func(x control.Watch) bool { return x.Event != nil && x.Event.Name == gdoi.NoteCustodyBack })
	await(t, a.client, "a registration with the token", func(x control.Watch) bool {
		return x.Snapshot != nil && x.Snapshot.GM.Groups[0].Registrations > n
	})
}

func registrations(t *testing.T, m *gateway) uint64 {
	t.Helper()
	s, err := m.client.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.GM.Groups[0].Registrations
}
