package isakmp

// SAK is the KEK policy, RFC 6407 §5.3:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|   Protocol    |  SRC ID Type  |         SRC ID Port           |
//	+---------------+---------------+-------------------------------+
//	|SRC ID Data Len|          SRC Identification Data              ~
//	+---------------+---------------+---------------+---------------+
//	| DST ID Type   |         DST ID Port           |DST ID Data Len|
//	+---------------+-------------------------------+---------------+
//	~                    DST Identification Data                    ~
//	+---------------------------------------------------------------+
//	|                           SPI (16)                            |
//	+---------------------------------------------------------------+
//	|                          RESERVED2                            |
//	+---------------------------------------------------------------+
//	~                        KEK Attributes                         ~
//	+---------------------------------------------------------------+
type SAK struct {
	// Protocol is the IP protocol of the rekey message: 17.
	Protocol   uint8
	Src, Dst   TrafficID
	SPI        [16]byte
	Attributes []Attribute
}

// ParseSAK reads the body of a SAK payload; slices alias it.
//
// Deviation: the 2011 reference program writes six reserved octets instead of four. Attribute type 0 is reserved and
// never sent, so attributes that seem to start with it mean two more reserved octets. They are not written again.
func ParseSAK(body []byte) (SAK, error) { return eitherWidth(body, parseSAK) }

func parseSAK(body []byte, width int) (SAK, error) {
	c := read("SAK", body)
	p := SAK{Protocol: c.u8("protocol")}
	p.Src, p.Dst = c.identities(width)
	copy(p.SPI[:], c.take(len(p.SPI), "SPI"))
	c.zero(4)
	if len(c.b) >= 2 && c.b[0] == 0 && c.b[1] == 0 {
		c.zero(2)
	}
	p.Attributes = c.attributes()
	return p, c.done()
}

// Type is PayloadSAK.
func (SAK) Type() PayloadType { return PayloadSAK }

// AppendBody appends the body in the RFC's form.
func (p SAK) AppendBody(b []byte) []byte {
	b = append(b, p.Protocol)
	b = p.Dst.appendTo(p.Src.appendTo(b))
	b = append(append(b, p.SPI[:]...), 0, 0, 0, 0)
	return AppendAttributes(b, p.Attributes)
}
