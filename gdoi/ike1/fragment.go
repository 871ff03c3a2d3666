package ike1

import (
	"bytes"
	"errors"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Fragments of phase-1 messages. A message with certificates is longer than what a path carries in one piece, and
// fragments of IP get lost in filters. So when both sides have sent the vendor id, a message of more than maxWhole octets
// leaves in pieces. Only messages 5 and 6 are ever that long, so pieces are taken only by a side that waits for one of
// them, that is by one that has computed the keys with the other: whoever forges a source never makes us keep anything.

// fragments tells whether we offer it.
func (c *Config) fragments() bool { return len(c.Credentials) > 0 && !c.OmitFragmentation }

func (s *Session) mayFragment() bool {
	if !s.cfg.fragments() {
		return false
	}
	for _, v := range s.peerVIDs {
		if bytes.HasPrefix(v, isakmp.VendorIDFragmentation) {
			return true
		}
	}
	return false
}

// transmit sends a message, in pieces if it must be. A repetition has the same pieces under the same id, so that it fills
// the gaps of what arrived before.
func (s *Session) transmit(msg []byte, out machine.Effects) machine.Effects {
	if len(msg) <= maxWhole || !s.mayFragment() {
		return append(out, s.send(msg))
	}
	const id = 1 // there is one long message in each direction
	for n := uint8(1); len(msg) > 0; n++ {
		piece := msg[:min(len(msg), maxPiece)]
		msg = msg[len(piece):]
		f := isakmp.Fragment{ID: id, Number: n, Last: len(msg) == 0, Data: piece}
		out = append(out, s.send(isakmp.Message(s.header(isakmp.ExchangeMainMode), f)))
	}
	return out
}

// assembly is the pieces of one message.
type assembly struct {
	id     uint16
	began  machine.Instant
	pieces [maxPieces + 1][]byte // by number, from 1
	have   int
	last   int // number of the last one; 0: not known
	size   int // octets kept
}

func (a *assembly) reset() { *a = assembly{} }

// add takes a piece and returns the whole message when it was the last one missing. A piece of another message begins
// anew; one that is refused changes nothing else.
func (a *assembly) add(now machine.Instant, f isakmp.Fragment) ([]byte, *Error) {
	n := int(f.Number)
	if a.have > 0 && (a.id != f.ID || now.Sub(a.began) > assemblyLife) {
		a.reset()
	}
	if n > maxPieces || a.size+len(f.Data) > maxAssembled {
		return nil, ignored(ReasonFragmentLimit, "fragment %d of a message that is longer than %d octets or %d fragments", n, maxAssembled, maxPieces)
	}
	switch old := a.pieces[n]; {
	case old != nil && bytes.Equal(old, f.Data):
		return nil, ignored(ReasonDuplicate, "fragment %d again", n)
	case old != nil, a.last != 0 && (n > a.last || f.Last && n != a.last), f.Last && a.beyond(n):
		return nil, ignored(ReasonFragment, "fragment %d contradicts what arrived before", n)
	}
	if a.have == 0 {
		a.id, a.began = f.ID, now
	}
	if f.Last {
		a.last = n
	}
	a.pieces[n] = bytes.Clone(f.Data)
	a.have++
	a.size += len(f.Data)
	if a.have != a.last {
		return nil, nil
	}
	msg := make([]byte, 0, a.size)
	for _, p := range a.pieces[1 : a.last+1] {
		msg = append(msg, p...)
	}
	a.reset()
	return msg, nil
}

func (a *assembly) beyond(n int) bool {
	for _, p := range a.pieces[n+1:] {
		if p != nil {
			return true
		}
	}
	return false
}

// deadline is when the pieces are forgotten.
func (a *assembly) deadline() (machine.Instant, bool) { return a.began.Add(assemblyLife), a.have > 0 }

var (
	errNested   = errors.New("a fragment inside of fragments")
	errFragment = errors.New("a fragment that does not stand alone in a Main Mode message in clear")
)

// expectsLong tells whether the peer's next message, or a repetition of its last one, may be long.
func (s *Session) expectsLong(now machine.Now) bool {
	switch s.state {
	case StateSentAuth:
		return s.initiator
	case StateSentKE, StateSigning:
		return !s.initiator
	case StateEstablished:
		return !s.initiator && now.Mono.Sub(s.established) <= AnswerLife
	default:
		return false
	}
}

// fragment takes a piece, and the message that it completes.
func (s *Session) fragment(now machine.Now, h isakmp.Header, msg []byte, out machine.Effects) (machine.Effects, error) {
	if !s.mayFragment() || !s.suite.WithCertificate() || !s.expectsLong(now) {
		return out, ignored(ReasonUnexpected, "a fragment in state %s", s.state)
	}
	chain, used, err := isakmp.ParseChain(h.NextPayload, msg[isakmp.HeaderLen:])
	if err != nil {
		return out, malformed(err)
	}
	if len(chain) != 1 || used != len(msg)-isakmp.HeaderLen || h.Flags != 0 || h.Exchange != isakmp.ExchangeMainMode || h.MessageID != 0 {
		return out, malformed(errFragment)
	}
	f, err := isakmp.ParseFragment(chain[0].Body())
	if err != nil {
		return out, malformed(err)
	}
	whole, bad := s.pieces.add(now.Mono, f)
	switch {
	case bad != nil:
		return out, bad
	case whole == nil:
		return out, nil
	}
	if wh, err := isakmp.ParseHeader(whole); err != nil {
		return out, malformed(err)
	} else if wh.NextPayload == isakmp.PayloadFragment {
		return out, malformed(errNested)
	}
	return s.Handle(now, whole, out)
}

// FragmentBytes is how many octets of incomplete messages the session keeps.
func (s *Session) FragmentBytes() int { return s.pieces.size }
