package node

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	cooplink "github.com/getvpn/getvpn/gdoi/coop/link"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// ksPeer is another key server of the groups, and phase 1 with it. Both sides negotiate when there is none, so that it is
// there as soon as one of them can reach the other; two at the same time do no harm, because the link takes the newest that
// both have. INITIAL-CONTACT is not used among them: the link sees by the peer's frames that it has restarted.
type ksPeer struct {
	CoopPeer
	link *cooplink.Link
	// attempts are negotiations that we began, sessions those that are established; oldest first.
	attempts, sessions []*session
	next               machine.Instant // when the next attempt may begin
	failures           int             // attempts since the last session
	last               machine.Instant // when the newest session was established
	timers             coop.Timers
}

// Numbers of attempts; not configurable.
const (
	firstAttempt  = time.Second // until the next one, doubled each time up to the interval of announcements
	leastAttempt  = 100 * time.Millisecond
	graceAttempt  = 2 * time.Second // for a negotiation in which the peer has answered
	refusedWait   = 5 * time.Second // after a refusal: somebody has to change a configuration
	maxAttempts   = 4               // at a time: where the path is slower than the interval, an earlier one gets its answer
	maxPeerActive = 3               // sessions with one peer
)

// newPeers makes them, by id.
func newPeers(env *machine.Env, c *Coop) (out []*ksPeer) {
	if c == nil {
		return nil
	}
	for _, p := range c.Peers {
		out = append(out, &ksPeer{CoopPeer: p, link: cooplink.New(env, cooplink.Config{}), timers: c.Timers.WithDefaults()})
	}
	slices.SortFunc(out, func(a, b *ksPeer) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// peer is the key server with this id; nil: none.
func (n *KeyServer) peer(id coop.ID) *ksPeer {
	for _, p := range n.peers {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// peerAt is the key server at an address; nil: none.
func (n *KeyServer) peerAt(a netip.AddrPort) *ksPeer {
	for _, p := range n.peers {
		if p.Addr == a {
			return p
		}
	}
	return nil
}

// state is what is known of a peer.
func (p *ksPeer) state(now machine.Now) coop.LinkState {
	heard, ok := p.link.Heard()
	switch {
	case len(p.sessions) == 0 && len(p.attempts) == 0:
		return coop.LinkDown
	case len(p.sessions) == 0:
		return coop.LinkNegotiating
	case ok && now.Mono.Sub(heard) <= p.timers.Dead:
		return coop.LinkUp
	default:
		return coop.LinkSilent
	}
}

// ike is the word of consoles for phase 1.
func (p *ksPeer) ike() string {
	switch {
	case len(p.sessions) > 0:
		return "established"
	case len(p.attempts) > 0:
		return "negotiating"
	default:
		return "none"
	}
}

// lacking says from when on one more session is wanted: there is none, the newest ends soon, or nothing is heard in it.
func (p *ksPeer) lacking() machine.Instant {
	if len(p.sessions) == 0 {
		return p.next
	}
	newest := p.sessions[len(p.sessions)-1].ike
	heard, _ := p.link.Heard()
	silent := max(heard, p.last).Add(p.timers.Dead)
	// Two thirds of its life for him who began it, three quarters for the other, so that seldom both do.
	life := newest.Expires().Sub(p.last)
	old := p.last.Add(life / 3 * 2)
	if !newest.Initiator() {
		old = p.last.Add(life / 4 * 3)
	}
	return max(p.next, min(silent, old))
}

// deadline is when peerTimeout wants to be called. Negotiations and sessions have their own.
func (p *ksPeer) deadline() machine.Instant {
	if at, ok := p.link.Deadline(); ok {
		return min(at, p.lacking())
	}
	return p.lacking()
}

// startPeers is for the start.
func (n *KeyServer) startPeers(now machine.Now, out machine.Effects) machine.Effects {
	for _, p := range n.peers {
		p.next = now.Mono
	}
	return n.peersTimeout(now, out)
}

// peersTimeout does what is due for peers.
func (n *KeyServer) peersTimeout(now machine.Now, out machine.Effects) machine.Effects {
	for _, p := range n.peers {
		if at, ok := p.link.Deadline(); ok && at <= now.Mono {
			out = p.link.Timeout(now, out)
		}
		if p.lacking() <= now.Mono {
			out = n.attempt(now, p, out)
		}
	}
	return out
}
