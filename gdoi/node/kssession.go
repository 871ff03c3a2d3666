package node

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
)

// session is a phase-1 SA of a key server with the registrations over it.
type session struct {
	ike       *ike1.Session
	first     firstMessage
	shape     []byte // of message 1, until established
	up        bool   // established
	exchanges []*exchange
	ids       pull.MessageIDs
	op        machine.OpID // in KeyServer.signing; zero for none
	kept      int          // octets in KeyServer.fragments
	id        cookies      // in KeyServer.sessions
	peer      *ksPeer      // with a key server, of its attempts or sessions; nil: with somebody else
	began     machine.Instant
}

// file makes a session found by its cookies.
func (n *KeyServer) file(s *session) {
	if n.sessions[s.id] == s {
		delete(n.sessions, s.id)
	}
	s.id = cookiesOf(s.ike)
	n.sessions[s.id] = s
}

// datagram finds the session.
func (n *KeyServer) datagram(now machine.Now, ev machine.Datagram, out machine.Effects) machine.Effects {
	h, out, ok := n.drops.header(now, ev, n.limits.Datagram, out)
	if !ok {
		return out
	}
	switch h.Exchange {
	case isakmp.ExchangeMainMode, isakmp.ExchangeInformational, isakmp.ExchangeGroupkeyPull, isakmp.ExchangeCoop:
	case isakmp.ExchangeGroupkeyPushAck:
		return n.acknowledged(now, push.SPIOf(h), ev, out)
	case isakmp.ExchangeGroupkeyPush:
		return n.drops.drop(now, gdoi.DropNotForUs, ev.Remote, fmt.Sprintf("%v is not for a key server", h.Exchange), out)
	default:
		return n.drops.drop(now, gdoi.DropUnknownExch, ev.Remote, fmt.Sprintf("exchange type %v", h.Exchange), out)
	}
	var s *session
	if h.ResponderCookie.IsZero() {
		s = n.halfOpen.first[firstMessage{h.InitiatorCookie, ev.Remote}]
		if s == nil && h.Exchange == isakmp.ExchangeMainMode {
			return n.accept(now, ev, out)
		}
	} else {
		s = n.sessions[cookies{h.InitiatorCookie, h.ResponderCookie}]
	}
	if s == nil && (h.Exchange == isakmp.ExchangeMainMode || h.Exchange == isakmp.ExchangeInformational) {
		s = n.answered(h, ev.Remote)
	}
	if s == nil && h.Exchange == isakmp.ExchangeMainMode {
		if first := n.cookies.first(now, h, ev.Remote); first != nil {
			return n.resume(now, ev, first, h.ResponderCookie, out)
		}
	}
	switch {
	case s == nil:
		return n.drops.drop(now, gdoi.DropUnknownCookies, ev.Remote, "no session has these cookies", out)
	case s.ike.Remote() != ev.Remote:
		return n.drops.drop(now, gdoi.DropWrongAddress, ev.Remote, fmt.Sprintf("the session is with %v", s.ike.Remote()), out)
	}
	switch h.Exchange {
	case isakmp.ExchangeGroupkeyPull:
		out = n.pull(now, s, h, ev, out)
	case isakmp.ExchangeCoop:
		out = n.coopMessage(now, s, ev, out)
	default:
		if h.NextPayload == isakmp.PayloadFragment && n.fragments+len(ev.Bytes) > n.limits.Fragments {
			return n.drops.drop(now, gdoi.DropFragmentMemory, ev.Remote, "no room for a fragment", out)
		}
		var err error
		if out, err = s.ike.Handle(now, ev.Bytes, out); err != nil {
			out = n.drops.failed(now, err, ev.Remote, out)
		}
		if s.id != cookiesOf(s.ike) {
			n.file(s) // now we know the responder's
		}
		for _, p := range s.ike.Received() {
			if d, ok := p.(*isakmp.Delete); ok && s.up {
				for _, g := range n.groups {
					out = g.Leaves(now, peer(s.ike), d, out)
				}
			}
		}
	}
	return n.settle(now, s, out)
}

