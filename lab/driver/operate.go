package driver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/pki"
	"github.com/getvpn/getvpn/lab/scenario"
)

// console is the program that acts for operators.
const console = "getvpn-tui"

// Operate runs getvpn-tui VERB ARGUMENT... at the control socket of a node's daemon and returns what it printed.
func (c *Common) Operate(ctx context.Context, node string, args []string) (string, error) {
	path, err := FindProgram(console)
	if err != nil {
		return "", err
	}
	return Output(exec.CommandContext(ctx, path, append([]string{"--socket", c.socket(node)}, args...)...), //nolint:gosec // our own program
		func(cmd *exec.Cmd) error { return cmd.Start() })
}

// StartCommand starts a program inside a node, with the streams of cmd; the caller waits for it.
func (c *Common) StartCommand(node string, cmd *exec.Cmd) error {
	cmd.Env = append(cmd.Environ(), c.Environment(node)...)
	if err := c.Inside(node, cmd.Start); err != nil {
		return fmt.Errorf("%s in %s: %w", cmd.Path, node, err)
	}
	return nil
}

// Exited is the error of a program that has ended with another status than 0.
type Exited struct {
	Program string
	Status  int    // -1: a signal ended it
	Said    string // on standard error
	Err     error
}

func (e *Exited) Error() string { return fmt.Sprintf("%s: %v: %s", e.Program, e.Err, e.Said) }
func (e *Exited) Unwrap() error { return e.Err }

// Output runs a program, which start starts, and returns what it printed.
func Output(cmd *exec.Cmd, start func(*exec.Cmd) error) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), &Exited{filepath.Base(cmd.Path), cmd.ProcessState.ExitCode(), strings.TrimSpace(errs.String()), err}
	}
	return out.String(), nil
}

// Reload sends SIGHUP to the daemon of a node. What its file names by now is there.
func (c *Common) Reload(node string) error {
	return c.change(func(st *State) error {
		n, err := runningOf(st, node)
		if err != nil {
			return err
		}
		if err := c.handOut(node); err != nil {
			return err
		}
		return n.Process().Signal(unix.SIGHUP)
	})
}

// Pause stops the daemon of a node where it stands, with SIGSTOP, as a machine that hangs would; it keeps its sockets.
func (c *Common) Pause(node string) error { return c.end(node, WantedPaused, Process.Pause) }

// Resume lets a paused daemon go on.
func (c *Common) Resume(node string) error {
	return c.end(node, WantedRunning, func(p Process) error { return p.Signal(unix.SIGCONT) })
}

// Wipe empties the state directory of a daemon that does not run, so that it starts as one that has never been; or it takes
// away only what is named, as the database beside a signing key that stays.
func (c *Common) Wipe(node string, only ...string) error {
	return c.change(func(st *State) error {
		n, err := daemonOf(st, node)
		if err != nil {
			return err
		}
		if n.Process().Alive() {
			return fmt.Errorf("the daemon of %s is running; stop it, or kill it, before its state is wiped", node)
		}
		dir := c.state(node)
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("state of %s: %w", node, err)
		}
		for _, e := range entries {
			if len(only) == 0 || slices.Contains(only, e.Name()) {
				err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
			}
		}
		return err
	})
}

// Configure writes the configuration file of a node's daemon anew, from another program of the scenario or with other
// variables; the daemon reads it when it starts or reloads. What is not set is as it was at first.
func (c *Common) Configure(node, program string, vars map[string]string) error {
	n := c.s.Node(node)
	if n == nil {
		return UnknownNode(node)
	}
	at, err := c.places(node)
	if err != nil {
		return err
	}
	text, err := c.s.Render(n.Configured(program, vars), at)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.configFile(node), []byte(text), 0o600); err != nil {
		return fmt.Errorf("configuration of %s: %w", node, err)
	}
	return c.handOut(node)
}

// Revoke puts a certificate of the lab on its authority's revocation list. Daemons see it when they reload.
func (c *Common) Revoke(certificate string) error {
	if err := pki.Revoke(c.all(), c.s.PKI, certificate, time.Now()); err != nil {
		return err
	}
	return c.renew(c.s.PKI.Certificate(certificate).By + ".crl")
}

func (c *Common) state(node string) string { return filepath.Join(Dir(c.name), "state", node) }

// places fails when the node has a token and SoftHSM is not installed.
func (c *Common) places(node string) (at scenario.Places, err error) {
	at = scenario.Places{Dir: Dir(c.name), Socket: c.socket(node), State: c.state(node), Secrets: c.handed(node), Service: c.services(node)}
	if c.s.HasHSM(node) {
		at.PIN = filepath.Join(hsmDir(c.name, node), userPIN)
		at.Module, err = c.m.Module()
	}
	return at, err
}
