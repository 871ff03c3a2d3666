package isakmp

// Nonce is the NONCE payload, RFC 2408 §3.13:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	~                Nonce Data (8..256 octets)                     ~
//	+---------------------------------------------------------------+
type Nonce struct{ Data []byte }

// ParseNonce reads the body of a NONCE payload, whose data has 8 to 256 octets (RFC 2409 §5; GDOI allows 128, RFC 6407
// §5.8, which is for the exchange to check); Data aliases it.
func ParseNonce(body []byte) (Nonce, error) {
	c := read("NONCE", body)
	if n := len(body); n < 8 || n > 256 {
		c.fail("nonce of %d octets, 8 to 256 are allowed", n)
	}
	p := Nonce{c.some("data")}
	return p, c.done()
}

// Type is PayloadNONCE.
func (Nonce) Type() PayloadType { return PayloadNONCE }

// AppendBody appends the data.
func (p Nonce) AppendBody(b []byte) []byte { return append(b, p.Data...) }
