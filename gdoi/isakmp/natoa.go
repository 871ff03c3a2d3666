package isakmp

// NATOA is the NAT-OA payload, RFC 3947 §5.2: an original address.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|   ID Type     |                  RESERVED                     |
//	+---------------+-----------------------------------------------+
//	~           IPv4 (4 octets) or IPv6 address (16 octets)         ~
//	+---------------------------------------------------------------+
type NATOA struct {
	IDType IDType
	Data   []byte
}

// ParseNATOA reads the body of a NAT-OA payload; Data aliases it.
func ParseNATOA(body []byte) (NATOA, error) {
	c := read("NAT-OA", body)
	p := NATOA{IDType: IDType(c.u8("type"))}
	c.zero(3)
	if (p.IDType != IDIPv4Addr && p.IDType != IDIPv6Addr) || len(c.b) != p.IDType.size() {
		c.fail("type %v with %d octets is not one address", p.IDType, len(c.b))
	}
	p.Data = c.rest()
	return p, c.done()
}

// Type is PayloadNATOA.
func (NATOA) Type() PayloadType { return PayloadNATOA }

// AppendBody appends the body.
func (p NATOA) AppendBody(b []byte) []byte {
	return append(append(b, byte(p.IDType), 0, 0, 0), p.Data...)
}
