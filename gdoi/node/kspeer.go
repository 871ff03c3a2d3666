package node

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	cooplink "github.com/getvpn/getvpn/gdoi/coop/link"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
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

// attempt begins a negotiation. Those that are under way may still win: a message that was answered is not sent in vain
// because the answer took longer than we like to wait.
func (n *KeyServer) attempt(now machine.Now, p *ksPeer, out machine.Effects) machine.Effects {
	wait := max(leastAttempt, min(p.timers.Announce, firstAttempt<<min(p.failures, 10)))
	p.failures++
	if slices.ContainsFunc(p.attempts, func(s *session) bool {
		return s.ike.State() != ike1.StateSentSA && now.Mono.Sub(s.began) < graceAttempt
	}) {
		p.next = now.Mono.Add(wait)
		return out
	}
	for len(p.attempts) >= maxAttempts {
		n.remove(p.attempts[0])
	}
	cfg := n.cfg.Phase1
	cfg.OmitInitialContact = true
	cfg.RetransmitBase = min(2*wait, ike1.DefaultRetransmitBase)
	s := &session{ike: ike1.NewInitiator(n.env, &cfg, n.cfg.locals().For(p.Addr.Addr()), p.Addr), peer: p, began: now.Mono}
	p.attempts = append(p.attempts, s)
	n.file(s)
	// Not all peers at the same moment, and not both sides of a link for ever.
	p.next = now.Mono.Add(wait - wait/4 + time.Duration(n.env.Uint32())%(wait/2+1))
	out = s.ike.Start(now, out)
	return n.settle(now, s, out)
}

// answered is our attempt that a message of phase 1 belongs to, if it is the first answer, whose responder cookie is new.
func (n *KeyServer) answered(h isakmp.Header, remote netip.AddrPort) *session {
	p := n.peerAt(remote)
	if p == nil {
		return nil
	}
	for _, s := range p.attempts {
		if i, r := s.ike.Cookies(); i == h.InitiatorCookie && r.IsZero() {
			return s
		}
	}
	return nil
}

// peerUp takes a session for the link, if it is with a peer: at its address, and as the identity that it should have.
func (n *KeyServer) peerUp(now machine.Now, s *session, out machine.Effects) machine.Effects {
	p := n.peerAt(s.ike.Remote())
	if p == nil {
		return out
	}
	if s.peer != nil {
		p.attempts = slices.DeleteFunc(p.attempts, func(o *session) bool { return o == s })
	}
	if !p.is(s.ike) {
		s.peer = nil
		p.refused(now, ike1.ReasonIdentity)
		return n.drops.voices.note(now, p.Addr.Addr(), machine.Note{
			Name: gdoi.NoteAuthFailed, Severity: machine.Warning, Peer: p.Addr.String(), Reason: ike1.ReasonIdentity,
			Text: fmt.Sprintf("key server %d proved to be %s, and not %s; check its identity here and its certificate there",
				p.ID, identity(s.ike.PeerID()), cmp.Or(p.Identity, p.Addr.Addr().String())),
		}, out)
	}
	s.peer = p
	p.sessions, p.last, p.failures = append(p.sessions, s), now.Mono, 0
	p.next = now.Mono.Add(max(leastAttempt, min(p.timers.Announce, firstAttempt)))
	for _, o := range slices.Clone(p.attempts) {
		if o.ike.State() == ike1.StateSentSA && len(p.attempts) > 1 {
			n.remove(o) // unanswered; one may be on its way to be
		}
	}
	out = p.link.Attach(now, s.ike, out)
	for i := 0; len(p.sessions) > maxPeerActive && i < len(p.sessions); {
		if o := p.sessions[i]; p.link.Current() == cooplink.Session(o.ike) {
			i++
		} else {
			out = o.ike.Delete(now, out)
			n.remove(o)
		}
	}
	return out
}

// is says whether a session proves to be with the peer.
func (p *ksPeer) is(s *ike1.Session) bool {
	id := identity(s.PeerID())
	switch {
	case p.Identity != "":
		return id == p.Identity
	case s.PeerCertificate() != nil:
		return id == p.Addr.Addr().Unmap().String()
	default:
		return true // the pre-shared key is for this address
	}
}

// peerGone forgets a session, or an attempt, that has ended.
func (n *KeyServer) peerGone(s *session) {
	same := func(o *session) bool { return o == s }
	s.peer.attempts = slices.DeleteFunc(s.peer.attempts, same)
	s.peer.sessions = slices.DeleteFunc(s.peer.sessions, same)
	s.peer.link.Detach(s.ike)
}

// refused makes the next attempt wait when the peer, or we, refused the last one.
func (p *ksPeer) refused(now machine.Now, reason string) {
	if reason != ike1.ReasonTimeout && reason != ike1.ReasonDPD && reason != ike1.ReasonExpired && reason != ike1.ReasonPeerDeleted {
		p.next = max(p.next, now.Mono.Add(max(refusedWait, p.timers.Announce)))
	}
}

// coopMessage takes a datagram between key servers.
func (n *KeyServer) coopMessage(now machine.Now, s *session, ev machine.Datagram, out machine.Effects) machine.Effects {
	if !s.up || s.peer == nil {
		return n.drops.drop(now, gdoi.DropUnknownPeer, ev.Remote, "not one of the key servers that cooperate with this one", out)
	}
	p := s.peer
	got, out, err := p.link.Handle(now, s.ike, ev.Bytes, out)
	if err != nil {
		out = n.drops.failed(now, err, ev.Remote, out)
	} else {
		s.ike.Alive(now)
	}
	for _, o := range slices.Clone(p.sessions) {
		if !p.link.Attached(o.ike) {
			n.remove(o) // of a process of the peer that has ended
		}
	}
	for _, r := range got {
		out = n.fromPeer(now, p.ID, r, out)
	}
	return out
}
