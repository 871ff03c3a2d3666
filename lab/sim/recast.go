package sim

import (
	"errors"
	"slices"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
)

// Configuration files that change while a run goes on.

// Cast checks a file for a node, before it is used.
func (n *Node) Cast(p Part) (Part, error) {
	p.Name = n.Name
	if err := p.refuse(); err != nil {
		return p, err
	}
	err := p.translate(n.number())
	p.ks.Groups = n.keep(p.ks.Groups)
	return p, err
}

// Recast gives a node, which does not run, a file that it starts with.
func (n *Node) Recast(p Part) { *n.s.cfg.Cast.part(n.index) = p }

// Part is the file of a node as it is in force, or starts with.
func (n *Node) Part() Part { return *n.s.cfg.Cast.part(n.index) }

var errNotRunning = errors.New("the daemon is not running")

// Plan says what it would mean for a key server that runs if this file took the place of its own.
func (n *Node) Plan(p Part, r control.PlanRequest) (*control.Plan, error) {
	if n.KeyServer() == nil {
		return nil, errNotRunning
	}
	plans, err := n.KeyServer().Plan(n.clock(), node.Reconfigure{Groups: p.ks.Groups, Only: r.Group, Now: r.Now})
	if err != nil {
		return nil, err
	}
	return translate.Plan(n.Part().KS, p.KS, r, plans), nil
}

// Reconfigure orders a key server to take what can change from a file. It has it when the command of this id is answered without an
// error: then Take makes it the node's.
func (n *Node) Reconfigure(p Part, r control.PlanRequest, id uint64) {
	was := n.Part()
	next := Part{Name: n.Name, KS: translate.Merged(was.KS, p.KS, r.Group), Manual: was.Manual, ks: was.ks}
	next.ks.Groups = p.ks.Groups
	if r.Group == "" {
		next.ks.Phase1 = p.ks.Phase1
	} else if t := next; t.translate(n.number()) == nil { // of all groups as they are then
		next.ks.Groups = n.keep(t.ks.Groups)
	}
	n.next = &next
	n.Do(node.Reconfigure{Groups: p.ks.Groups, Only: r.Group, Now: r.Now, Coop: translate.Cooperation(next.KS), ID: id})
}

// Take ends a Reconfigure.
func (n *Node) Take(done bool) {
	if n.next != nil && done {
		n.Recast(*n.next)
	}
	n.next = nil
}

// Note writes into the journal of a node what the daemon around the machine has to say.
func (n *Node) Note(e machine.Note) { n.effect(e) }

// signs says whether a key server has a signature key of this name, or is about to.
func (n *Node) signs(name string) bool {
	has := func(g keyserver.Config) bool { return g.SignKey == name }
	return n.s.cfg.signs(n.number(), name) || n.next != nil && slices.ContainsFunc(n.next.ks.Groups, has)
}

var errStore = errors.New("sim: nothing was written, because the configuration says faults.store-fails")

// Disturb makes the store and the token of a key server as the faults in its file have it.
func (n *Node) Disturb(f config.Faults) {
	if t := n.token; t != nil {
		t.slow, t.full = f.TokenDelay, f.TokenFull
		if f.TokenGone && !t.lost {
			n.LoseToken()
		}
	}
	n.slow, n.store = f.StoreDelay, nil
	if f.StoreFails {
		n.store = errStore
	}
}
