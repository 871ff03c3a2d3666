package keyserver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// Two states of a group that went ways of their own become one like this. No key is made for it. The keys of the other side
// are foreign here: they are told beside ours to everybody, and end 4A from now, as old keys do.
//
//	TEKs   [theirs, ours], theirs being the older epoch. Our members receive with theirs as soon as they have them, and send
//	       with ours as before; their members send with ours from 2A on, like in any rollover.
//	KEKs   [theirs, ours], ours becoming usable alone 2A from now, so that every PUSH until then goes out under both: under
//	       theirs with our KEK and all TEKs, under ours with all TEKs.
//
// So after 2A everybody sends with one key, and after 4A there is one epoch. Keys that have ended here are not taken back:
// sender ids may have been given anew since, and members refuse them.
//
// Whoever was removed on one side has the other side's KEK. Where that is theirs, nothing is sent under it but its end, and
// their members register again, keeping their TEKs until then. Where it is ours, our members get a KEK that the removed cannot
// derive, as in any removal (exclusion.go), and it is that one which their side is told of.
type merger struct {
	g     *Group
	in    *Group // what the other key server has
	from  coop.ID
	rival bool // it had a primary that we do not know of
	// theirKEKs and ourKEKs say that somebody may read under them who was removed on the other side.
	theirKEKs, ourKEKs bool
	void               bool      // their TEKs are not to be told to anybody
	gone               []*member // of ours, whom they removed
	foreign            merging
	roll               []*chain // whose newest TEK has ended on the other side
	news               bool     // anything
	keys               bool     // members have to hear of something
}

// Merge takes all that another key server has (its Since(now, 0)) into the active group, which may have gone a way of its
// own since both were one: keys that are not known here are distributed beside ours, members, removals and sender ids are
// united. It says whether there was anything new.
func (g *Group) Merge(now machine.Now, ahead time.Duration, from coop.ID, records []machine.Record, out machine.Effects) (bool, machine.Effects, error) {
	if !g.Active() || g.cfg.Coop == nil || from == g.cfg.Coop.ID || g.withdrawn || !g.started {
		return false, out, fmt.Errorf("group %s: this key server takes no state of key server %d", g.cfg.Name, from)
	}
	in, err := g.parse(now, ahead, records)
	if err != nil {
		return false, out, err
	}
	defer in.forget()
	m := &merger{g: g, in: in.Group, from: from, foreign: merging{from: from}}
	m.judge(now)
	out = m.generations(now, in, out)
	m.numbers(now, in)
	m.uniteMembers()
	m.uniteRemovals()
	m.uniteTime(now)
	m.takeRatchets()
	m.takeTEKs(now)
	m.unitePast()
	out = m.act(now, out)
	if len(g.met) > 8*maxReigns {
		g.met = nil
	}
	mark(&g.met, in.past.reign.name, now.Mono)
	return m.news, out, nil
}

// judge says whose KEKs may be in wrong hands.
func (m *merger) judge(now machine.Now) {
	g := m.g
	m.rival = g.past.rival(&m.in.past)
	m.theirKEKs = !m.in.past.knowsCutsOf(&g.past) || m.in.past.origin != g.past.origin
	m.ourKEKs = !g.past.knowsCutsOf(&m.in.past)
	if !m.rival {
		return
	}
	shared := slices.ContainsFunc(g.announceUnder(now), func(k *kek) bool { return m.in.kekWith(k.spi) != nil })
	for _, r := range m.in.members.sorted {
		if g.refused(r.peer) || !g.cfg.Authorise.Allows(r.peer.policyPeer()) {
			m.theirKEKs = true
			m.ourKEKs = m.ourKEKs || shared
		}
	}
}

func (g *Group) kekWith(spi gdoi.KEKSPI) *kek {
	if i := slices.IndexFunc(g.keks, func(k *kek) bool { return k.spi == spi }); i >= 0 {
		return g.keks[i]
	}
	return nil
}

func (g *Group) tekWith(spi gdoi.SPI) *tek {
	if i := slices.IndexFunc(g.teks, func(t *tek) bool { return t.spi == spi }); i >= 0 {
		return g.teks[i]
	}
	return nil
}

