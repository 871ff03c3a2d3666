package isakmp

// SAT is the TEK policy, RFC 6407 §5.5; the part after Protocol-ID is that of ESP and AH, §5.5.1:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|  Protocol-ID  |   Protocol    |  SRC ID Type  |  SRC ID Port  ~
//	+---------------+---------------+---------------+---------------+
//	~  SRC ID Port  |SRC ID Data Len|    SRC Identification Data    ~
//	+---------------+---------------+---------------+---------------+
//	| DST ID Type   |         DST ID Port           |DST ID Data Len|
//	+---------------+-------------------------------+---------------+
//	~                    DST Identification Data                    ~
//	+---------------+-----------------------------------------------+
//	| Transform ID  |                     SPI                       ~
//	+---------------+-----------------------------------------------+
//	~      SPI      |            RFC 2407 SA Attributes             ~
//	+---------------+-----------------------------------------------+
type SAT struct {
	// ProtocolID is ProtocolESP or ProtocolAH.
	ProtocolID uint8
	// IPProtocol of the traffic; 0 is any.
	IPProtocol uint8
	Src, Dst   TrafficID
	// Transform is an ESP (or AH) transform identifier.
	Transform  uint8
	SPI        uint32
	Attributes []Attribute
	// Opaque is the rest of the payload of any other protocol (RFC 8052 has one), which a member that does not know it
	// must refuse; the fields above except ProtocolID are zero then.
	Opaque []byte
}

// ParseSAT reads the body of a SAT payload; slices alias it.
func ParseSAT(body []byte) (SAT, error) { return eitherWidth(body, parseSAT) }

func parseSAT(body []byte, width int) (SAT, error) {
	c := read("SAT", body)
	p := SAT{ProtocolID: c.u8("protocol id")}
	if p.ProtocolID != ProtocolESP && p.ProtocolID != ProtocolAH {
		p.Opaque = c.some("protocol specific part")
		return p, c.done()
	}
	p.IPProtocol = c.u8("protocol")
	p.Src, p.Dst = c.identities(width)
	p.Transform = c.u8("transform")
	p.SPI = c.u32("SPI")
	p.Attributes = c.attributes()
	return p, c.done()
}

// Type is PayloadSAT.
func (SAT) Type() PayloadType { return PayloadSAT }

// AppendBody appends the body in the RFC's form.
func (p SAT) AppendBody(b []byte) []byte {
	b = append(b, p.ProtocolID)
	if p.Opaque != nil {
		return append(b, p.Opaque...)
	}
	b = append(b, p.IPProtocol)
	b = p.Dst.appendTo(p.Src.appendTo(b))
	b = put32(append(b, p.Transform), p.SPI)
	return AppendAttributes(b, p.Attributes)
}
