package isakmp

// SEQ is the sequence number payload, RFC 6407 §5.7: replay protection of GROUPKEY-PUSH, one sequence per KEK.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|                        Sequence Number                        |
//	+---------------------------------------------------------------+
type SEQ struct{ Number uint32 }

// ParseSEQ reads the body of a SEQ payload.
func ParseSEQ(body []byte) (SEQ, error) {
	c := read("SEQ", body)
	p := SEQ{c.u32("sequence number")}
	return p, c.done()
}

// Type is PayloadSEQ.
func (SEQ) Type() PayloadType { return PayloadSEQ }

// AppendBody appends the number.
func (p SEQ) AppendBody(b []byte) []byte { return put32(b, p.Number) }
