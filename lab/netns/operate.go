package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/hsm/softhsm"
	"github.com/getvpn/getvpn/lab/pki"
	"github.com/getvpn/getvpn/lab/scenario"
)

// console is the program that acts for operators.
const console = "getvpn-tui"

// Operate runs getvpn-tui VERB ARGUMENT... at the control socket of a node's daemon and returns what it printed.
func (l *Lab) Operate(ctx context.Context, node string, args []string) (string, error) {
	path, err := findProgram(console)
	if err != nil {
		return "", err
	}
	return output(exec.CommandContext(ctx, path, append([]string{"--socket", l.socket(node)}, args...)...), //nolint:gosec // our own program
		func(cmd *exec.Cmd) error { return cmd.Start() })
}

// Run runs a program inside a node and returns what it printed.
func (l *Lab) Run(ctx context.Context, node string, argv []string) (string, error) {
	if len(argv) == 0 {
		return "", errors.New("no command")
	}
	return output(exec.CommandContext(ctx, argv[0], argv[1:]...), //nolint:gosec // from the scenario
		func(cmd *exec.Cmd) error { return l.StartCommand(node, cmd) })
}

func output(cmd *exec.Cmd, start func(*exec.Cmd) error) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

// Reload sends SIGHUP to the daemon of a node.
func (l *Lab) Reload(node string) error {
	return l.change(func(st *State) error {
		n, err := runningOf(st, node)
		if err != nil {
			return err
		}
		return n.process().signal(unix.SIGHUP)
	})
}

// Pause stops the daemon of a node where it stands, with SIGSTOP, as a machine that hangs would; it keeps its sockets.
func (l *Lab) Pause(node string) error { return l.end(node, WantedPaused, process.pause) }

// Resume lets a paused daemon go on.
func (l *Lab) Resume(node string) error {
	return l.end(node, WantedRunning, func(p process) error { return p.signal(unix.SIGCONT) })
}

// Wipe empties the state directory of a daemon that does not run, so that it starts as one that has never been; or it takes
// away only what is named, as the database beside a signing key that stays.
func (l *Lab) Wipe(node string, only ...string) error {
	return l.change(func(st *State) error {
		n, err := daemonOf(st, node)
		if err != nil {
			return err
		}
		if n.process().alive() {
			return fmt.Errorf("the daemon of %s is running; stop it, or kill it, before its state is wiped", node)
		}
		dir := l.state(node)
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
func (l *Lab) Configure(node, program string, vars map[string]string) error {
	n := l.s.Node(node)
	if n == nil {
		return unknownNode(node)
	}
	changed := *n
	if program != "" {
		changed.Program = program
	}
	changed.NodeVars = map[string]string{}
	maps.Copy(changed.NodeVars, n.NodeVars)
	maps.Copy(changed.NodeVars, vars)
	at, err := l.places(node)
	if err != nil {
		return err
	}
	text, err := l.s.Render(&changed, at)
	if err != nil {
		return err
	}
	return os.WriteFile(l.configFile(node), []byte(text), 0o600)
}

// Revoke puts a certificate of the lab on its authority's revocation list. Daemons see it when they reload.
func (l *Lab) Revoke(certificate string) error {
	return pki.Revoke(filepath.Join(Dir(l.name), "secrets"), l.s.PKI, certificate, time.Now())
}

func (l *Lab) state(node string) string { return filepath.Join(Dir(l.name), "state", node) }

// places fails when the node has a token and SoftHSM is not installed.
func (l *Lab) places(node string) (at scenario.Places, err error) {
	dir := Dir(l.name)
	at = scenario.Places{Dir: dir, Socket: l.socket(node), State: l.state(node), Secrets: filepath.Join(dir, "secrets")}
	if l.s.HasHSM(node) {
		at.PIN = filepath.Join(hsmDir(l.name, node), userPIN)
		at.Module, err = softhsm.Module()
	}
	return at, err
}

func (l *Lab) configFile(node string) string {
	return filepath.Join(Dir(l.name), "config", node+".yaml")
}
