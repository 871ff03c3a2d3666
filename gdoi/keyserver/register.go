package keyserver

import (
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// Why a registration is refused.
var (
	// ErrNotAuthorised: the peer is authentic, but not on the group's list.
	ErrNotAuthorised = errors.New("keyserver: not authorised for this group")
	// ErrTooOften: the peer has registered so often that it must wait.
	ErrTooOften = errors.New("keyserver: too many registrations from this address")
	// ErrChanged: the keys have changed since the policy was sent; the member must start again.
	ErrChanged = errors.New("keyserver: the group's keys changed during the registration")
)

// Policy answers a member's first question: what it would be granted. Nothing changes. The offer aliases the group's
// secrets and is good for this step only.
func (g *Group) Policy(now machine.Now, p Peer, out machine.Effects) (*pull.Offer, machine.Effects, error) {
	if err := g.serves(now); err != nil {
		return nil, out, err
	}
	if !g.cfg.Authorise.Allows(p.policyPeer()) {
		return nil, out, ErrNotAuthorised
	}
	if g.wasRemoved(p) {
		return nil, out, ErrRemoved
	}
	if !g.pacing.allows(now, p.Addr.Addr()) {
		return nil, out, ErrTooOften
	}
	out = g.replaceDue(now, out)
	return g.offerTo(now, p), g.flush(now, out), nil
}

// offerTo is the offer for one member: it is asked to acknowledge rekeys if it knows how to. Others would have to refuse
// the whole policy (RFC 6407 §5.3.2). While another policy is still in force, or may be at those who are late, it hears of
// that too.
func (g *Group) offerTo(now machine.Now, p Peer) *pull.Offer {
	o := g.offer(now)
	if o.KEK != nil {
		o.KEK.Ack = uint16(g.askable(p.GetVPN))
	}
	if now.Mono < g.policyAt.Add(4*g.cfg.ActivationDelay) && len(g.former.AccessList) > 0 {
		f := g.former
		f.For = max(0, g.policyAt.Sub(now.Mono))
		o.Former = &f
	}
	return o
}

// replaceDue makes keys before they are granted, if their time has come in this very step.
func (g *Group) replaceDue(now machine.Now, out machine.Effects) machine.Effects {
	if g.replica.standby {
		return g.timeoutStandby(now, out)
	}
	out = g.retire(now, out)
	if r := g.due(now); r.any() {
		out = g.rekey(now, r, out)
	}
	return out
}

// Register grants: it takes sender ids and puts the member on the list. The answer may leave when the Persist is
// done. version is what Version said when the policy was sent.
func (g *Group) Register(now machine.Now, p Peer, sids int, version uint64, out machine.Effects) (*pull.Offer, machine.PersistID, machine.Effects, error) {
	if err := g.serves(now); err != nil {
		return nil, 0, out, err
	}
	if !g.cfg.Authorise.Allows(p.policyPeer()) {
		return nil, 0, out, ErrNotAuthorised
	}
	if g.wasRemoved(p) {
		return nil, 0, out, ErrRemoved
	}
	if !g.pacing.take(now, p.Addr.Addr()) {
		return nil, 0, out, ErrTooOften
	}
	out = g.replaceDue(now, out)
	want := min(uint64(max(sids, 1)), g.cfg.sidLimit())
	out, err := g.prepareSIDs(now, p, want, out)
	if err != nil {
		return nil, 0, g.flush(now, out), err
	}
	if g.version != version {
		return nil, 0, g.flush(now, out), ErrChanged
	}
	if n := len(g.keks); n > 0 && !g.keks[n-1].open() {
		return nil, 0, g.flush(now, out), fmt.Errorf("%w has not told the KEK", ErrCustody)
	}
	if old := g.members.byAddr[p.Addr]; old != nil && old.key != p.key() {
		out = g.dropMember(old, out) // the same socket under another identity
	}
	m := g.members.put(p)
	m.sids = nil
	for range want {
		m.sids = append(m.sids, gdoi.SID(g.sidNext))
		g.sidNext++
	}
	m.registered, m.left, m.missed, m.asked = now.Mono, false, 0, g.askable(p.GetVPN)
	m.registrations++
	if g.cfg.Coop != nil {
		m.at, m.epoch = g.cfg.Coop.ID, g.epoch
		mark(&g.durable.sids, m.at, true)
	}
	g.registrations++
	g.watch(m)
	g.stopSending(p.Addr)
	out = g.crowdedOut(m, out)
	o := g.offerTo(now, p)
	m.holdLeaf(nil) // with the path of before
	if g.replica.standby {
		g.placeOutside(m, o)
	} else if err := g.place(m, o); err != nil {
		// It registers again whenever somebody is removed.
		out = append(out, g.note(gdoi.NoteRegisterFailed, machine.Warning, "no place in the key tree: "+err.Error()))
	}
	g.durable.member(m)
	o.SIDs = append([]gdoi.SID(nil), m.sids...)
	n := g.note(gdoi.NoteGMRegistered, machine.Info, fmt.Sprintf("%s registered, %d TEKs", p.Identity, len(o.TEKs)), machine.F("seq", fmt.Sprint(o.Seq)))
	n.Peer = p.Addr.String()
	out, id := g.persist(now, append(out, n))
	return o, id, out, nil
}
