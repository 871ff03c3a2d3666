package netns

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/hsm/remains"
	"github.com/getvpn/getvpn/hsm/softhsm"
	"github.com/getvpn/getvpn/lab/scenario"
)

// tokenLost is the kind of fault that a lost token is; its spec is the node.
const tokenLost = "token lost"

func hsmDir(lab, node string) string { return filepath.Join(Dir(lab), "hsm", node) }

// makeToken makes the token of a node, as a configuration can name it. One that is to have keys of certificates gets them;
// one without them comes from initToken, as for any operator.
func makeToken(dir, secrets string, h *scenario.HSM, bare bool) error {
	d, err := softhsm.Make(dir)
	if err != nil {
		return err
	}
	pins := map[string]string{"pin": rand.Text(), "so-pin": rand.Text()}
	for name, pin := range pins {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(pin+"\n"), 0o600); err != nil {
			return err
		}
	}
	if bare {
		return nil
	}
	pin := pins["pin"]
	if err := d.Init(h.Token, pin, pins["so-pin"]); err != nil {
		return err
	}
	for _, name := range h.Keys {
		file := filepath.Join(secrets, name+".key")
		if err := d.Import(h.Token, pin, name, file); err != nil {
			return err
		}
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	return nil
}

// ours says whether a program is a daemon of this product, which initialises tokens itself.
func ours(binary string) bool { return binary == "getvpn-ks" || binary == "getvpn-gm" }

// initToken has the daemon's program initialise the token and make the keys that the configuration names.
func (l *Lab) initToken(node, program, config string) error {
	cmd := exec.Command(program, "hsm", "init", "--config", config, "--so-pin-file", filepath.Join(hsmDir(l.name, node), "so-pin")) //nolint:gosec // our own program
	cmd.Env = append(os.Environ(), l.environment(node)...)
	_, err := output(cmd, func(cmd *exec.Cmd) error { return cmd.Start() })
	return err
}

// LoseToken takes the token of a node away, as if it were pulled out of the machine; ReturnToken puts it back.
func (l *Lab) LoseToken(node string) error {
	return l.token(node, func(st *State, d softhsm.Dir) error {
		if err := d.Lose(); err != nil {
			return err
		}
		st.Faults = append(activeFaults(st.Faults), Fault{Kind: tokenLost, Spec: node, Since: time.Now().UTC()})
		return nil
	})
}

// ReturnToken ends LoseToken.
func (l *Lab) ReturnToken(node string) error {
	return l.token(node, func(st *State, d softhsm.Dir) error {
		if err := d.Return(); err != nil {
			return err
		}
		st.Faults = slices.DeleteFunc(activeFaults(st.Faults), func(f Fault) bool { return f.Kind == tokenLost && f.Spec == node })
		return nil
	})
}

func (l *Lab) token(node string, do func(*State, softhsm.Dir) error) error {
	if l.s.Node(node) == nil {
		return unknownNode(node)
	}
	if !l.s.HasHSM(node) {
		return fmt.Errorf("node %s has no hsm: in the scenario, so it has no token", node)
	}
	return l.change(func(st *State) error {
		if err := do(st, softhsm.Dir(hsmDir(l.name, node))); err != nil {
			return fmt.Errorf("%s: %w", node, err)
		}
		return nil
	})
}

// returnTokens puts back all that are lost.
func (l *Lab) returnTokens() error {
	var errs []error
	for _, n := range l.s.Nodes {
		if d := softhsm.Dir(hsmDir(l.name, n.Name)); n.HSM != nil && d.Lost() {
			errs = append(errs, d.Return())
		}
	}
	return errors.Join(errs...)
}

// environment is what a program needs to use the token of its node.
func (l *Lab) environment(node string) []string {
	if !l.s.HasHSM(node) {
		return nil
	}
	return []string{softhsm.Variable + "=" + softhsm.Dir(hsmDir(l.name, node)).Config()}
}

// TokenSecrets is everything that is secret in the token of a node: values of keys, and the PIN.
func (l *Lab) TokenSecrets(node string) ([]remains.Secret, error) {
	n := l.s.Node(node)
	if n == nil || n.HSM == nil {
		return nil, fmt.Errorf("node %s has no token", node)
	}
	dir := hsmDir(l.name, node)
	pin, err := os.ReadFile(filepath.Join(dir, "pin"))
	if err != nil {
		return nil, err
	}
	return softhsm.Dir(dir).Secrets(n.HSM.Token, strings.TrimSpace(string(pin)))
}

// Secret is one of the secrets of the lab, without the newline of its file.
func (l *Lab) Secret(name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(Dir(l.name), "secrets", name))
	return bytes.TrimSpace(b), err
}

// Written is what the daemon of a node writes: its state directory and its log.
func (l *Lab) Written(node string) []string { return []string{l.state(node), l.LogFile(node)} }
