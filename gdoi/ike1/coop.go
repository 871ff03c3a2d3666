package ike1

import (
	"crypto/hmac"
	"errors"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// Messages between key servers: one exchange each, protected as an Informational message is, in an exchange and a payload
// of private types.
//
//	HDR*, HASH, COOP        HASH = prf(SKEYID_a, M-ID | COOP)
//
// The hash has no direction and the message id is only random: that a message is new, and not our own come back, is for
// package coop/link to see in its frame.

// MaxCoopOverhead is how much longer the datagram is than the frame, at most, whatever was negotiated: the ISAKMP header,
// a hash of 64 octets, two payload headers, and padding.
const MaxCoopOverhead = isakmp.HeaderLen + 4 + 64 + 4 + 16

// SealCoop makes the datagram of a frame; nil unless the session is established.
func (s *Session) SealCoop(frame []byte) []byte {
	if s.state != StateEstablished {
		return nil
	}
	id := s.NewMessageID()
	body := isakmp.AppendChain(make([]byte, 0, 4+len(frame)), isakmp.Coop{Data: frame})
	hash := isakmp.Hash{Data: s.PRF(beUint32(id), body)}
	chain := make([]byte, 0, MaxCoopOverhead+len(frame))
	chain = isakmp.AppendChain(chain, hash, isakmp.Coop{Data: frame})
	msg := s.Exchange(id).Seal(isakmp.Header{Exchange: isakmp.ExchangeCoop, NextPayload: isakmp.PayloadHASH}, chain)
	clear(body)
	clear(chain)
	return msg
}

var (
	errCoopID    = errors.New("a message between key servers without a message id")
	errCoopChain = errors.New("a message between key servers is HASH and COOP, and nothing else")
)

// OpenCoop verifies a datagram of the peer and returns its frame, a copy. It changes nothing of the session.
func (s *Session) OpenCoop(msg []byte) ([]byte, error) {
	h, err := isakmp.ParseHeader(msg)
	switch {
	case err != nil:
		return nil, malformed(err)
	case h.Exchange != isakmp.ExchangeCoop:
		return nil, ignored(ReasonUnexpected, "exchange %s is not between key servers", h.Exchange)
	case h.Flags != isakmp.FlagEncrypted:
		return nil, &Error{Reason: ReasonUnprotected, Err: errClear}
	case h.MessageID == 0:
		return nil, malformed(errCoopID)
	}
	_, plain, err := s.Exchange(h.MessageID).Open(msg)
	if err != nil {
		return nil, err
	}
	chain, used, err := isakmp.ParseChain(h.NextPayload, plain)
	switch {
	case err != nil:
		err = malformed(err)
	case len(chain) != 2 || chain[0].Type != isakmp.PayloadHASH || chain[1].Type != isakmp.PayloadCoop:
		err = malformed(errCoopChain)
	case !hmac.Equal(chain[0].Body(), s.PRF(beUint32(h.MessageID), plain[len(chain[0].Wire):used])):
		err = ignored(ReasonAuth, "the hash of a message between key servers does not verify")
	}
	if err != nil {
		clear(plain)
		return nil, err
	}
	p, err := isakmp.ParseCoop(chain[1].Body())
	if err != nil {
		clear(plain)
		return nil, malformed(err)
	}
	return p.Data, nil
}
