package keyserver

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// ErrRemoved: the peer was removed from the group. It is an ErrNotAuthorised.
var ErrRemoved = fmt.Errorf("%w: it was removed from the group", ErrNotAuthorised)

// removal is an entry of the list of those who were removed.
type removal struct {
	peer Peer
	at   machine.Instant
}

// Remove excludes members from the group, by address or identity, and refuses them from now on until Readmit. The others
// get a new KEK that the removed cannot derive and then, in a second message under it, new TEKs (RFC 6407 §7.4.1). Old TEKs
// end as in any rollover, or at once.
func (g *Group) Remove(now machine.Now, who []string, atOnce bool, out machine.Effects) (string, machine.Effects, error) {
	if err := g.commanded(); err != nil {
		return "", out, err
	}
	if !g.mayExclude() {
		return "", out, cmp.Or(g.renewable(), ErrCustody)
	}
	gone, err := g.removable(now, who, atOnce)
	if err != nil {
		return "", out, err
	}
	for _, m := range gone {
		r := &removal{m.peer, now.Mono}
		g.removed = slices.DeleteFunc(g.removed, func(o *removal) bool { return o.peer.key() == m.key })
		g.removed = append(g.removed, r)
		mark(&g.durable.removed, m.key, r)
		n := g.note(gdoi.NoteGMRemoved, machine.Warning, fmt.Sprintf("%s was removed from the group; it is refused until it is readmitted", m.peer.Identity))
		n.Peer = m.peer.Addr.String()
		out = append(out, n)
	}
	sortRemovals(g.removed)
	text, out := g.exclude(now, gone, atOnce, out)
	return text, out, nil
}

// removable finds the members to be removed, and says why they cannot be.
func (g *Group) removable(now machine.Now, who []string, atOnce bool) (gone []*member, _ error) {
	for _, w := range who {
		m, err := g.memberNamed(w)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(gone, m) {
			gone = append(gone, m)
		}
	}
	if len(gone) == 0 {
		return nil, errors.New("nobody to remove: name members by address or identity")
	}
	if err := g.room(now); err != nil && !atOnce {
		return nil, fmt.Errorf("%w, or have the old keys end now", err)
	}
	return gone, nil
}

// Exclude is Remove for peers whom something else refuses already: their certificates are revoked, or the list of those who
// may join has them no more. It never waits.
func (g *Group) Exclude(now machine.Now, peers []Peer, out machine.Effects) machine.Effects {
	if g.replica.standby {
		return out // the primary does it
	}
	var gone []*member
	may := g.mayExclude() // else it is said when it has happened
	for _, p := range peers {
		if i, ok := g.members.search(p.key()); ok {
			gone = append(gone, g.members.sorted[i])
			if may {
				out = append(out, g.removedNote(p))
			}
		}
	}
	if len(gone) > 0 {
		_, out = g.exclude(now, gone, false, out)
	}
	return out
}

func (g *Group) removedNote(p Peer) machine.Note {
	n := g.note(gdoi.NoteGMRemoved, machine.Warning, fmt.Sprintf("%s was removed from the group", p.Identity))
	n.Peer = p.Addr.String()
	return n
}

// room says whether a rollover can begin.
func (g *Group) room(now machine.Now) error {
	for _, c := range g.chains {
		if of := g.of(c); len(of) >= maxTEKs {
			return fmt.Errorf("group %s has %d TEKs alive from rekeys before this one; the oldest ends in %v, try again then",
				g.cfg.Name, len(of), of[0].expires.Sub(now.Mono).Round(time.Second))
		}
	}
	return nil
}

// exclude takes members off the list and gives all others new keys.
func (g *Group) exclude(now machine.Now, gone []*member, atOnce bool, out machine.Effects) (string, machine.Effects) {
	if !g.mayExclude() {
		return g.excludeLater(now, gone, out)
	}
	return g.excludeNow(now, gone, atOnce, out)
}

