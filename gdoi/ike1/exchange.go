package ike1

import (
	"bytes"
	"errors"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Exchange is the encryption of one exchange under an established session: GROUPKEY-PULL or Informational. Its CBC
// chain starts from the last block of phase 1 and the message id, and then runs through the messages of both sides
// (RFC 2409 App. B).
type Exchange struct {
	s       *Session
	id      uint32
	iv      []byte
	pending []byte // last block of the message that Open read, until Commit
}

// Exchange begins the chain of one exchange; it works as long as the session is established.
func (s *Session) Exchange(messageID uint32) *Exchange {
	x := &Exchange{s: s, id: messageID}
	if s.state == StateEstablished {
		x.iv = suite.ExchangeIV(s.suite.Hash, s.iv, messageID)
	}
	return x
}

// NewMessageID draws a message id that this session has not used for an Informational exchange.
func (s *Session) NewMessageID() uint32 {
	for {
		if id := s.env.Uint32(); id != 0 && !s.seen.has(id) {
			return id
		}
	}
}

// MessageID is the id that all messages of the exchange carry.
func (x *Exchange) MessageID() uint32 { return x.id }

// Seal pads and encrypts payloads (a chain whose first type is h.NextPayload) and moves the chain on. Cookies,
// version, message id, E flag and Length are filled in. It returns nil when the session is not established.
func (x *Exchange) Seal(h isakmp.Header, payloads []byte) []byte {
	if x.s.state != StateEstablished {
		return nil
	}
	h.InitiatorCookie, h.ResponderCookie, h.MessageID = x.s.ckyI, x.s.ckyR, x.id
	msg, last := seal(x.s.keys, x.iv, h, payloads)
	x.iv, x.pending = last, nil
	return msg
}

var (
	errNotEstablished = errors.New("the session is not established")
	errNotOurs        = errors.New("cookies or message id are not of this exchange")
	errClear          = errors.New("message is not encrypted")
)

// Open decrypts a message of the exchange. The plaintext still has its padding, and its hash is the caller's to
// verify; only after that Commit moves the chain on, so that a forged message breaks nothing.
func (x *Exchange) Open(msg []byte) (isakmp.Header, []byte, error) {
	h, err := isakmp.ParseHeader(msg)
	switch {
	case err != nil:
		return h, nil, malformed(err)
	case x.s.state != StateEstablished:
		return h, nil, &Error{Reason: ReasonDead, Err: errNotEstablished}
	case h.InitiatorCookie != x.s.ckyI || h.ResponderCookie != x.s.ckyR || h.MessageID != x.id:
		return h, nil, &Error{Reason: ReasonCookies, Err: errNotOurs}
	case h.Flags&isakmp.FlagEncrypted == 0:
		return h, nil, &Error{Reason: ReasonUnprotected, Err: errClear}
	}
	plain, err := suite.DecryptCBC(x.s.keys.CipherKey.Bytes(), x.iv, msg[isakmp.HeaderLen:])
	if err != nil {
		return h, nil, malformed(err)
	}
	x.pending = lastBlock(msg, len(x.iv))
	return h, plain, nil
}

// Commit accepts the message that Open read last.
func (x *Exchange) Commit() {
	if x.pending != nil {
		x.iv, x.pending = bytes.Clone(x.pending), nil
	}
}
