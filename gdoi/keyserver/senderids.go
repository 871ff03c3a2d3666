package keyserver

import (
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// ErrNoSenderIDs: more members than there are sender ids for. It is no fault of the peer, which may ask again later.
var ErrNoSenderIDs = errors.New("keyserver: no sender ids for more members")

// Every registration takes new ids (RFC 6407 §3.5), and when they are used up everybody loses the keys and starts again. So
// members may hold no more than this part of them: the rest is for their next registrations.
const (
	sidShare   = 3
	sidShareOf = 4
)

// senderIDs is the SID-counter of RFC 6407 §3.5 with what keeps it from being reset again and again.
type senderIDs struct {
	// returning are the members of before the last reset that have not come back, and how many ids each had; until then
	// their places are kept.
	returning map[string]int
	until     machine.Instant
	reset     machine.Instant // the last
	resets    uint64
	// full: the last newcomer was refused for want of ids.
	full bool
}

// sidsForAll is how many sender ids members may hold together, this registration included.
func (c *Config) sidsForAll(want uint64) uint64 { return max(want, c.SIDCount/sidShareOf*sidShare) }

// roomForSIDs says whether the ids that a peer wants can be given without taking those that other members will need.
func (g *Group) roomForSIDs(now machine.Now, p Peer, want uint64) bool {
	key := p.key()
	if now.Mono >= g.sids.until {
		g.sids.returning = nil
	}
	if kept, ok := g.sids.returning[key]; ok && uint64(kept) >= want {
		return true
	}
	if g.sidNext-g.cfg.SIDFirst+want <= g.cfg.SIDCount/2 && len(g.sids.returning) == 0 {
		return true // nobody can hold more than were given out
	}
	held := want
	for _, m := range g.members.sorted {
		if m.key != key && !m.left && g.gave(m) {
			held += uint64(len(m.sids))
		}
	}
	for k, n := range g.sids.returning {
		if k != key {
			held += uint64(n)
		}
	}
	return held <= g.cfg.sidsForAll(want)
}

// prepareSIDs sees to it that there are ids for a registration. When they are used up, all keys are withdrawn and counting begins again; the
// member starts again, too (ErrChanged).
func (g *Group) prepareSIDs(now machine.Now, p Peer, want uint64, out machine.Effects) (machine.Effects, error) {
	if _, member := g.members.search(p.key()); !member {
		g.sids.full = !g.roomForSIDs(now, p, want)
		if g.sids.full {
			return out, ErrNoSenderIDs
		}
	}
	if err := g.unknownSIDs(now, want); err != nil {
		return out, err
	}
	delete(g.sids.returning, p.key())
	if g.sidNext+want <= g.cfg.SIDFirst+g.cfg.SIDCount {
		return out, nil
	}
	if err := g.cannotReset(); err != nil {
		return g.askForSIDs(now, out), err
	}
	if pause := 8 * g.cfg.ActivationDelay; g.sids.resets > 0 && now.Mono.Sub(g.sids.reset) < pause {
		return out, fmt.Errorf("%w: they were used up twice within %v", ErrNoSenderIDs, pause.Round(time.Second))
	}
	return g.sidsUsedUp(now, out), nil
}

// sidsUsedUp withdraws all keys, and begins to count again under new ones.
func (g *Group) sidsUsedUp(now machine.Now, out machine.Effects) machine.Effects {
	returning := map[string]int{}
	for _, m := range g.members.sorted {
		if !m.left && g.gave(m) {
			returning[m.key] = len(m.sids)
		}
	}
	out = append(out, g.note(gdoi.NoteSIDsExhausted, machine.Warning, fmt.Sprintf("all %d sender ids are used up; raise sender-ids bits if this happens often", g.cfg.SIDCount)))
	out = g.reset(now, out)
	g.sids = senderIDs{returning: returning, until: now.Mono.Add(4 * g.cfg.ActivationDelay), reset: now.Mono, resets: g.sids.resets + 1}
	return out
}

// sidProblem is empty unless newcomers are refused.
func (g *Group) sidProblem() string {
	if !g.sids.full {
		return ""
	}
	return fmt.Sprintf("no sender ids for more members: %d members, and of %d ids %d %% may be held at once; raise sender-ids bits or count",
		g.members.len(), g.cfg.SIDCount, 100*sidShare/sidShareOf)
}
