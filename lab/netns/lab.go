package netns

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Lab is a lab that is up.
type Lab struct {
	name string
	s    *scenario.Scenario
}

// Open finds a lab that is up. An empty name means the only one.
func Open(name string) (*Lab, error) {
	if name == "" {
		switch labs := Labs(); len(labs) {
		case 0:
			return nil, fmt.Errorf("%w: there is none; getvpn-lab up basic brings one up", ErrNotUp)
		case 1:
			name = labs[0]
		default:
			return nil, fmt.Errorf("several labs are up (%v): choose one with --lab", labs)
		}
	}
	st, err := readState(name)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(st.Dir, "scenario.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", name, err)
	}
	s, err := scenario.Parse(file, text, scenario.Options{Set: st.Vars})
	if err != nil {
		return nil, err
	}
	return &Lab{name: name, s: s}, nil
}

// Name is the name of the lab, by default that of its scenario.
func (l *Lab) Name() string { return l.name }

// Scenario is the scenario that was brought up.
func (l *Lab) Scenario() *scenario.Scenario { return l.s }

// State reads lab.json.
func (l *Lab) State() (*State, error) { return readState(l.name) }

// Inside runs fn on a thread in the namespace of a node: sockets that it opens stay there.
func (l *Lab) Inside(node string, fn func() error) error {
	if l.s.Node(node) == nil {
		return unknownNode(node)
	}
	return inside(prefix(l.name)+node, fn)
}

// Control returns a client of a node's daemon.
func (l *Lab) Control(node string) *client.Client { return client.New(l.socket(node)) }

func (l *Lab) socket(node string) string {
	return filepath.Join(Dir(l.name), "sockets", node+".sock")
}

// LogFile is where the daemon of a node writes.
func (l *Lab) LogFile(node string) string { return filepath.Join(Dir(l.name), "logs", node+".log") }

func unknownNode(node string) error {
	return fmt.Errorf("there is no node %q in this lab; getvpn-lab status lists them", node)
}

// change runs fn with lab.json locked and writes what fn changed.
func (l *Lab) change(fn func(*State) error) error {
	unlock, err := lock(l.name)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := readState(l.name)
	if err != nil {
		return err
	}
	failed := fn(st)
	return errors.Join(failed, st.write())
}

func daemonOf(st *State, node string) (*NodeState, error) {
	n := st.node(node)
	if n == nil {
		return nil, unknownNode(node)
	}
	if n.Program == "" {
		return nil, fmt.Errorf("node %s has no daemon", node)
	}
	return n, nil
}

// runningOf is daemonOf for a daemon that lives.
func runningOf(st *State, node string) (*NodeState, error) {
	n, err := daemonOf(st, node)
	if err == nil && !n.process().alive() {
		return nil, fmt.Errorf("the daemon of %s is not running", node)
	}
	return n, err
}

// PID is the process of a node's daemon, 0 when it does not live.
func (l *Lab) PID(node string) (int, error) {
	st, err := l.State()
	if err != nil {
		return 0, err
	}
	n, err := daemonOf(st, node)
	if err != nil || !n.process().alive() {
		return 0, err
	}
	return n.PID, nil
}

// Start starts the daemon of a node and waits until its control socket answers.
func (l *Lab) Start(ctx context.Context, node string) error {
	err := l.change(func(st *State) error {
		n, err := daemonOf(st, node)
		if err != nil {
			return err
		}
		if n.process().alive() {
			return fmt.Errorf("%s is already running as process %d", node, n.PID)
		}
		p, err := launch(n.Namespace, n.Log, l.environment(node), n.Program, "--config", n.Config)
		if err != nil {
			return err
		}
		n.PID, n.PIDStart, n.Wanted = p.pid, p.start, WantedRunning
		return nil
	})
	if err != nil {
		return err
	}
	return l.waitAnswer(ctx, node, time.Minute)
}

func (l *Lab) waitAnswer(ctx context.Context, node string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		pid, err := l.PID(node)
		if err != nil {
			return err
		}
		if pid == 0 {
			return fmt.Errorf("the daemon of %s ended right after its start; the end of %s:\n%s", node, l.LogFile(node),
				Tail(l.LogFile(node), 5))
		}
		if snap, err := l.Control(node).Snapshot(ctx); err == nil && snap.PID == pid {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the control socket of %s does not answer (%w); the end of %s:\n%s", node, ctx.Err(),
				l.LogFile(node), Tail(l.LogFile(node), 5))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Stop ends the daemon of a node in order.
func (l *Lab) Stop(node string) error {
	return l.end(node, WantedStopped, func(p process) error { return p.terminate(10 * time.Second) })
}

// Kill ends the daemon of a node with SIGKILL, as a crash would.
func (l *Lab) Kill(node string) error { return l.end(node, WantedKilled, process.kill) }

func (l *Lab) end(node, wanted string, how func(process) error) error {
	return l.change(func(st *State) error {
		n, err := runningOf(st, node)
		if err != nil {
			return err
		}
		n.Wanted = wanted
		return how(n.process())
	})
}

// Registered says whether a member has keys and sends with them; when not, why.
func (l *Lab) Registered(ctx context.Context, node string) (bool, string) {
	snap, err := l.Control(node).Snapshot(ctx)
	if err != nil {
		return false, err.Error()
	}
	if snap.GM == nil || len(snap.GM.Groups) == 0 {
		return false, "no group"
	}
	for _, g := range snap.GM.Groups {
		sending := false
		for _, t := range g.TEKs {
			sending = sending || t.Phase == control.PhaseSending
		}
		if !sending || (g.State != control.StateRegistered && g.State != control.StateReregistering) {
			return false, g.State + " " + g.StateReason
		}
	}
	return true, ""
}

// WaitRegistered waits until every member that is part of the group has keys.
func (l *Lab) WaitRegistered(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, node := range l.s.Named(scenario.KindMember) {
		if n := l.s.Node(node); n.Program == "" || n.Manual {
			continue
		}
		for {
			ok, why := l.Registered(ctx, node)
			if ok {
				break
			}
			if pid, err := l.PID(node); err != nil || pid == 0 {
				return errors.Join(err, fmt.Errorf("the daemon of %s has ended; the end of its log:\n%s", node, Tail(l.LogFile(node), 5)))
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s has not registered within %s (%s); the end of its log:\n%s", node, limit, why,
					Tail(l.LogFile(node), 5))
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

// addresses are those of a node as on its interfaces.
func addresses(n scenario.Node) []netip.Prefix {
	var out []netip.Prefix
	for _, a := range n.Addresses {
		out = append(out, a.Prefixes()...)
	}
	return out
}
