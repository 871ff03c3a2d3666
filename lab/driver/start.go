package driver

import (
	"context"
	"fmt"
	"time"
)

// Start starts the daemon of a node and waits until its control socket answers.
func (c *Common) Start(ctx context.Context, node string) error {
	err := c.change(func(st *State) error {
		n, err := daemonOf(st, node)
		if err != nil {
			return err
		}
		if n.Process().Alive() {
			return fmt.Errorf("%s is already running as process %d", node, n.PID)
		}
		if err := c.handOut(node); err != nil {
			return err
		}
		p, err := c.m.Launch(n, c.Environment(node))
		if err != nil {
			return err
		}
		n.PID, n.PIDStart = p.PID, p.Start
		n.want(WantedRunning)
		return nil
	})
	if err != nil {
		return err
	}
	return c.waitAnswer(ctx, node, time.Minute)
}

// Adopt makes a process that something else has started the daemon of a node.
func (c *Common) Adopt(node string, p Process) error {
	return c.change(func(st *State) error {
		n, err := daemonOf(st, node)
		if err != nil {
			return err
		}
		n.PID, n.PIDStart = p.PID, p.Start
		n.want(WantedRunning)
		return nil
	})
}

// logLag is how far behind its log may be that something else writes for a daemon.
const logLag = 300 * time.Millisecond

// waitAnswer asks until the control socket of a daemon answers, or the daemon has ended. It has not while it looks like a zombie: so does,
// for a moment, what becomes another program from one of its threads, as the first process of a container does.
func (c *Common) waitAnswer(ctx context.Context, node string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	st, err := c.State()
	if err != nil {
		return err
	}
	n, err := daemonOf(st, node)
	if err != nil {
		return err
	}
	for {
		if snap, err := c.Control(node).Snapshot(ctx); err == nil && snap.PID == innerPID(n.PID) {
			return nil
		}
		if n.Process().WaitGone(50 * time.Millisecond) {
			time.Sleep(logLag)
			return fmt.Errorf("the daemon of %s ended right after its start; the end of %s:\n%s", node, c.LogFile(node),
				Tail(c.LogFile(node), 5))
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the control socket of %s does not answer (%w); the end of %s:\n%s", node, ctx.Err(),
				c.LogFile(node), Tail(c.LogFile(node), 5))
		}
	}
}
