package keyserver

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// Leaves takes a deletion that a member sent under phase 1 (RFC 2408 §3.15: the sender has deleted these SAs). Of one of
// this group's KEKs it says that the member has stopped in order: it stays on the list, marked, and gets no rekeys until
// it registers again. The end of phase 1 itself says nothing: members let it expire and stay in the group.
func (g *Group) Leaves(now machine.Now, p Peer, d *isakmp.Delete, out machine.Effects) machine.Effects {
	m := g.members.byAddr[p.Addr]
	if m == nil || m.key != p.key() || m.left || !g.namesKEK(d) {
		return out
	}
	m.left = true
	g.stopSending(p.Addr)
	g.durable.member(m)
	n := g.note(gdoi.NoteGMLeft, machine.Info, fmt.Sprintf("%s has stopped in order; no rekeys go to it until it registers again", p.Identity))
	n.Peer = p.Addr.String()
	return g.flush(now, append(out, n))
}

func (g *Group) namesKEK(d *isakmp.Delete) bool {
	m := push.Message{Deletes: []isakmp.Delete{*d}}
	for _, k := range g.keks {
		if m.DeletesKEK(k.spi) {
			return true
		}
	}
	return false
}

// crowdedOut takes members off the list that make too many at the address of m, which has just registered: those that
// left first, then the oldest.
func (g *Group) crowdedOut(m *member, out machine.Effects) machine.Effects {
	at, _, _ := strings.Cut(m.key, " ")
	for {
		var worst *member
		n := 0
		from, _ := g.members.search(at + " ")
		for _, o := range g.members.sorted[from:] {
			if !strings.HasPrefix(o.key, at+" ") {
				break
			}
			n++
			if o != m && (worst == nil || o.before(worst)) {
				worst = o
			}
		}
		if n <= maxPerAddress || worst == nil {
			return out
		}
		note := g.note(gdoi.NoteGMExpired, machine.Warning, fmt.Sprintf("%s left the list: %d members at one address are enough, and %s has registered there", worst.peer.Identity, maxPerAddress, m.peer.Identity))
		note.Peer, note.Reason = worst.peer.Addr.String(), "address-limit"
		out = g.dropMember(worst, append(out, note))
	}
}

// before says which of two members is missed less.
func (m *member) before(o *member) bool {
	if m.left != o.left {
		return m.left
	}
	return m.registered < o.registered
}

// Stop wipes all keys. Records stay: the next start goes on from them.
func (g *Group) Stop() {
	g.cancel(func(*delivery) bool { return true })
	for _, c := range g.campaigns {
		c.destroy()
	}
	g.forget()
	*g = Group{tree: g.tree, env: g.env, cfg: g.cfg, locals: g.locals, public: g.public, sidNext: g.cfg.SIDFirst}
}
