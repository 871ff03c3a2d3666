package driver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Machines is what drivers do differently.
type Machines interface {
	// Describe fills in what lab.json says about a node of this driver alone.
	Describe(n *NodeState)
	// Namespace is the file of a node's network namespace.
	Namespace(node string) (string, error)
	// Launch starts the daemon of a node, with more in its environment.
	Launch(n *NodeState, env []string) (Process, error)
	// Serve starts another program in a node, v, which writes to v.Log, or finds it where the node has started it, and says where that
	// one writes.
	Serve(n *NodeState, v ServiceState, argv []string) (ServiceState, error)
	// Module is the PKCS#11 library of tokens, where the daemons run.
	Module() (string, error)
}

// Common is what labs of different drivers have in common; they embed it.
type Common struct {
	name string
	s    *scenario.Scenario
	m    Machines
}

// New makes it for a lab that is there, or is being made.
func New(name string, s *scenario.Scenario, m Machines) *Common { return &Common{name, s, m} }

// Name is the name of the lab, by default that of its scenario.
func (c *Common) Name() string { return c.name }

// Scenario is the scenario that was brought up.
func (c *Common) Scenario() *scenario.Scenario { return c.s }

// State reads lab.json.
func (c *Common) State() (*State, error) { return ReadState(c.name) }

// Inside runs fn on a thread in the namespace of a node: sockets that it opens stay there.
func (c *Common) Inside(node string, fn func() error) error {
	if c.s.Node(node) == nil {
		return UnknownNode(node)
	}
	path, err := c.m.Namespace(node)
	if err != nil {
		return err
	}
	return Enter(path, fn)
}

// Control returns a client of a node's daemon.
func (c *Common) Control(node string) *client.Client { return client.New(c.socket(node)) }

func (c *Common) socket(node string) string {
	return filepath.Join(Dir(c.name), "sockets", node+".sock")
}

// LogFile is where the daemon of a node writes.
func (c *Common) LogFile(node string) string { return filepath.Join(Dir(c.name), "logs", node+".log") }

// UnknownNode says that a lab has no such node.
func UnknownNode(node string) error {
	return fmt.Errorf("there is no node %q in this lab; getvpn-lab status lists them", node)
}

// change runs fn with lab.json locked and writes what fn changed.
func (c *Common) change(fn func(*State) error) error {
	unlock, err := lock(c.name)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := ReadState(c.name)
	if err != nil {
		return err
	}
	failed := fn(st)
	return errors.Join(failed, st.write())
}

func daemonOf(st *State, node string) (*NodeState, error) {
	n := st.node(node)
	if n == nil {
		return nil, UnknownNode(node)
	}
	if n.Program == "" {
		return nil, fmt.Errorf("node %s has no daemon", node)
	}
	return n, nil
}

// runningOf is daemonOf for a daemon that lives.
func runningOf(st *State, node string) (*NodeState, error) {
	n, err := daemonOf(st, node)
	if err == nil && !n.Process().Alive() {
		return nil, fmt.Errorf("the daemon of %s is not running", node)
	}
	return n, err
}

// PID is the process of a node's daemon, 0 when it does not live.
func (c *Common) PID(node string) (int, error) {
	st, err := c.State()
	if err != nil {
		return 0, err
	}
	n, err := daemonOf(st, node)
	if err != nil || !n.Process().Alive() {
		return 0, err
	}
	return n.PID, nil
}

// Stop ends the daemon of a node in order.
func (c *Common) Stop(node string) error {
	return c.end(node, WantedStopped, func(p Process) error { return p.Terminate(10 * time.Second) })
}

// Kill ends the daemon of a node with SIGKILL, as a crash would.
func (c *Common) Kill(node string) error { return c.end(node, WantedKilled, Process.Kill) }

func (c *Common) end(node, wanted string, how func(Process) error) error {
	return c.change(func(st *State) error {
		n, err := runningOf(st, node)
		if err != nil {
			return err
		}
		n.want(wanted)
		return how(n.Process())
	})
}

// Registered says whether a member has keys and sends with them; when not, why.
func (c *Common) Registered(ctx context.Context, node string) (bool, string) {
	snap, err := c.Control(node).Snapshot(ctx)
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
func (c *Common) WaitRegistered(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for _, node := range c.s.Named(scenario.KindMember) {
		if n := c.s.Node(node); n.Program == "" || n.Manual {
			continue
		}
		for {
			ok, why := c.Registered(ctx, node)
			if ok {
				break
			}
			if pid, err := c.PID(node); err != nil || pid == 0 {
				return errors.Join(err, fmt.Errorf("the daemon of %s has ended; the end of its log:\n%s", node, Tail(c.LogFile(node), 5)))
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s has not registered within %s (%s); the end of its log:\n%s", node, limit, why,
					Tail(c.LogFile(node), 5))
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
