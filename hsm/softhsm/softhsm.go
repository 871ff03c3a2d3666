// Package softhsm makes SoftHSM tokens for tests and labs: each Dir stands for one machine's HSM. It is not for keys
// that matter: the PINs of a token are on the command line of softhsm2-util while it is made.
package softhsm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Variable is the environment variable that tells the module where its configuration is.
const Variable = "SOFTHSM2_CONF"

// ErrMissing says that SoftHSM is not installed, and what to do.
var ErrMissing = errors.New("SoftHSM is not installed: apt-get install softhsm2")

// modules are where distributions put the library.
var modules = []string{
	"/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
	"/usr/lib64/pkcs11/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so", "/usr/lib/pkcs11/libsofthsm2.so", "/usr/local/lib/softhsm/libsofthsm2.so",
}

const util = "softhsm2-util"

// Module is the path of the library; ErrMissing when the library or softhsm2-util is not there.
func Module() (string, error) {
	if _, err := exec.LookPath(util); err != nil {
		return "", ErrMissing
	}
	for _, m := range modules {
		if _, err := os.Stat(m); err == nil {
			return m, nil
		}
	}
	return "", ErrMissing
}

// Dir holds tokens, and the configuration that leads to them and to no others.
type Dir string

// Make makes the directory, of mode 0700, without a token.
func Make(path string) (Dir, error) {
	d := Dir(path)
	if err := os.MkdirAll(d.tokens(), 0o700); err != nil {
		return d, fmt.Errorf("softhsm: %w", err)
	}
	text := fmt.Sprintf("directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n", d.tokens())
	if err := os.WriteFile(d.Config(), []byte(text), 0o600); err != nil {
		return d, fmt.Errorf("softhsm: %w", err)
	}
	return d, nil
}

// Config is the value of Variable for processes that use the tokens.
func (d Dir) Config() string { return filepath.Join(string(d), "softhsm2.conf") }

func (d Dir) tokens() string { return filepath.Join(string(d), "tokens") }
func (d Dir) away() string   { return filepath.Join(string(d), "tokens.away") }

// Init makes a token.
func (d Dir) Init(label, pin, officerPIN string) error {
	return d.run("--init-token", "--free", "--label", label, "--so-pin", officerPIN, "--pin", pin)
}

// Import puts a key pair into a token, under a name. The file is PKCS#8 in PEM and stays; the key in the token cannot be
// read, nor leave.
func (d Dir) Import(label, pin, name, file string) error {
	id := fmt.Sprintf("%x", name) // SoftHSM wants one that no other pair has
	return d.run("--import", file, "--token", label, "--pin", pin, "--label", name, "--id", id)
}

// run never shows the arguments, which hold PINs.
func (d Dir) run(args ...string) error {
	_, err := d.output(args...)
	return err
}

func (d Dir) output(args ...string) (string, error) {
	cmd := exec.Command(util, args...) //nolint:gosec // of tests and labs
	cmd.Env = append(os.Environ(), Variable+"="+d.Config())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", util, args[0], err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Lose takes the tokens away, as if they were pulled out; Return puts them back.
func (d Dir) Lose() error { return move(d.tokens(), d.away(), "lost already") }

// Return puts the tokens back after Lose.
func (d Dir) Return() error { return move(d.away(), d.tokens(), "there") }

// Lost says whether the tokens are away.
func (d Dir) Lost() bool {
	_, err := os.Stat(d.away())
	return err == nil
}

func move(from, to, already string) error {
	if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the token is %s", already)
	}
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("softhsm: %w", err)
	}
	return nil
}
