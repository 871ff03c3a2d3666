package isakmp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxPayloads limits a chain, so that a datagram of 64 KB cannot make thousands of payloads. Ours.
const MaxPayloads = 64

// ErrTooLong tells that a payload does not fit its 2-octet length field.
var ErrTooLong = errors.New("payload longer than 65535 octets")

const genericLen = 4

// Payload is one payload that can be written.
type Payload interface {
	Type() PayloadType
	// AppendBody appends the octets after the generic header.
	AppendBody(b []byte) []byte
}

// Raw is one payload as it arrived, RFC 2408 §3.2. Wire is the whole of it, with the generic header, and aliases the
// input: hashes are taken over exactly these octets.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	~                             body                              ~
type Raw struct {
	Type PayloadType
	Wire []byte
}

// Body is the payload without its generic header.
func (r Raw) Body() []byte { return r.Wire[genericLen:] }

// ParseChain splits b into the payloads of a message, the first of which has type first. It returns how many octets
// the chain used: the rest is CBC padding, which the caller judges. RFC 2408 §5.3: the reserved octet must be zero and
// the type known; private types are let through for the caller to skip. SAK, SAT, proposals and transforms live inside
// an SA and are refused at this level.
func ParseChain(first PayloadType, b []byte) (chain []Raw, used int, err error) {
	c := read("message", b)
	chain = make([]Raw, 0, 8)
	for t := first; t != PayloadNone; {
		switch {
		case len(chain) == MaxPayloads:
			c.fail("more than %d payloads", MaxPayloads)
		case !topLevel(t):
			c.fail("payload type %d (%v) has no place here", uint8(t), t)
		}
		start := c.at
		next, _ := c.payload(t)
		if c.err != nil {
			return nil, 0, c.err
		}
		chain = append(chain, Raw{t, b[start:c.at:c.at]})
		t = next
	}
	return chain, c.at, nil
}

func topLevel(t PayloadType) bool {
	switch t {
	case PayloadProposal, PayloadTransform, PayloadSAK, PayloadSAT:
		return false
	}
	return t >= PayloadPrivate || int(t) < len(payloadNames) && payloadNames[t] != ""
}

// FirstType is the Next Payload value of what precedes ps.
func FirstType(ps ...Payload) PayloadType {
	if len(ps) == 0 {
		return PayloadNone
	}
	return ps[0].Type()
}

// AppendChain appends ps, each with its generic header, linked by their types. It panics when a payload is longer
// than its length field can say: who builds payloads from configuration asks CheckSize first.
func AppendChain(b []byte, ps ...Payload) []byte {
	for i, p := range ps {
		start := len(b)
		b = append(b, byte(FirstType(ps[i+1:]...)), 0, 0, 0)
		b = p.AppendBody(b)
		n := len(b) - start
		if n > 0xffff {
			panic(fmt.Sprintf("isakmp: %v payload of %d octets: %v", p.Type(), n, ErrTooLong))
		}
		binary.BigEndian.PutUint16(b[start+2:], uint16(n))
	}
	return b
}

// CheckSize tells whether AppendChain can write ps. What it wrote to find out, key material perhaps, it wipes.
func CheckSize(ps ...Payload) error {
	// As large as what fits, so that appending leaves no other copies.
	b := make([]byte, 0, 0xffff)
	defer func() { clear(b[:cap(b)]) }()
	for _, p := range ps {
		body := p.AppendBody(b)
		defer clear(body)
		if n := genericLen + len(body); n > 0xffff {
			return fmt.Errorf("isakmp: %v payload of %d octets, split or shorten what it carries: %w", p.Type(), n, ErrTooLong)
		}
	}
	return nil
}
