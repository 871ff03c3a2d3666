package isakmp

// Sig is the SIG payload, RFC 2408 §3.12; in a GROUPKEY-PUSH RFC 6407 §5.9:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	~                Signature Data                                 ~
//	+---------------------------------------------------------------+
type Sig struct{ Data []byte }

// ParseSig reads the body of a SIG payload; Data aliases it.
func ParseSig(body []byte) (Sig, error) {
	c := read("SIG", body)
	p := Sig{c.some("data")}
	return p, c.done()
}

// Type is PayloadSIG.
func (Sig) Type() PayloadType { return PayloadSIG }

// AppendBody appends the data.
func (p Sig) AppendBody(b []byte) []byte { return append(b, p.Data...) }