// accept begins a negotiation, or under pressure answers without beginning one.
func (n *KeyServer) accept(now machine.Now, ev machine.Datagram, out machine.Effects) machine.Effects {
	reason := n.crowded(ev.Remote)
	var (
		cookie isakmp.Cookie
		ok     bool
		ike    *ike1.Session
		err    error
	)
	local := n.cfg.locals().For(ev.Remote.Addr())
	if reason != "" {
		cookie, ok = n.cookies.cookie(now, ev.Remote, ev.Bytes)
	}
	if ok {
		ike, err = ike1.NewResponderWith(n.env, &n.cfg.Phase1, local, ev.Remote, ev.Bytes, cookie)
	} else {
		ike, err = ike1.NewResponder(n.env, &n.cfg.Phase1, local, ev.Remote, ev.Bytes)
	}
	if err != nil {
		if n.drops.mayRefuse(now) {
			if refusal, ok := ike1.Refusal(local, ev.Remote, ev.Bytes, err); ok {
				out = append(out, refusal)
			}
		}
		return n.drops.failed(now, err, ev.Remote, out)
	}
	if ok {
		out = ike.Start(now, out)
		ike.Destroy()
		return n.drops.drop(now, reason, ev.Remote, "too many negotiations: a first message was answered, and nothing kept of it", out)
	}
	if reason != "" {
		if out, ok = n.makeRoom(now, ev.Remote, out); !ok {
			return out
		}
	}
	s := n.adopt(ike, ev.Remote, ev.Bytes)
	out = ike.Start(now, out)
	return n.settle(now, s, out)
}

// resume makes the negotiation whose first message was answered without keeping it. Its cookie has come back, so somebody
// is at home at the source, and others who have not shown that give way.
func (n *KeyServer) resume(now machine.Now, ev machine.Datagram, first []byte, cookie isakmp.Cookie, out machine.Effects) machine.Effects {
	ike, err := ike1.NewResponderWith(n.env, &n.cfg.Phase1, n.cfg.locals().For(ev.Remote.Addr()), ev.Remote, first, cookie)
	if err != nil {
		return n.drops.failed(now, err, ev.Remote, out)
	}
	if n.crowded(ev.Remote) != "" {
		var ok bool
		if out, ok = n.makeRoom(now, ev.Remote, out); !ok {
			ike.Destroy()
			return out
		}
	}
	s := n.adopt(ike, ev.Remote, first)
	ike.Start(now, nil)
	if out, err = ike.Handle(now, ev.Bytes, out); err != nil {
		out = n.drops.failed(now, err, ev.Remote, out)
	}
	if ike.State() == ike1.StateSentSA {
		n.remove(s) // the message was no good, and another one makes the session again
		return out
	}
	return n.settle(now, s, out)
}

// adopt files a negotiation.
func (n *KeyServer) adopt(ike *ike1.Session, remote netip.AddrPort, first []byte) *session {
	i, _ := ike.Cookies()
	s := &session{ike: ike, first: firstMessage{i, remote}, shape: shapeOf(first)}
	n.file(s)
	n.halfOpen.add(s)
	return s
}

// crowded says which limit stands in the way of one more negotiation with remote; empty for none.
func (n *KeyServer) crowded(remote netip.AddrPort) gdoi.DropReason {
	switch {
	case n.halfOpen.of(remote.Addr()) >= n.limits.HalfOpenPerSource:
		return gdoi.DropSourceLimit
	case n.halfOpen.len() >= n.limits.HalfOpen && n.peerAt(remote) == nil:
		return gdoi.DropHalfOpenLimit
	default:
		return ""
	}
}

// makeRoom finds room for a negotiation with remote; false means that there is none, and that the message was dropped.
func (n *KeyServer) makeRoom(now machine.Now, remote netip.AddrPort, out machine.Effects) (machine.Effects, bool) {
	reason := n.crowded(remote)
	old := n.halfOpen.oldestOf(remote.Addr())
	if reason == gdoi.DropHalfOpenLimit {
		old = n.halfOpen.oldest()
	}
	if old == nil {
		return n.drops.drop(now, reason, remote, "too many negotiations, and all of them under way", out), false
	}
	n.remove(old)
	return n.drops.drop(now, reason, old.first.remote, "an unanswered negotiation gave way to a newer one", out), true
}

// settle draws the consequences of what happened to a session.
func (n *KeyServer) settle(now machine.Now, s *session, out machine.Effects) machine.Effects {
	switch {
	case s.ike.State() == ike1.StateDead:
		if s.up {
			out = append(out, machine.Note{
				Name: gdoi.NotePhase1Down, Severity: machine.Debug, Peer: s.ike.Remote().String(), Reason: s.ike.DeadReason(), Text: "phase 1 has ended",
			})
		} else if s.peer != nil {
			s.peer.refused(now, s.ike.DeadReason())
		}
		n.remove(s)
		return out
	case s.ike.State() == ike1.StateEstablished && !s.up:
		out = n.up(now, s, out)
	}
	n.halfOpen.progress(s)
	n.waits(s)
	n.touch(s)
	return out
}

