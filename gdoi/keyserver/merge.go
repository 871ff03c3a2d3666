package keyserver

import (
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/isakmp"
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
	if err := m.later(); err != nil {
		return false, out, err
	}
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

// act tells members.
func (m *merger) act(now machine.Now, out machine.Effects) machine.Effects {
	g := m.g
	before := g.exclusion
	if m.ourKEKs {
		var text string
		text, out = g.excludeNow(now, m.gone, false, out)
		out = append(out, g.note(gdoi.NoteGMRemoved, machine.Warning, fmt.Sprintf("key server %d removed members while it was out of reach: %s", m.from, text)))
		m.news, m.keys, m.roll = true, true, nil
	}
	dead := m.takeKEKs(now)
	for _, spi := range m.foreign.keks { // they may be in their custodies only
		out = g.fetch(now, g.kekWith(spi), out)
	}
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
		out = g.fetch(now, k, out) // it may be in their custodies only
		out = g.announceTo(now, c, k, msg, addresses(to), after, out)
		g.dispose(k)
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