// generations: where counting of sender ids has begun anew on one side alone, what the other side has is void, for the same
// ids are given again. All key servers are in step when that begins, so the other side missed the very last moment.
func (m *merger) generations(now machine.Now, in *received, out machine.Effects) machine.Effects {
	g, theirs := m.g, uint64(0)
	for _, r := range in.replica.sids {
		theirs = max(theirs, r.Gen)
	}
	switch ours := g.replica.generation; {
	case theirs < ours && len(in.replica.sids) > 0:
		m.theirKEKs, m.void = true, true
	case theirs > ours:
		for id, r := range in.replica.sids {
			g.putSIDs(id, r)
		}
		out = g.reset(now, out)
		m.theirKEKs, m.void, m.news = true, true, true
	}
	return out
}

// numbers takes over how far the other side has counted: sender ids, and sequence numbers under KEKs that both have.
func (m *merger) numbers(now machine.Now, in *received) {
	g := m.g
	for id, r := range in.replica.sids {
		before := g.replica.sids[id]
		g.learnSIDs(now, id, r)
		m.news = m.news || g.replica.sids[id] != before
	}
	g.epoch = max(g.epoch, in.epoch)
	for _, k := range in.keks {
		ours := g.kekWith(k.spi)
		if ours != nil && ours.key.Equal(k.key) && k.seq > ours.seq {
			ours.seq = k.seq
			g.openWindow(ours)
			m.news = true
		}
	}
}

// uniteMembers puts members on the list that registered over there, and takes those out of the key tree whose path in it
// may be another one there.
func (m *merger) uniteMembers() {
	g := m.g
	nodes := map[lkh.NodeID]*lkh.Node{}
	for _, n := range m.in.tree.restored {
		nodes[n.ID] = n
	}
	for _, r := range m.in.members.sorted {
		if g.refused(r.peer) || !g.cfg.Authorise.Allows(r.peer.policyPeer()) {
			continue
		}
		i, ok := g.members.search(r.key)
		if !ok && !m.rival && r.at != m.from {
			continue // it left the list here since
		}
		if !ok || g.members.sorted[i].registered < r.registered && !slices.Equal(g.members.sorted[i].sids, r.sids) {
			if a, _ := g.adoptMember(r, r.at); a != nil {
				m.news = true
			}
			continue
		}
		ours := g.members.sorted[i]
		if m.rival && ours.slot != noSlot && !g.tree.Agrees(lkh.Slot(ours.slot), nodes) {
			g.vacate(ours)
			g.durable.member(ours)
			m.news = true
		}
	}
}

// uniteRemovals refuses those who were removed over there. Where we know all KEKs that were made for that, we have done so
// before, and have readmitted whom we do not refuse.
func (m *merger) uniteRemovals() {
	g := m.g
	if g.past.knowsCutsOf(&m.in.past) {
		return
	}
	for _, r := range m.in.removed {
		key := r.peer.key()
		if g.removalOf(key) != nil {
			continue
		}
		c := &removal{r.peer, r.at}
		g.removed = append(g.removed, c)
		mark(&g.durable.removed, key, c)
		m.news = true
	}
	sortRemovals(g.removed)
	for _, o := range g.members.sorted {
		if g.refused(o.peer) || g.removalOf(o.key) != nil {
			m.gone = append(m.gone, o)
		}
	}
}

// maxTimeAhead is how far the group's time may go forward for another side. It never goes back.
const maxTimeAhead = time.Hour

// uniteTime goes on with the time that is ahead: members believe no other.
func (m *merger) uniteTime(now machine.Now) {
	g := m.g
	ours, theirs := &g.time, &m.in.time
	if !m.rival || !ours.begun || !theirs.begun {
		return
	}
	d := theirs.now(now.Mono) - ours.now(now.Mono)
	switch {
	case d.Abs() > maxTimeAhead:
		ours.series = max(ours.series, theirs.series) + 1 // registrations tell it
	case d > 0:
		ours.base += d
	}
	ours.series = max(ours.series, theirs.series)
}

// takeRatchets goes on with those that are further, and else the same.
func (m *merger) takeRatchets() {
	g := m.g
	for context, r := range m.in.ratchets {
		ours := g.ratchets[context]
		if ours == nil || ours.seed != r.seed || ours.step >= r.step {
			continue
		}
		ours.secret.Destroy()
		ours.secret, ours.step, ours.ends = r.secret.Clone(), r.step, r.ends
		g.keepRatchet(context)
		m.news = true
	}
}