// up makes a negotiation an established session.
func (n *KeyServer) up(now machine.Now, s *session, out machine.Effects) machine.Effects {
	n.halfOpen.leave(s)
	n.cookies.prove(s.shape)
	s.up, s.shape = true, nil
	n.established++
	out = n.peerUp(now, s, out)
	if s.peer == nil {
		n.supersede(s)
	}
	addr := s.ike.Remote().Addr()
	n.byPeer[addr] = append(n.byPeer[addr], s)
	out = append(out, machine.Note{
		Name: gdoi.NotePhase1Up, Severity: machine.Debug, Peer: s.ike.Remote().String(), Text: fmt.Sprintf("phase 1 with %s is up", identity(s.ike.PeerID())),
	})
	if n.established > n.limits.Sessions && s.peer == nil {
		n.drops.counts[gdoi.DropSessionLimit]++
		n.remove(s)
	}
	return out
}

// supersede ends older sessions with the address of a new one: those that it replaces, and what is too many. Those with key
// servers have their own rules (peerUp).
func (n *KeyServer) supersede(s *session) {
	var kept []*session
	for _, old := range slices.Clone(n.byPeer[s.ike.Remote().Addr()]) {
		switch {
		case old.peer != nil:
		case s.ike.SawInitialContact() && sameID(old.ike.PeerID(), s.ike.PeerID()):
			// RFC 2407 §4.6.3.3: the peer has no other session; one behind the same address with another identity is another
			// peer.
			n.remove(old)
		default:
			kept = append(kept, old)
		}
	}
	for ; len(kept) >= n.limits.SessionsPerPeer; kept = kept[1:] {
		n.remove(kept[0])
	}
}

func sameID(a, b isakmp.ID) bool { return a.IDType == b.IDType && string(a.Data) == string(b.Data) }

// remove forgets a session, keys and all; its peer is not told.
func (n *KeyServer) remove(s *session) {
	n.halfOpen.leave(s)
	if n.sessions[s.id] != s {
		return
	}
	delete(n.sessions, s.id)
	n.deadlines.Set(s, 0, false)
	delete(n.signing, s.op)
	n.fragments -= s.kept
	s.kept = 0
	s.endExchanges(func(*exchange) bool { return true })
	if s.peer != nil {
		n.peerGone(s)
	}
	s.ike.Destroy()
	if s.up {
		n.established--
		addr := s.ike.Remote().Addr()
		n.byPeer[addr] = slices.DeleteFunc(n.byPeer[addr], func(o *session) bool { return o == s })
		if len(n.byPeer[addr]) == 0 {
			delete(n.byPeer, addr)
		}
	}
}

// touch files the session's deadline.
func (n *KeyServer) touch(s *session) {
	if n.sessions[s.id] != s {
		return
	}
	var d machine.Next
	d.Add(s.ike.Deadline())
	for _, x := range s.exchanges {
		d.Add(x.responder.Deadline())
	}
	n.deadlines.Set(s, d.At, d.OK)
}

func (n *KeyServer) sessionTimeout(now machine.Now, s *session, out machine.Effects) machine.Effects {
	s.endExchanges(func(x *exchange) bool { return x.responder.Timeout(now) })
	// What ended, and why, is in DeadReason; settle says it.
	out, _ = s.ike.Timeout(now, out)
	return n.settle(now, s, out)
}

// identity is an ID payload in print: an address, a name as it is, and else hexadecimal digits. Not as a group's id is
// printed, where 4 octets are a number: "hub1" is a name.
func identity(id isakmp.ID) string {
	switch id.IDType {
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		if a, ok := netip.AddrFromSlice(id.Data); ok {
			return a.String()
		}
	case isakmp.IDDERASN1DN:
		return pki.NameString(id.Data)
	case isakmp.IDFQDN, isakmp.IDUserFQDN, isakmp.IDKeyID:
		if len(id.Data) > 0 && !bytes.ContainsFunc(id.Data, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return string(id.Data)
		}
	}
	return "0x" + hex.EncodeToString(id.Data)
}

func sortedAddrs(m map[netip.Addr][]*session) []netip.Addr {
	out := make([]netip.Addr, 0, len(m))
	for a := range m {
		out = append(out, a)
	}
	slices.SortFunc(out, netip.Addr.Compare)
	return out
}
