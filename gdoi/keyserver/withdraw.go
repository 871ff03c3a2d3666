package keyserver

import (
	"fmt"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// Withdraw ends the group: everybody is told that all keys are void, its records are deleted and its keys destroyed. It
// takes no further registrations, and goes on only until Ended, so that the message can be signed and repeated.
func (g *Group) Withdraw(now machine.Now, out machine.Effects) machine.Effects {
	if g.cfg.Coop != nil && (g.replica.standby || len(g.cfg.Coop.IDs) > 1) {
		return g.leave(now, out)
	}
	under := g.announceUnder(now)
	n := len(g.members.addresses())
	out = append(out, g.note(gdoi.NoteGroupRemoved, machine.Warning, fmt.Sprintf("the group is removed; %d members are told that its keys are void", n)))
	g.endExclusion()
	g.endWaiting()
	g.cancel(func(*delivery) bool { return true })
	id := g.durable.reserve(g.env)
	if n > 0 {
		for _, k := range under {
			m := push.Message{Seq: g.nextSeq(k), Deletes: []isakmp.Delete{push.DeleteTEKs(), push.DeleteKEK(gdoi.KEKSPI{})}}
			out = g.announce(now, k, m, id, out)
		}
	}
	for len(g.teks) > 0 {
		out = g.retireTEK(0, "withdrawn", out)
	}
	for len(g.keks) > 0 {
		out = g.retireKEK(0, "withdrawn", out)
	}
	out = g.dropAllMembers(out)
	for _, r := range g.removed {
		mark(&g.durable.removed, r.peer.key(), nil)
	}
	g.removed = nil
	g.endExclusion()
	g.withdrawn = true
	out = g.dropSpare(now, out)
	g.again.Stop()
	out, _ = g.persist(now, out)
	return out
}

// Ended says whether a group that was withdrawn has nothing left to send or to write.
func (g *Group) Ended() bool {
	return g.withdrawn && len(g.deliveries) == 0 && len(g.durable.waiting) == 0 && len(g.custody.dying)+len(g.custody.calls) == 0
}
