package isakmp

// Coop is what key servers say to each other: a payload of private type in an exchange of private type, ours alone. Its
// data is a frame of package coop/link.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload=0|   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	~                Frame                                          ~
//	+---------------------------------------------------------------+
type Coop struct{ Data []byte }

// ParseCoop reads the body of a COOP payload; Data aliases it.
func ParseCoop(body []byte) (Coop, error) {
	c := read("COOP", body)
	p := Coop{c.some("frame")}
	return p, c.done()
}

// Type is PayloadCoop.
func (Coop) Type() PayloadType { return PayloadCoop }

// AppendBody appends the frame.
func (p Coop) AppendBody(b []byte) []byte { return append(b, p.Data...) }
