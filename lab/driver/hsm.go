package driver

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

// TokenLost is the kind of fault that a lost token is; its spec is the node.
const TokenLost = "token lost"

func hsmDir(lab, node string) string { return filepath.Join(Dir(lab), "hsm", node) }

// ours says whether a program is a daemon of this product, which initialises tokens itself.
func ours(binary string) bool { return binary == "getvpn-ks" || binary == "getvpn-gm" }

// makePlace makes the place of a node's token, and the PINs of its user and of its officer, before there is a token.
func makePlace(dir string) error {
	if _, err := softhsm.Make(dir); err != nil {
		return err
	}
	for _, name := range []string{userPIN, officerPIN} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(rand.Text()+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// makeToken makes the token, as an operator does with the daemon's program, which makes the keys that the configuration
// names too; then keys of certificates move into it.
func (c *Common) makeToken(n scenario.Node, program, config string) error {
	dir := hsmDir(c.name, n.Name)
	if err := makePlace(dir); err != nil {
		return err
	}
	d := softhsm.Dir(dir)
	pin, err := c.pin(n.Name, userPIN)
	if err != nil {
		return err
	}
	if ours(filepath.Base(program)) {
		cmd := exec.Command(program, "hsm", "init", "--config", config, "--so-pin-file", filepath.Join(dir, officerPIN)) //nolint:gosec // our own program
		cmd.Env = append(os.Environ(), c.Environment(n.Name)...)
		if _, err := Output(cmd, (*exec.Cmd).Start); err != nil {
			return err
		}
	} else {
		officer, err := c.pin(n.Name, officerPIN)
		if err != nil {
			return err
		}
		if err := d.Init(n.HSM.Token, pin, officer); err != nil {
			return err
		}
	}
	for _, name := range n.HSM.Keys {
		file := filepath.Join(c.all(), name+".key")
		if err := d.Import(n.HSM.Token, pin, name, file); err != nil {
			return err
		}
		if err := errors.Join(os.Remove(file), os.RemoveAll(filepath.Join(c.handed(n.Name), name+".key"))); err != nil {
			return err
		}
	}
	return nil
}

// Files with PINs.
const (
	userPIN    = "pin"
	officerPIN = "so-pin"
)

func (c *Common) pin(node, name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(hsmDir(c.name, node), name))
	return strings.TrimSpace(string(b)), err
}

// LoseToken takes the token of a node away, as if it were pulled out of the machine; ReturnToken puts it back.
func (c *Common) LoseToken(node string) error {
	return c.token(node, func(st *State, d softhsm.Dir) error {
		if err := d.Lose(); err != nil {
			return err
		}
		st.Faults = append(activeFaults(st.Faults), Fault{Kind: TokenLost, Spec: node, Since: time.Now().UTC(), By: who()})
		return nil
	})
}

// ReturnToken ends LoseToken.
func (c *Common) ReturnToken(node string) error {
	return c.token(node, func(st *State, d softhsm.Dir) error {
		if err := d.Return(); err != nil {
			return err
		}
		st.Faults = slices.DeleteFunc(activeFaults(st.Faults), func(f Fault) bool { return f.Kind == TokenLost && f.Spec == node })
		return nil
	})
}

func (c *Common) token(node string, do func(*State, softhsm.Dir) error) error {
	if c.s.Node(node) == nil {
		return UnknownNode(node)
	}
	if !c.s.HasHSM(node) {
		return fmt.Errorf("node %s has no hsm: in the scenario, so it has no token", node)
	}
	return c.change(func(st *State) error {
		if err := do(st, softhsm.Dir(hsmDir(c.name, node))); err != nil {
			return fmt.Errorf("%s: %w", node, err)
		}
		return nil
	})
}

// returnTokens puts back all that are lost.
func (c *Common) returnTokens() error {
	var errs []error
	for _, n := range c.s.Nodes {
		if d := softhsm.Dir(hsmDir(c.name, n.Name)); n.HSM != nil && d.Lost() {
			errs = append(errs, d.Return())
		}
	}
	return errors.Join(errs...)
}

// Environment is what a program needs to use the token of its node, and to find its services.
func (c *Common) Environment(node string) (env []string) {
	if c.s.HasHSM(node) {
		env = append(env, softhsm.Variable+"="+softhsm.Dir(hsmDir(c.name, node)).Config())
	}
	if n := c.s.Node(node); n != nil && len(n.Services) > 0 {
		env = append(env, servicesVariable+"="+c.services(node))
	}
	return env
}

// TokenSecrets is everything that is secret in the token of a node: values of keys, and the PIN.
func (c *Common) TokenSecrets(node string) ([]remains.Secret, error) {
	n := c.s.Node(node)
	if n == nil || n.HSM == nil {
		return nil, fmt.Errorf("node %s has no token", node)
	}
	pin, err := c.pin(node, userPIN)
	if err != nil {
		return nil, err
	}
	return softhsm.Dir(hsmDir(c.name, node)).Secrets(n.HSM.Token, pin)
}

// Secret is one of the secrets of the lab, without the newline of its file.
func (c *Common) Secret(name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(c.all(), name))
	return bytes.TrimSpace(b), err
}

// Written is what the daemon of a node writes: its state directory and its log.
func (c *Common) Written(node string) []string { return []string{c.state(node), c.LogFile(node)} }
