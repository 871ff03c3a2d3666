package pull

import (
	"crypto/hmac"
	"encoding/binary"

	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Limits of nonce bodies, RFC 6407 §5.8, and the length of ours.
const (
	minNonce = 8
	maxNonce = 128
	ourNonce = 32
)

// exchange is what both sides of one PULL share: keys and IV chain of the phase-1 SA, message id, nonces.
type exchange struct {
	s      *ike1.Session
	x      *ike1.Exchange
	id     uint32
	ni, nr []byte // bodies; empty until known
}

func newExchange(s *ike1.Session, id uint32) exchange {
	return exchange{s: s, x: s.Exchange(id), id: id}
}

// hash is prf(SKEYID_a, M-ID | nonces | payloads).
func (e *exchange) hash(nonces [][]byte, payloads []byte) []byte {
	parts := make([][]byte, 0, 4)
	parts = append(parts, binary.BigEndian.AppendUint32(nil, e.id))
	parts = append(append(parts, nonces...), payloads)
	return e.s.PRF(parts...)
}

// seal builds one message: HASH over nonces and payloads, then the payloads, encrypted. The plaintext is wiped.
func (e *exchange) seal(nonces [][]byte, ps ...isakmp.Payload) []byte {
	n := len(e.hash(nil, nil))
	chain := append([]isakmp.Payload{isakmp.Hash{Data: make([]byte, n)}}, ps...)
	plain := isakmp.AppendChain(make([]byte, 0, plainSize(ps)), chain...)
	h := plain[4:]
	copy(h[:n], e.hash(nonces, h[n:]))
	msg := e.x.Seal(isakmp.Header{Exchange: isakmp.ExchangeGroupkeyPull, NextPayload: isakmp.PayloadHASH}, plain)
	clear(plain)
	return msg
}

// plainSize is enough for a message with key packets, so that appending does not leave copies of keys behind.
func plainSize(ps []isakmp.Payload) int {
	size := 512
	for _, p := range ps {
		if kd, ok := p.(*isakmp.KD); ok {
			for _, k := range kd.Packets {
				size += 16 + len(k.SPI)
				for _, a := range k.Attributes {
					size += 4 + len(a.Value)
				}
			}
		}
	}
	return size
}

// open decrypts one message and verifies its HASH. It returns the payloads after HASH, and the plaintext that they
// alias, for the caller to wipe. Nothing has changed unless it succeeds; then the IV chain moves on.
func (e *exchange) open(msg []byte, nonces ...[]byte) (chain []isakmp.Raw, plain []byte, err error) {
	h, err := isakmp.ParseHeader(msg)
	if err != nil {
		return nil, nil, err
	}
	if err := checkHeader(e.s, h); err != nil {
		return nil, nil, err
	}
	if h.MessageID != e.id {
		return nil, nil, unexpected("message id %08x in exchange %08x", h.MessageID, e.id)
	}
	h, plain, err = e.x.Open(msg)
	if err != nil {
		return nil, nil, err
	}
	chain, err = e.verify(h, plain, nonces)
	if err != nil {
		clear(plain)
		return nil, nil, err
	}
	e.x.Commit()
	return chain[1:], plain, nil
}

func (e *exchange) verify(h isakmp.Header, plain []byte, nonces [][]byte) ([]isakmp.Raw, error) {
	chain, used, err := isakmp.ParseChain(h.NextPayload, plain)
	if err != nil {
		// Wrong keys decrypt into noise, which seldom parses: without a HASH nobody can tell the two apart.
		return nil, err
	}
	if len(chain) == 0 || chain[0].Type != isakmp.PayloadHASH {
		return nil, malformed("the first payload is not HASH")
	}
	covered := plain[len(chain[0].Wire):used]
	want := e.hash(nonces, covered)
	if want == nil || !hmac.Equal(chain[0].Body(), want) {
		return nil, ErrHash
	}
	for _, o := range plain[used:] {
		if o != 0 {
			return nil, malformed("padding is not zero")
		}
	}
	return chain, nil
}

// checkHeader says whether a message can belong to a PULL of the session at all.
func checkHeader(s *ike1.Session, h isakmp.Header) error {
	i, r := s.Cookies()
	switch {
	case h.Exchange != isakmp.ExchangeGroupkeyPull:
		return unexpected("exchange type %v", h.Exchange)
	case h.InitiatorCookie != i || h.ResponderCookie != r:
		return unexpected("cookies %v %v of another session", h.InitiatorCookie, h.ResponderCookie)
	case h.Flags&isakmp.FlagEncrypted == 0:
		return malformed("a PULL message in clear")
	case h.MessageID == 0:
		return malformed("message id 0 is that of phase 1")
	case s.State() != ike1.StateEstablished:
		return unexpected("the phase-1 SA is %v", s.State())
	}
	return nil
}

// shape says whether the payloads are exactly these.
func shape(chain []isakmp.Raw, want ...isakmp.PayloadType) error {
	ok := len(chain) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = chain[i].Type == want[i]
	}
	if ok {
		return nil
	}
	types := make([]isakmp.PayloadType, len(chain))
	for i, r := range chain {
		types[i] = r.Type
	}
	return malformed("payloads after HASH are %v; expected %v", types, want)
}

func parseNonce(r isakmp.Raw) ([]byte, error) {
	n, err := isakmp.ParseNonce(r.Body())
	if err != nil {
		return nil, err
	}
	if len(n.Data) < minNonce || len(n.Data) > maxNonce {
		return nil, malformed("a nonce of %d octets; 8 to 128 are allowed (RFC 6407 §5.8)", len(n.Data))
	}
	return append([]byte{}, n.Data...), nil
}

func send(s *ike1.Session, msg []byte, after machine.PersistID) machine.Send {
	return machine.Send{Local: s.Local(), Remote: s.Remote(), Bytes: msg, After: after}
}
