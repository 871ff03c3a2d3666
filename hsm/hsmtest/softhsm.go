package hsmtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/getvpn/getvpn/hsm"
)

// SoftHSM is a directory of SoftHSM tokens that a test makes for itself.
type SoftHSM struct {
	Module string // path of the library
	Config string // value of SOFTHSM2_CONF, for other processes
	dir    string
	pin    string // a file
}

// modules are where distributions put the library.
var modules = []string{
	"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so",
}

// NewSoftHSM makes tokens of these labels, and points SOFTHSM2_CONF to them until the test ends. Without SoftHSM the
// test skips itself and says what to do.
func NewSoftHSM(t testing.TB, labels ...string) *SoftHSM {
	t.Helper()
	s := &SoftHSM{}
	for _, m := range modules {
		if _, err := os.Stat(m); err == nil {
			s.Module = m
			break
		}
	}
	util, err := exec.LookPath("softhsm2-util")
	if err != nil || s.Module == "" {
		t.Skip("SoftHSM is not installed, so nothing here is proven of a real token: apt-get install softhsm2 (make test does it as root)")
	}
	dir := t.TempDir()
	s.dir, s.Config, s.pin = filepath.Join(dir, "tokens"), filepath.Join(dir, "softhsm2.conf"), filepath.Join(dir, "pin")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(s.Config, fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n", s.dir))
	write(s.pin, "correct horse 47\n")
	t.Setenv("SOFTHSM2_CONF", s.Config)
	for _, label := range labels {
		out, err := exec.Command(util, "--init-token", "--free", "--label", label, "--so-pin", "officer 12", "--pin", "correct horse 47").CombinedOutput()
		if err != nil {
			t.Fatalf("softhsm2-util --init-token: %v: %s", err, out)
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

// Leave takes the tokens away, as if they were pulled out.
func (s *SoftHSM) Leave(t testing.TB) { s.move(t, s.dir, s.dir+".away") }

// Return puts them back.
func (s *SoftHSM) Return(t testing.TB) { s.move(t, s.dir+".away", s.dir) }

func (s *SoftHSM) move(t testing.TB, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