// unitePast remembers what the other side does.
func (m *merger) unitePast() {
	g, p, o := m.g, &m.g.past, &m.in.past
	for spi, at := range o.cuts {
		if _, ok := p.cuts[spi]; !ok {
			g.putCut(spi, at)
		}
	}
	for key, e := range o.ended {
		if _, ok := p.ended[key]; !ok && len(p.ended) < maxEnded && !g.alive(key) {
			mark(&p.ended, key, e)
			g.mustWrite(endedKind + "/" + key)
		}
	}
	if o.origin != p.origin {
		return
	}
	for _, r := range append(slices.Clone(o.others), o.reign) {
		if p.know(r) {
			g.mustWrite(descentKey)
		}
	}
}

// alive says whether the key of a record is one of ours.
func (g *Group) alive(key string) bool {
	return slices.ContainsFunc(g.teks, func(t *tek) bool { return tekKey(t.spi) == key }) ||
		slices.ContainsFunc(g.keks, func(k *kek) bool { return kekKey(k.spi) == key })
}

// act tells members.
func (m *merger) act(now machine.Now, out machine.Effects) machine.Effects {
	g := m.g
	before := g.exclusion
	if m.ourKEKs {
		var text string
		text, out = g.exclude(now, m.gone, false, out)
		out = append(out, g.note(gdoi.NoteGMRemoved, machine.Warning, fmt.Sprintf("key server %d removed members while it was out of reach: %s", m.from, text)))
		m.news, m.keys, m.roll = true, true, nil
	}
	dead := m.takeKEKs(now)
	if len(m.foreign.teks)+len(m.foreign.keks) > 0 || m.keys || len(dead) > 0 {
		m.news = true
		out = m.begin(now, out)
	}
	out = m.endTheirs(now, dead, out)
	switch {
	case !m.keys && len(m.roll) == 0:
	case g.exclusion != nil && (g.exclusion != before || g.exclusion.pending()):
		// The keys follow in its second message.
		for _, c := range m.roll {
			out = g.newTEK(now, c, out)
		}
	default:
		out = g.rekey(now, rekeying{chains: m.roll}, out)
	}
	out = g.sentMerge(now, out)
	return g.flush(now, out)
}

// pending says that the TEKs have not been sent yet.
func (x *exclusion) pending() bool { _, on := x.second.Deadline(); return on }

// endTheirs tells the members of the other side that their KEKs have ended; they keep their TEKs and register again.
func (m *merger) endTheirs(now machine.Now, dead []*kek, out machine.Effects) machine.Effects {
	g := m.g
	var to []*member
	for _, r := range m.in.members.sorted {
		if o := g.members.byAddr[r.peer.Addr]; o != nil && !o.left {
			to = append(to, o)
		}
	}
	for _, k := range dead {
		if ours := g.kekWith(k.spi); ours == nil {
			g.remember(kekKey(k.spi), max(k.expires, now.Mono.Add(g.cfg.KEKLifetime)), k.seq)
		} else {
			ours.seq = k.seq
			g.durable.kek(ours)
		}
	}
	if len(dead) == 0 || len(to) == 0 {
		return out
	}
	out, after := g.persist(now, out)
	c := g.newCampaign()
	for _, k := range dead {
		// This one alone: members of ours that have it too may have the next one already.
		msg := push.Message{Seq: k.seq, Deletes: []isakmp.Delete{push.DeleteKEK(k.spi)}}
		g.cancel(func(o *delivery) bool { return o.kek == k.spi })
		out = g.announceTo(now, c, k, msg, addresses(to), after, out)
	}
	return out
}

// String says what was taken over.
func (m *merger) String() string {
	var text []string
	if n := len(m.foreign.teks); n > 0 {
		text = append(text, fmt.Sprintf("%d TEKs", n))
	}
	if n := len(m.foreign.keks); n > 0 {
		text = append(text, fmt.Sprintf("%d KEKs", n))
	}
	if len(text) == 0 {
		return "the keys are ours; those who lack one are told"
	}
	return strings.Join(text, " and ") + " of its side are told to all members beside ours"
}
