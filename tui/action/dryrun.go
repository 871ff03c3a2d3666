package action

import (
	"context"
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/tui/source"
)

// dryRun is the flag of all that changes a daemon.
var dryRun = Flag{Name: "dry-run", Help: "say what would be done, or why it would be refused, and do nothing"}

type dryKey struct{}

// foreseeable gives verbs that change something the flag.
func foreseeable(verbs []Verb) []Verb {
	for i := range verbs {
		v := &verbs[i]
		if v.Look {
			continue
		}
		v.Flags = append(v.Flags[:len(v.Flags):len(v.Flags)], dryRun)
		run := v.Run
		v.Run = func(ctx context.Context, fleet *source.Fleet, c Call) (Result, error) {
			if c.Dry() {
				ctx = context.WithValue(ctx, dryKey{}, true)
			}
			return run(ctx, fleet, c)
		}
	}
	return verbs
}

// Dry says whether a call asks for a dry run.
func (c Call) Dry() bool { return c.On(dryRun.Name) }

// Looks says whether a call of the verb changes nothing.
func (v *Verb) Looks(c Call) bool { return v.Look || c.Dry() && v.flag(dryRun.Name) != nil }

// daemonAt is a client of a node, which only foresees changes in a dry run. Every action gets its clients here.
func daemonAt(ctx context.Context, n *source.Node) *client.Client {
	c := client.New(n.Socket)
	if ctx.Value(dryKey{}) != nil {
		return c.DryRun()
	}
	return c
}

// foreseen is the answer to a dry run.
func foreseen(r control.Reply) string {
	text := "dry run, nothing is done: " + r.Text
	if r.Unforeseen != "" {
		text += fmt.Sprintf(" (not foreseen: %s)", r.Unforeseen)
	}
	return text
}
