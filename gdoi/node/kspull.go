package node

import (
	"errors"
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// exchange is one registration.
type exchange struct {
	responder *pull.Responder
	group     *keyserver.Group
	version   uint64            // of the group's keys in message 2
	after     machine.PersistID // what message 4 waits for
}

func (s *session) endExchanges(which func(*exchange) bool) {
	s.exchanges = slices.DeleteFunc(s.exchanges, func(x *exchange) bool {
		if !which(x) {
			return false
		}
		x.responder.Destroy()
		return true
	})
}

// pull takes a datagram of a registration.
func (n *KeyServer) pull(now machine.Now, s *session, h isakmp.Header, ev machine.Datagram, out machine.Effects) machine.Effects {
	if s.ike.State() != ike1.StateEstablished {
		return n.drops.drop(now, gdoi.DropNotEstablished, ev.Remote, "registration before phase 1 is done", out)
	}
	for _, x := range s.exchanges {
		if x.responder.MessageID() == h.MessageID {
			return n.pullMessage(now, s, x, ev, out)
		}
	}
	// Only its first message proves that the exchange is genuine; room for it is found after that.
	r, err := pull.NewResponder(n.env, s.ike, ev.Bytes)
	if err != nil {
		return n.drops.failed(now, err, ev.Remote, out)
	}
	out, request, err := r.Handle(now, ev.Bytes, out)
	if err != nil {
		return n.drops.failed(now, err, ev.Remote, out)
	}
	if !s.ids.Add(h.MessageID) {
		return n.drops.drop(now, gdoi.DropUnknownMessage, ev.Remote, "the exchange has ended", out)
	}
	if len(s.exchanges) >= n.limits.Exchanges {
		// The member began a new one, so it has given up its oldest.
		oldest := s.exchanges[0]
		s.endExchanges(func(x *exchange) bool { return x == oldest })
		n.drops.counts[gdoi.DropExchangeLimit]++
	}
	x := &exchange{responder: r}
	s.exchanges = append(s.exchanges, x)
	s.ike.Alive(now)
	return n.answer(now, s, x, request, out)
}

func (n *KeyServer) pullMessage(now machine.Now, s *session, x *exchange, ev machine.Datagram, out machine.Effects) machine.Effects {
	from := len(out)
	out, request, err := x.responder.Handle(now, ev.Bytes, out)
	if err != nil {
		out = n.drops.failed(now, err, ev.Remote, out)
		var e *pull.Error
		if errors.As(err, &e) && e.Fatal {
			s.endExchanges(func(o *exchange) bool { return o == x })
		}
		return out
	}
	if request == nil { // a repetition
		if n.holds(x) { // its answer waits
			out, _ = withoutSends(out, from)
		}
		return out
	}
	s.ike.Alive(now)
	return n.answer(now, s, x, request, out)
}

// peer is who speaks in a session.
func peer(s *ike1.Session) keyserver.Peer {
	id := s.PeerID()
	return keyserver.Peer{Addr: s.Remote(), IDType: uint8(id.IDType), Identity: identity(id), GetVPN: s.PeerVendor(isakmp.VendorIDGetVPN), Cert: s.PeerCertificate()}
}

// answer does what a registration asks.
func (n *KeyServer) answer(now machine.Now, s *session, x *exchange, request pull.Request, out machine.Effects) machine.Effects {
	var err error
	switch r := request.(type) {
	case pull.WantPolicy:
		for _, g := range n.groups {
			if g.ID() == r.Group {
				x.group = g
			}
		}
		if x.group == nil {
			out = n.refusal(now, s, x, gdoi.NoteNotAuthorised, "unknown-group",
				fmt.Sprintf("%s asks for group %v, which is not served here", identity(s.ike.PeerID()), r.Group), out)
			return x.responder.Refuse(now, isakmp.InvalidIDInformation, out)
		}
		var offer *pull.Offer
		if offer, out, err = x.group.Policy(now, peer(s.ike), out); err == nil {
			x.version = x.group.Version()
			out, err = x.responder.Policy(now, offer, out)
		}
	case pull.WantKeys:
		// The answer has the KEK in clear (RFC 6407 §5.6.2), so a custody that keeps it is asked first.
		ended := func() bool { return !slices.Contains(s.exchanges, x) }
		return x.group.WithKEK(now, func(now machine.Now, err error, out machine.Effects) machine.Effects {
			if ended() {
				return out
			}
			if err == nil {
				out, err = n.register(now, s, x, r, out)
			}
			out = n.refuse(now, s, x, err, out)
			n.touch(s)
			return out
		}, ended, out)
	}
	return n.refuse(now, s, x, err, out)
}

// register grants what a registration asks for.
func (n *KeyServer) register(now machine.Now, s *session, x *exchange, r pull.WantKeys, out machine.Effects) (machine.Effects, error) {
	offer, after, out, err := x.group.Register(now, peer(s.ike), r.SIDCount, x.version, out)
	if x.after = after; err != nil {
		return out, err
	}
	n.unwritten[x.after] = s
	from := len(out)
	out, err = x.responder.Keys(now, offer, x.after, out)
	offer.WipePath()
	return n.hold(now, s, x, from, out), err
}

// refuse ends a registration that failed; a nil error changes nothing.
func (n *KeyServer) refuse(now machine.Now, s *session, x *exchange, err error, out machine.Effects) machine.Effects {
	switch {
	case err == nil:
		return out
	case errors.Is(err, keyserver.ErrChanged), errors.Is(err, pull.ErrStale):
		// Keys came, or one has ended. Our choice of type: the SPIs of message 2 are no longer valid. The member starts again at once.
		return x.responder.Refuse(now, isakmp.InvalidSPI, out)
	case errors.Is(err, keyserver.ErrCustody):
		n.drops.counts[gdoi.DropCustody]++
		return x.responder.RefuseFor(now, n.retryAfter(), out)
	case errors.Is(err, keyserver.ErrStandby):
		n.drops.counts[gdoi.DropStandby]++
		return x.responder.RefuseFor(now, n.retryAfter(), out)
	case errors.Is(err, keyserver.ErrRemoved):
		out = n.refusal(now, s, x, gdoi.NoteNotAuthorised, "removed",
			fmt.Sprintf("%s was removed from the group; readmit it if it should join again", identity(s.ike.PeerID())), out)
		return x.responder.Refuse(now, isakmp.InvalidIDInformation, out)
	case errors.Is(err, keyserver.ErrNotAuthorised):
		out = n.refusal(now, s, x, gdoi.NoteNotAuthorised, "not-authorised",
			fmt.Sprintf("%s may not join; add it to the group's authorise list if it should", identity(s.ike.PeerID())), out)
		return x.responder.Refuse(now, isakmp.InvalidIDInformation, out)
	case errors.Is(err, keyserver.ErrNoSenderIDs):
		out = n.refusal(now, s, x, gdoi.NoteSIDsExhausted, "sender-ids",
			fmt.Sprintf("%s cannot join: %v; raise sender-ids bits or count of the group", identity(s.ike.PeerID()), err), out)
		return x.responder.Refuse(now, isakmp.TryLater, out)
	case errors.Is(err, keyserver.ErrTooOften):
		n.drops.counts[gdoi.DropTooOften]++
		out = n.refusal(now, s, x, gdoi.NoteRegisterFailed, gdoi.DropTooOften,
			fmt.Sprintf("%s registers too often and must wait; find out why it does", identity(s.ike.PeerID())), out)
		return x.responder.Refuse(now, isakmp.TryLater, out)
	default:
		out = append(out, machine.Note{
			Name: gdoi.NoteRegisterFailed, Severity: machine.Error, Peer: s.ike.Remote().String(), Group: x.group.Name(), Reason: reasonOf(err), Text: err.Error(),
		})
		return x.responder.Refuse(now, isakmp.NoProposalChosen, out)
	}
}

// refusal tells the journal, within limits: the peer can make it happen as often as it likes.
func (n *KeyServer) refusal(now machine.Now, s *session, x *exchange, name, reason, text string, out machine.Effects) machine.Effects {
	note := machine.Note{Name: name, Severity: machine.Warning, Peer: s.ike.Remote().String(), Reason: reason, Text: text}
	if x.group != nil {
		note.Group = x.group.Name()
	}
	return n.drops.voices.note(now, s.ike.Remote().Addr(), note, out)
}
