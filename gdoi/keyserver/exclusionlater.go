package keyserver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// An exclusion takes a new KEK and its value, in one step with all that follows from it: a crash finds either the old keys
// or the new ones and who was excluded. So where KEKs are in the custody it waits for that value (WithNextKEK), and if the
// custody cannot give it, until it can.

// mayExclude says whether an exclusion can be carried out in this step.
func (g *Group) mayExclude() bool {
	return !g.cfg.Custody || g.spareReady() && g.custody.spare.open()
}

// excludeLater excludes members when there is a KEK for it. Until then they stay on the list, and nothing is sent to them.
func (g *Group) excludeLater(now machine.Now, gone []*member, out machine.Effects) (string, machine.Effects) {
	c := &g.custody
	var names []string
	for _, m := range gone {
		if !slices.Contains(c.excluding, m) {
			c.excluding = append(c.excluding, m)
			names = append(names, m.peer.Identity)
		}
		g.stopSending(m.peer.Addr)
	}
	c.recutAt = now.Mono
	if n := len(names); n > 0 {
		text := fmt.Sprintf("%d members are removed as soon as the key custody gives out a new KEK: %s", n, strings.Join(names[:min(n, namedSilent)], ", "))
		if n > namedSilent {
			text += fmt.Sprintf(" and %d more", n-namedSilent)
		}
		note := g.note(gdoi.NoteGMRemovalWaits, machine.Warning, text, machine.F("members", fmt.Sprint(n)))
		note.Reason = "custody"
		out = append(out, note)
	}
	return fmt.Sprintf("%d removed as soon as the key custody gives out a new KEK", len(gone)), g.excludePending(now, out)
}

// excludePending tries it, but for a while after a failure.
func (g *Group) excludePending(now machine.Now, out machine.Effects) machine.Effects {
	c := &g.custody
	if _, on := c.again.Deadline(); on || len(c.excluding) == 0 || c.asked || !g.Active() || g.withdrawn || !g.spareReady() {
		return out
	}
	c.asked = true
	return g.WithNextKEK(now, func(now machine.Now, err error, out machine.Effects) machine.Effects {
		c.asked = false
		if err != nil || len(c.excluding) == 0 || !g.Active() || g.withdrawn {
			c.again.Set(now.Mono.Add(maxMakeRetry))
			return out
		}
		_, out = g.exclude(now, nil, false, out)
		return out
	}, out)
}

// withWaiting adds those who have waited for an exclusion to those that one excludes.
func (g *Group) withWaiting(gone []*member, out machine.Effects) ([]*member, machine.Effects) {
	c := &g.custody
	gone = slices.Clone(gone)
	for _, m := range c.excluding {
		if !g.members.has(m) || slices.Contains(gone, m) {
			continue
		}
		gone, out = append(gone, m), append(out, g.removedNote(m.peer))
	}
	g.endWaiting()
	return gone, out
}

// endWaiting is for those who end all members' keys, so that nobody is to be excluded from what comes after, or leave it to
// another key server.
func (g *Group) endWaiting() { g.custody.excluding = nil }

// Excluding is how many members wait to be excluded.
func (g *Group) Excluding() (n int) {
	for _, m := range g.custody.excluding {
		if g.members.has(m) {
			n++
		}
	}
	return n
}

// shunned says whether a member waits to be excluded, and has not been let in again since. Nothing is sent to it.
func (g *Group) shunned(m *member) bool {
	c := &g.custody
	return m.registered <= c.recutAt && slices.Contains(c.excluding, m)
}

// recutProblem says that an exclusion waits; empty: none does.
func (g *Group) recutProblem() string {
	if len(g.custody.excluding) == 0 {
		return ""
	}
	text := fmt.Sprintf("%d members wait to be excluded until the key custody gives out a new KEK; no rekeys go to them", g.Excluding())
	if g.cfg.multicast() {
		text += ", but those that are multicast"
	}
	return text + ", and they keep the keys that they have"
}
