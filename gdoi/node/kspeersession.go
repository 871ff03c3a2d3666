package node

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	cooplink "github.com/getvpn/getvpn/gdoi/coop/link"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

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

// attemptAnew gives up the negotiations under way with peers, which judge by what was configured when they began.
func (n *KeyServer) attemptAnew(now machine.Now) {
	for _, p := range n.peers {
		for len(p.attempts) > 0 {
			n.remove(p.attempts[0])
			p.next = now.Mono
		}
	}
}

// answered is our attempt that a message of phase 1 belongs to, if it is the first answer, whose responder cookie is new.
func (n *KeyServer) answered(h isakmp.Header, remote netip.AddrPort) *session {
	if s := n.sessions[cookies{i: h.InitiatorCookie}]; s != nil && s.ike.Remote() == remote {
		return s
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
	if s.ike.Initiator() {
		out = n.peerConnected(now, p.ID, out)
	}
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
	if !s.up {
		return n.drops.drop(now, gdoi.DropNotEstablished, ev.Remote, "a message between key servers before phase 1 is done", out)
	}
	if s.peer == nil {
		return n.drops.drop(now, gdoi.DropUnknownPeer, ev.Remote, "not one of the key servers that cooperate with this one", out)
	}
	p := s.peer
	mute := p.link.Current() == nil
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
	if mute && p.link.Current() != nil {
		out = n.peerConnected(now, p.ID, out) // as responder, we can speak since now
	}
	for _, r := range got {
		out = n.fromPeer(now, p.ID, r, out)
	}
	return out
}
