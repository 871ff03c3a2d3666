package isakmp

// GAP is the group associated policy, RFC 6407 §5.4: inside an SA from the key server, or alone in message 3 of a
// GROUPKEY-PULL from the member.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	~               Group Associated Policy Attributes              ~
//	+---------------------------------------------------------------+
type GAP struct{ Attributes []Attribute }

// ParseGAP reads the body of a GAP payload; attribute values alias it.
func ParseGAP(body []byte) (GAP, error) {
	c := read("GAP", body)
	p := GAP{c.attributes()}
	return p, c.done()
}

// Type is PayloadGAP.
func (GAP) Type() PayloadType { return PayloadGAP }

// AppendBody appends the attributes.
func (p GAP) AppendBody(b []byte) []byte { return AppendAttributes(b, p.Attributes) }