// excludeNow does it in this step, with those who have waited for it. If the value of the new KEK is not in the process, nobody is told how to derive it: all
// members register again, and get new places in the key tree.
func (g *Group) excludeNow(now machine.Now, gone []*member, atOnce bool, out machine.Effects) (string, machine.Effects) {
	gone, out = g.withWaiting(gone, out)
	var slots []lkh.Slot
	for _, m := range gone {
		if m.slot != noSlot {
			slots = append(slots, lkh.Slot(m.slot))
			m.slot = noSlot
		}
		out = g.dropMember(m, out)
	}
	// What an exclusion just before this one has withdrawn may not have been told to anybody.
	x := &exclusion{until: now.Mono.Add(g.cfg.ActivationDelay), withdrawn: g.withdrawing()}
	for _, k := range g.announceUnder(now) {
		x.under = append(x.under, k.spi)
	}
	g.breakSchedule()
	out = g.newKEK(now, out)
	k := g.keks[len(g.keks)-1]
	g.cut(now, k)
	x.kek = k.spi
	// Nothing that is new goes under a KEK that the removed have.
	k.active = now.Mono
	for _, o := range g.keks {
		o.untold = false
	}
	text := g.shutOut(x, slots, k)
	for _, c := range g.chains {
		out = g.newTEK(now, c, out)
		if atOnce {
			g.newest(c).sendAfter = now.Mono
		}
	}
	for i := 0; atOnce && i < len(g.teks); {
		if t := g.teks[i]; t == g.newest(t.chain) && !t.chain.dropped {
			i++
			continue
		}
		x.withdrawn = append(x.withdrawn, g.teks[i].spi)
		out = g.retireTEK(i, "withdrawn", out)
	}
	g.exclusion = x
	g.durable.exclusion = true
	told, again := g.split()
	return fmt.Sprintf("%d removed: %s; %d members derive it, %d must register again", len(gone), text, len(told), len(again)), g.pushExclusion(now, out)
}

// shutOut changes the key tree so that those at the slots cannot derive k, and notes how the others can.
func (g *Group) shutOut(x *exclusion, slots []lkh.Slot, k *kek) string {
	if !k.open() {
		g.clearTree()
		return fmt.Sprintf("new KEK %v, which is in the key custody alone, so all members register again", k.spi)
	}
	change, err := g.tree.Remove(slots, k.handle(), k.iv, k.key)
	text := fmt.Sprintf("new KEK %v", k.spi)
	if err == nil {
		x.arrays = change.Arrays(rfcArrays)
		text += fmt.Sprintf(" by %d key encryptions", change.Encryptions)
	}
	if size := arraysLen(x.arrays); err != nil || size > maxArrays {
		x.arrays = nil
		text = fmt.Sprintf("new KEK %v; its update arrays have %d octets, too many for a message, so all members register again", k.spi, size)
	}
	return text
}

// wasRemoved says whether a peer is refused. Its identity counts, and its address: with a pre-shared key it can call itself
// by any name. A member beside a removed one at the same address stays what it is.
func (g *Group) wasRemoved(p Peer) bool {
	_, member := g.members.search(p.key())
	return slices.ContainsFunc(g.removed, func(r *removal) bool {
		return r.peer.Identity == p.Identity && r.peer.IDType == p.IDType || !member && r.peer.Addr.Addr() == p.Addr.Addr()
	})
}

// Readmit takes somebody off the list of the removed, by address or identity.
func (g *Group) Readmit(now machine.Now, who string, out machine.Effects) (string, machine.Effects, error) {
	if err := g.readmissible(who); err != nil {
		return "", out, err
	}
	g.removed = slices.DeleteFunc(g.removed, func(r *removal) bool {
		if !r.peer.is(who) {
			return false
		}
		mark(&g.durable.removed, r.peer.key(), nil)
		note := g.note(gdoi.NoteGMReadmitted, machine.Info, fmt.Sprintf("%s may register again", r.peer.Identity))
		note.Peer = r.peer.Addr.String()
		out = append(out, note)
		return true
	})
	return who + " may register again", g.flush(now, out), nil
}

// ClearAll makes everybody register again. At once means that all keys are withdrawn now (RFC 6407 §5.9); otherwise the KEK
// alone is, members keep their TEKs while they register, each after a random wait, and there are new TEKs for them.
func (g *Group) ClearAll(now machine.Now, atOnce bool, out machine.Effects) (string, machine.Effects, error) {
	if err := g.allClearable(now, atOnce); err != nil {
		return "", out, err
	}
	n := g.present(nil)
	if atOnce {
		return fmt.Sprintf("all keys are withdrawn, %d members must register again", n), g.reset(now, out), nil
	}
	out = append(out, g.note(gdoi.NoteGMCleared, machine.Info, fmt.Sprintf("all %d members were cleared; they register again and keep their keys meanwhile", n)))
	g.endWaiting()
	id, c := g.durable.reserve(g.env), g.newCampaign()
	for _, k := range g.announceUnder(now) {
		g.nextSeq(k)
		g.durable.kek(k)
		out = g.announceIn(now, c, k, push.Message{Seq: k.seq, Deletes: []isakmp.Delete{push.DeleteKEK(gdoi.KEKSPI{})}}, id, out)
	}
	g.endExclusion()
	g.breakSchedule()
	out = g.newKEK(now, out)
	for _, k := range g.keks {
		k.untold = false
	}
	g.keks[len(g.keks)-1].active = now.Mono
	for _, c := range g.chains {
		out = g.newTEK(now, c, out)
	}
	out = g.dropAllMembers(out)
	out, _ = g.persist(now, out)
	return fmt.Sprintf("%d members register again; old keys end in %v", n, 4*g.cfg.ActivationDelay), out, nil
}
