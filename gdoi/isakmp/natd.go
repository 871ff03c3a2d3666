package isakmp

// NATD is the NAT-D payload, RFC 3947 §3.2:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	~                HASH of the address and port                   ~
//	+---------------------------------------------------------------+
type NATD struct{ Data []byte }

// ParseNATD reads the body of a NAT-D payload; Data aliases it.
func ParseNATD(body []byte) (NATD, error) {
	c := read("NAT-D", body)
	p := NATD{c.some("data")}
	return p, c.done()
}

// Type is PayloadNATD.
func (NATD) Type() PayloadType { return PayloadNATD }

// AppendBody appends the data.
func (p NATD) AppendBody(b []byte) []byte { return append(b, p.Data...) }
