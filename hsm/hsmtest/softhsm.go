package hsmtest

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/remains"
	"github.com/getvpn/getvpn/hsm/softhsm"
)

// SoftHSM is a directory of SoftHSM tokens that a test makes for itself.
type SoftHSM struct {
	Module string // path of the library
	Config string // value of SOFTHSM2_CONF, for other processes
	dir    softhsm.Dir
	pin    string // a file
	secret string // the PIN: another in every test, so that it is in no binary
}

// NewSoftHSM makes tokens of these labels, and points SOFTHSM2_CONF to them until the test ends. Without SoftHSM the
// test skips itself and says what to do.
func NewSoftHSM(t testing.TB, labels ...string) *SoftHSM {
	t.Helper()
	module, err := softhsm.Module()
	if err != nil {
		t.Skipf("nothing here is proven of a real token: %v (make test does it as root)", err)
	}
	dir := t.TempDir()
	d, err := softhsm.Make(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &SoftHSM{Module: module, Config: d.Config(), dir: d, pin: filepath.Join(dir, "pin"), secret: rand.Text()}
	if err := os.WriteFile(s.pin, []byte(s.secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(softhsm.Variable, s.Config)
	for _, label := range labels {
		if err := d.Init(label, s.secret, "officer 12"); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// URI names a token by its label.
func (s *SoftHSM) URI(label string) hsm.URI {
	return hsm.URI{Token: label, ModulePath: s.Module, PINSource: s.pin}
}

// PINFile is the file with the PIN of all tokens.
func (s *SoftHSM) PINFile() string { return s.pin }

// PIN is the PIN of all tokens.
func (s *SoftHSM) PIN() []byte { return []byte(s.secret) }

// Finder looks for everything that is secret in a token, as it is now, and for more.
func (s *SoftHSM) Finder(t testing.TB, label string, more ...remains.Secret) *remains.Finder {
	t.Helper()
	f, err := remains.NewFinder(append(s.Secrets(t, label), more...)...)
	done(t, err)
	return f
}

// Secrets are what is secret in a token, as it is now (see softhsm.Dir).
func (s *SoftHSM) Secrets(t testing.TB, label string) []remains.Secret {
	t.Helper()
	all, err := s.dir.Secrets(label, s.secret)
	done(t, err)
	return all
}

// Leave takes the tokens away, as if they were pulled out.
func (s *SoftHSM) Leave(t testing.TB) { done(t, s.dir.Lose()) }

// Return puts them back.
func (s *SoftHSM) Return(t testing.TB) { done(t, s.dir.Return()) }

func done(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
