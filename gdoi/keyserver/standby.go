package keyserver

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Cooperation says that several key servers run the group.
type Cooperation struct {
	// ID is the number of this key server, IDs all of them, this one included, ascending.
	ID    coop.ID
	IDs   []coop.ID
	Split coop.Split
}

// Why a standby group does not serve.
var (
	// ErrStandby: no primary, or not yet in step with it; the member may ask again soon.
	ErrStandby = errors.New("keyserver: waiting for a primary key server")
	// ErrNotPrimary: only the primary takes this command.
	ErrNotPrimary = errors.New("keyserver: this key server is secondary in the group")
)

// Active says whether this key server makes keys and sends rekeys: it is alone, or primary.
func (g *Group) Active() bool { return !g.replica.standby }

// SetReady says whether a standby group registers members; why not, if not.
func (g *Group) SetReady(ready bool, why string) { g.replica.ready, g.replica.why = ready, why }

// serves says whether members can be registered.
func (g *Group) serves(now machine.Now) error {
	if err := g.held(now); err != nil {
		return err
	}
	if g.cfg.Custody && (g.custodyGone() || g.Active() && len(g.keks) == 0) {
		return fmt.Errorf("%w has no KEK for this group, or does not answer", ErrCustody)
	}
	switch r := &g.replica; {
	case !r.standby:
		return nil
	case !r.ready && r.why != "":
		return fmt.Errorf("%w: %s", ErrStandby, r.why)
	case r.unvouched > 0:
		return fmt.Errorf("%w: the primary does not know yet that this key server gives sender ids", ErrStandby)
	case !r.ready || len(g.keks) == 0 || len(g.teks) == 0:
		return ErrStandby
	}
	return nil
}

// commanded says whether the group takes an operator's command.
func (g *Group) commanded() error {
	if g.replica.standby {
		return fmt.Errorf("group %s: %w", g.cfg.Name, ErrNotPrimary)
	}
	return nil
}

// startStandby takes up what there is, as a copy. Whether it is still what the others have is for them to say.
func (g *Group) startStandby(now machine.Now, found bool, out machine.Effects) machine.Effects {
	text := "started without state; it waits for the other key servers"
	if found {
		text = fmt.Sprintf("started with stored keys, %d members; it waits for the other key servers", g.members.len())
	}
	if !g.replica.ownSIDs {
		g.replica.life = now.Wall.UnixNano()
		if !g.replica.anew { // an earlier start may have written so much already
			g.replica.anew, g.replica.anewAt = true, now.Mono
		}
	}
	out = append(out, g.note(gdoi.NoteKSStarted, machine.Info, text))
	// Others may have keys that this disk does not: they are told while they are being written.
	g.spis = newSPIWalk(g.env)
	g.replica.silent = true
	out = g.retire(now, out)
	out = g.flush(now, out)
	g.replica.silent = false
	return g.fetchAll(now, out)
}

// TakeOver makes the group active: with the keys that it has, in the next window of sequence numbers of this key server,
// or with fresh ones.
func (g *Group) TakeOver(now machine.Now, term uint64, out machine.Effects) machine.Effects {
	r := &g.replica
	if g.cfg.Coop == nil || g.withdrawn || !g.started {
		return out
	}
	was := r.standby
	if !was && r.term == term {
		return out
	}
	r.standby, r.term, r.ready, r.why = false, term, false, ""
	r.stir = 0
	r.head, r.confirmed, r.forgotten, r.changed, r.log, r.reports, r.unvouched = 0, 0, 0, nil, nil, nil, 0
	r.sidMark.n, r.sidMark.next = 0, g.sidNext
	r.lastContact = now.Mono
	if g.epoch == 0 || g.past.origin == 0 {
		g.newOrigin()
	} else {
		g.newReign()
	}
	if g.epoch == 0 {
		r.untold = nil
		if !r.ownSIDs {
			g.leaveGap(now, sidRecord{Next: g.cfg.SIDFirst}, 0)
		}
		return g.begin(now, out)
	}
	if was {
		g.wakeTree()
		g.restorePolicyAgain(now)
	}
	if len(r.untold) > 0 { // the last primary has not, as far as we know
		r.trustAt = now.Mono
		r.trusts++
	}
	for _, k := range g.keks {
		g.openWindow(k)
		k.sign = g.signingTrusted(k.sign, k.sign.der)
	}
	for _, m := range g.members.sorted {
		m.missed = 0
	}
	for _, id := range g.cfg.Coop.IDs {
		mark(&g.durable.sids, id, true)
		mark(&g.durable.trust, id, true)
		if g.cfg.Custody {
			mark(&g.durable.transports, id, true)
		}
	}
	if len(r.formers) > 0 {
		g.keepFormers(now)
	}
	g.beginSchedule()
	return g.wrapEverything(now, g.resume(now, out))
}

