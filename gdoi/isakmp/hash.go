package isakmp

// Hash is the HASH payload, RFC 2408 §3.11:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	~                Hash Data                                      ~
//	+---------------------------------------------------------------+
type Hash struct{ Data []byte }

// ParseHash reads the body of a HASH payload; Data aliases it.
func ParseHash(body []byte) (Hash, error) {
	c := read("HASH", body)
	p := Hash{c.some("data")}
	return p, c.done()
}

// Type is PayloadHASH.
func (Hash) Type() PayloadType { return PayloadHASH }

// AppendBody appends the data.
func (p Hash) AppendBody(b []byte) []byte { return append(b, p.Data...) }
