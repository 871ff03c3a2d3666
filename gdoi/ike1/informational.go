package ike1

import (
	"bytes"
	"crypto/hmac"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// idRing remembers the message ids of Informational exchanges, ours too: HASH(1) has no direction, so our own
// message could be sent back to us.
type idRing struct {
	ids  []uint32
	next int
}

func (r *idRing) has(id uint32) bool {
	for _, x := range r.ids {
		if x == id {
			return true
		}
	}
	return false
}

func (r *idRing) add(id uint32) {
	if len(r.ids) < rememberedIDs {
		r.ids = append(r.ids, id)
		return
	}
	r.ids[r.next] = id
	r.next = (r.next + 1) % rememberedIDs
}

// Informational sends payloads, each notification or deletion, protected: HDR*, HASH(1), N/D (RFC 2409 §5.7). It does
// nothing unless the session is established.
func (s *Session) Informational(out machine.Effects, ps ...isakmp.Payload) machine.Effects {
	if s.state != StateEstablished {
		return out
	}
	id := s.NewMessageID()
	s.seen.add(id)
	body := isakmp.AppendChain(nil, ps...)
	hash := isakmp.Hash{Data: s.PRF(beUint32(id), body)}
	h := isakmp.Header{Exchange: isakmp.ExchangeInformational, NextPayload: isakmp.PayloadHASH}
	chain := isakmp.AppendChain(nil, append([]isakmp.Payload{hash}, ps...)...)
	return append(out, s.send(s.Exchange(id).Seal(h, chain)))
}

// Delete tells the peer and ends the session. What else the owner has to tell goes first, in the same message: after it
// the peer would not understand any other.
func (s *Session) Delete(_ machine.Now, out machine.Effects, also ...isakmp.Payload) machine.Effects {
	if s.state == StateDead {
		return out
	}
	out = s.sendDelete(out, also...)
	_ = s.die(ReasonLocalDeleted, nil)
	return out
}

// sendDelete is the deletion of the ISAKMP SA (RFC 2408 §3.15); it is not acknowledged.
func (s *Session) sendDelete(out machine.Effects, also ...isakmp.Payload) machine.Effects {
	spi := s.spi()
	return s.Informational(out, append(slices.Clone(also), isakmp.Delete{
		DOI: isakmp.DOIGDOI, Protocol: isakmp.ProtoISAKMP, SPISize: uint8(len(spi)), SPIs: [][]byte{spi},
	})...)
}

// informational takes an Informational message: protected ones once established, hints in clear before.
func (s *Session) informational(now machine.Now, h isakmp.Header, msg []byte, out machine.Effects) (machine.Effects, error) {
	encrypted := h.Flags&isakmp.FlagEncrypted != 0
	switch {
	case !encrypted && s.state == StateEstablished:
		return out, &Error{Reason: ReasonUnprotected, Err: errClear}
	case !encrypted:
		return out, s.takeHint(h, msg)
	case s.state != StateEstablished:
		return out, ignored(ReasonUnexpected, "protected Informational message in state %s", s.state)
	case h.MessageID == 0:
		return out, malformed(errors.New("protected Informational message without a message id"))
	case s.seen.has(h.MessageID):
		return out, ignored(ReasonReplay, "message id %08x was used before", h.MessageID)
	}
	_, plain, err := s.Exchange(h.MessageID).Open(msg)
	if err != nil {
		return out, err
	}
	chain, used, err := isakmp.ParseChain(h.NextPayload, plain)
	if err != nil {
		return out, malformed(err)
	}
	if len(chain) < 2 || chain[0].Type != isakmp.PayloadHASH {
		return out, malformed(errors.New("protected Informational message does not begin with HASH"))
	}
	rest := plain[len(chain[0].Wire):used]
	if !hmac.Equal(chain[0].Body(), s.PRF(beUint32(h.MessageID), rest)) {
		return out, ignored(ReasonAuth, "HASH(1) of an Informational message does not verify")
	}
	notifies, deletes, err := parseInformational(chain[1:])
	if err != nil {
		return out, malformed(err)
	}
	s.seen.add(h.MessageID)
	for _, n := range notifies {
		if out, err = s.notified(now, n, out); err != nil {
			return out, err
		}
	}
	for _, d := range deletes {
		if err := s.deleted(d); err != nil {
			return out, err
		}
	}
	return out, nil
}

// parseInformational reads everything before anything takes effect. The values outlive the datagram.
func parseInformational(chain []isakmp.Raw) (ns []*isakmp.Notify, ds []*isakmp.Delete, err error) {
	for _, r := range chain {
		switch r.Type {
		case isakmp.PayloadNOTIFY:
			n, err := isakmp.ParseNotify(bytes.Clone(r.Body()))
			if err != nil {
				return nil, nil, err
			}
			ns = append(ns, &n)
		case isakmp.PayloadDELETE:
			d, err := isakmp.ParseDelete(bytes.Clone(r.Body()))
			if err != nil {
				return nil, nil, err
			}
			ds = append(ds, &d)
		default:
			if r.Type < isakmp.PayloadPrivate && r.Type != isakmp.PayloadVID {
				return nil, nil, fmt.Errorf("payload %s in an Informational message", r.Type)
			}
		}
	}
	return ns, ds, nil
}

// notified acts on an authenticated notification.
func (s *Session) notified(now machine.Now, n *isakmp.Notify, out machine.Effects) (machine.Effects, error) {
	switch n.MsgType {
	case isakmp.RUThere:
		return s.answerRUThere(now, n, out)
	case isakmp.RUThereAck:
		return out, s.takeRUThereAck(now, n)
	case isakmp.InitialContact:
		s.noteInitialContact([]isakmp.Notify{*n})
		return out, nil
	default:
		s.keep(n)
		return out, nil
	}
}

// deleted acts on an authenticated deletion; those of other protocols are the owner's.
func (s *Session) deleted(d *isakmp.Delete) error {
	if d.Protocol != isakmp.ProtoISAKMP {
		s.keep(d)
		return nil
	}
	for _, spi := range d.SPIs {
		if bytes.Equal(spi, s.spi()) {
			return s.die(ReasonPeerDeleted, fmt.Errorf("%s deleted the ISAKMP SA", s.remote))
		}
	}
	return nil
}

func (s *Session) keep(p isakmp.Payload) {
	if len(s.received) < maxReceived {
		s.received = append(s.received, p)
	}
}

// takeHint remembers a notification in clear. Anybody may have sent it, so it changes nothing else.
func (s *Session) takeHint(h isakmp.Header, msg []byte) error {
	p, err := split(h.NextPayload, msg[isakmp.HeaderLen:])
	if err != nil {
		return malformed(err)
	}
	if len(p.notifies) == 0 {
		return ignored(ReasonUnexpected, "Informational message in clear without a notification")
	}
	s.hint = p.notifies[0].MsgType
	return ignored(ReasonHint, "%s says, unauthenticated, %s", s.remote, s.hint)
}

// NotifyCleartext is a notification without protection, about the message that h came from: a hint to its sender.
func NotifyCleartext(h isakmp.Header, t isakmp.NotifyType) []byte {
	a := isakmp.Header{InitiatorCookie: h.InitiatorCookie, ResponderCookie: h.ResponderCookie, Exchange: isakmp.ExchangeInformational}
	spi := append(append([]byte(nil), h.InitiatorCookie[:]...), h.ResponderCookie[:]...)
	return isakmp.Message(a, isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPI: spi, MsgType: t})
}

// Refusal is the answer to a first message that NewResponder refused with err, if it deserves one. The caller limits
// how many it sends.
func Refusal(local, remote netip.AddrPort, first []byte, err error) (machine.Send, bool) {
	var e *Error
	if !errors.As(err, &e) || e.Notify == 0 {
		return machine.Send{}, false
	}
	h, perr := isakmp.ParseHeader(first)
	if perr != nil {
		return machine.Send{}, false
	}
	return machine.Send{Local: local, Remote: remote, Bytes: NotifyCleartext(h, e.Notify)}, true
}