// wakeTree makes a key tree of the nodes of the copy.
func (g *Group) wakeTree() {
	g.tree.restored, g.tree.restoredHandle, g.tree.stale = g.tree.Copies(), g.tree.Handle(), g.tree.Stale()
	old := g.tree.Tree
	g.restoreTree()
	old.Destroy()
}

// restorePolicyAgain compares what members were told with the configuration of now.
func (g *Group) restorePolicyAgain(now machine.Now) {
	if p := g.replica.policy; p != nil {
		if err := g.judgePolicy(now, p, g.replica.policyAt); err != nil {
			g.told = false
		}
		g.durable.policy = true
	}
	g.replica.policy = nil
}

// StandDown makes the group standby: what is being sent ends. Keys and members stay, until Apply replaces them.
func (g *Group) StandDown(now machine.Now, out machine.Effects) machine.Effects {
	r := &g.replica
	if g.cfg.Coop == nil || r.standby {
		return out
	}
	g.cancel(func(*delivery) bool { return true })
	for _, c := range g.campaigns {
		c.destroy()
	}
	g.campaigns = nil
	g.again.Stop()
	g.time.again.Stop()
	g.endWaiting()
	g.custody.owed = false // the next primary sees to it
	out = g.flush(now, out)
	p := g.policyState(now)
	r.policy, r.policyAt = &p, g.policyAt
	r.standby, r.ready, r.why, r.stir = true, false, "it has just stood down", 0
	r.changed, r.log, r.reports = nil, nil, nil
	g.stopWrapping()
	r.sidMark.n, r.sidMark.next = r.reported, g.sidNext
	return out
}

// timeoutStandby does what is due in a copy: keys end.
func (g *Group) timeoutStandby(now machine.Now, out machine.Effects) machine.Effects {
	g.replica.silent = true
	out = g.retire(now, out)
	out = g.custodyTimeout(now, out)
	if g.durable.retry.Due(now.Mono) {
		out = g.persistAll(now, out)
	}
	out = g.flush(now, out)
	g.replica.silent = false
	return g.followRotation(now, out)
}

// leave ends the group at this key server, while the others go on.
func (g *Group) leave(now machine.Now, out machine.Effects) machine.Effects {
	out = append(out, g.note(gdoi.NoteGroupRemoved, machine.Warning, "the group is removed here; the other key servers go on with it"))
	var dead []machine.Record
	for _, key := range g.keys() {
		dead = append(dead, g.record(key, nil))
	}
	g.cancel(func(*delivery) bool { return true })
	for _, c := range g.campaigns {
		c.destroy()
	}
	g.campaigns = nil
	out = g.dropSpare(now, out)
	g.disposeAll()
	g.forget()
	g.durable.clean()
	g.withdrawn = true
	g.again.Stop()
	id := g.env.NextPersist()
	mark(&g.durable.waiting, id, nil)
	return append(out, machine.Persist{ID: id, Records: dead})
}

// rechain finds the chains of all TEKs anew, when the configuration of a copy has changed.
func (g *Group) rechain() {
	teks := g.teks
	g.teks = nil
	for _, t := range teks {
		t.chain = g.chainFor(t.chain.sa, t.chain.permits, t.suite)
		g.teks = append(g.teks, t)
	}
}

// sortRemovals orders the list of those who were removed.
func sortRemovals(list []*removal) {
	slices.SortFunc(list, func(a, b *removal) int { return strings.Compare(a.peer.key(), b.peer.key()) })
}

// reconfigureStandby gives a copy another configuration: nothing happens before the primary has it too, or this key server
// becomes primary.
func (g *Group) reconfigureStandby(now machine.Now, cfg Config, out machine.Effects) machine.Effects {
	public, err := suite.ParseSignatureKey(cfg.SignPublic)
	if err != nil {
		return out // cannot be: Validate has read it
	}
	g.cfg, g.public, g.chains, g.digest = cfg, public, cfg.chains(), [32]byte{}
	g.rechain()
	if p := g.replica.policy; p != nil {
		if err := g.judgePolicy(now, p, g.replica.policyAt); err != nil {
			g.told = false
		}
	}
	g.version++
	out = append(out, g.note(gdoi.NotePolicyChanged, machine.Info, "this key server has another configuration; the primary's is in force"))
	return g.flush(now, out)
}
