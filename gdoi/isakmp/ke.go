package isakmp

// KE is the KE payload, RFC 2408 §3.7; left-padded to the group's length (RFC 2409 §5), x|y for ECP groups (RFC 5903 §7):
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	~                Key Exchange Data                              ~
//	+---------------------------------------------------------------+
type KE struct{ Data []byte }

// ParseKE reads the body of a KE payload; Data aliases it.
func ParseKE(body []byte) (KE, error) {
	c := read("KE", body)
	p := KE{c.some("data")}
	return p, c.done()
}

// Type is PayloadKE.
func (KE) Type() PayloadType { return PayloadKE }

// AppendBody appends the data.
func (p KE) AppendBody(b []byte) []byte { return append(b, p.Data...) }
