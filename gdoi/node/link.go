package node

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
)

// link is a member's phase 1 with one key server, kept for the next registration and shared by the groups.
type link struct {
	ks      netip.AddrPort
	session *ike1.Session // nil: none
	up      bool          // the groups know that it is established
}

// lastMinutes of a session are too short for a registration.
const lastMinutes = time.Minute

var _ member.Sessions = (*GroupMember)(nil)

func (l *link) established() bool {
	return l.session != nil && l.session.State() == ike1.StateEstablished
}

// Session implements member.Sessions.
func (n *GroupMember) Session(now machine.Now, ks netip.AddrPort, out machine.Effects) (*ike1.Session, machine.Effects) {
	l := n.link(ks)
	switch {
	case l.session == nil, l.session.State() == ike1.StateDead:
	case !l.established():
		return nil, out // under way, for another group
	case l.session.Expires().Sub(now.Mono) > lastMinutes:
		return l.session, out
	}
	old := l.session
	l.session, l.up = ike1.NewInitiator(n.env, &n.cfg.Phase1, n.cfg.locals().For(ks.Addr()), ks), false
	out = l.session.Start(now, out)
	return nil, n.bury(now, old, out)
}

// Forget implements member.Sessions. Nothing is sent: the key server does not know the session.
func (n *GroupMember) Forget(now machine.Now, s *ike1.Session, out machine.Effects) machine.Effects {
	if l := n.link(s.Remote()); l.session == s {
		l.session, l.up = nil, false
	}
	return n.bury(now, s, out)
}

// bury wipes a session that no link has any more, and has the groups that used it begin again.
func (n *GroupMember) bury(now machine.Now, s *ike1.Session, out machine.Effects) machine.Effects {
	if s == nil {
		return out
	}
	s.Destroy()
	for _, g := range n.groups {
		out = g.Forgotten(now, s, out)
	}
	return out
}

// fromKeyServer takes datagrams of phase 1 and of registrations.
func (n *GroupMember) fromKeyServer(now machine.Now, h isakmp.Header, ev machine.Datagram, out machine.Effects) machine.Effects {
	l := n.link(ev.Remote)
	if l == nil {
		return n.drops.drop(now, gdoi.DropUnknownPeer, ev.Remote, "not one of our key servers", out)
	}
	if l.session == nil {
		return n.drops.drop(now, gdoi.DropUnknownCookies, ev.Remote, "no session with this key server", out)
	}
	if h.Exchange == isakmp.ExchangeGroupkeyPull {
		return n.buryDead(now, n.pull(now, l, h, ev, out))
	}
	out, err := l.session.Handle(now, ev.Bytes, out)
	if err != nil {
		out = n.drops.failed(now, err, ev.Remote, out)
	}
	s := l.session
	for _, p := range s.Received() {
		for _, g := range n.groups {
			out = g.Notified(now, s, p, out)
		}
	}
	return n.settle(now, l, err, out)
}

func (n *GroupMember) pull(now machine.Now, l *link, h isakmp.Header, ev machine.Datagram, out machine.Effects) machine.Effects {
	if !l.established() {
		return n.drops.drop(now, gdoi.DropNotEstablished, ev.Remote, "registration before phase 1 is done", out)
	}
	if cookiesOf(l.session) != (cookies{h.InitiatorCookie, h.ResponderCookie}) {
		return n.drops.drop(now, gdoi.DropUnknownCookies, ev.Remote, "not of the session with this key server", out)
	}
	for _, g := range n.groups {
		if id, ok := g.Exchange(l.session); ok && id == h.MessageID {
			g.ReachedAt(ev.Local.Addr())
			out, err := g.PullMessage(now, ev.Bytes, out)
			if err != nil {
				out = n.drops.failed(now, err, ev.Remote, out)
			}
			return out
		}
	}
	return n.drops.drop(now, gdoi.DropUnknownMessage, ev.Remote, "no registration has this message id", out)
}

// settle draws the consequences of what happened to a session; err is why it died, if it did.
func (n *GroupMember) settle(now machine.Now, l *link, err error, out machine.Effects) machine.Effects {
	switch {
	case l.session == nil:
	case l.session.State() == ike1.StateDead:
		if err == nil {
			err = errEnded
		}
		l.session, l.up = nil, false
		out = append(out, machine.Note{Name: gdoi.NotePhase1Down, Severity: machine.Debug, Peer: l.ks.String(), Reason: reasonOf(err), Text: err.Error()})
		for _, g := range n.groups {
			out = g.ConnectFailed(now, l.ks, err, out)
		}
	case l.established() && !l.up:
		l.up = true
		out = append(out, machine.Note{Name: gdoi.NotePhase1Up, Severity: machine.Debug, Peer: l.ks.String(), Text: fmt.Sprintf("phase 1 with %s is up", identity(l.session.PeerID()))})
		for _, g := range n.groups {
			out = g.Connected(now, l.ks, l.session, out)
		}
	}
	return out
}

var errEnded = errors.New("the phase-1 session was ended")

// buryDead finds sessions that a registration has ended, by refusing the policy for instance.
func (n *GroupMember) buryDead(now machine.Now, out machine.Effects) machine.Effects {
	for _, l := range n.links {
		if l.session != nil && l.session.State() == ike1.StateDead {
			out = n.settle(now, l, nil, out)
		}
	}
	return out
}
