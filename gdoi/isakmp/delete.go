package isakmp

// Delete is the DELETE payload, RFC 2408 §3.15. In a GROUPKEY-PUSH (RFC 6407 §5.9) the protocol is that of the TEKs with
// SPIs of 4 octets, or 0 with the 16 octets of a KEK; SPI 0 stands for all of the protocol. The RFC leaves the size of
// a zero KEK SPI open: send 16, accept what SPISize says.
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|                 Domain of Interpretation (DOI)                |
//	+---------------+---------------+-------------------------------+
//	|  Protocol-Id  |   SPI Size    |           # of SPIs           |
//	+---------------+---------------+-------------------------------+
//	~               Security Parameter Index(es) (SPI)              ~
//	+---------------------------------------------------------------+
type Delete struct {
	DOI      uint32
	Protocol uint8
	SPISize  uint8
	SPIs     [][]byte
}

// ParseDelete reads the body of a DELETE payload; the SPIs alias it.
func ParseDelete(body []byte) (Delete, error) {
	c := read("DELETE", body)
	p := Delete{DOI: c.u32("DOI"), Protocol: c.u8("protocol"), SPISize: c.u8("SPI size")}
	n, size := int(c.u16("number of SPIs")), int(p.SPISize)
	switch {
	case c.err != nil:
	case n*size != len(c.b):
		c.fail("%d SPIs of %d octets in %d octets", n, size, len(c.b))
	case size == 0 && n > 0:
		c.fail("%d SPIs of no octets", n)
	case n > 0:
		p.SPIs = make([][]byte, n)
		for i := range p.SPIs {
			p.SPIs[i] = c.take(size, "SPI")
		}
	}
	return p, c.done()
}

// Type is PayloadDELETE.
func (Delete) Type() PayloadType { return PayloadDELETE }

// AppendBody appends the body. Every SPI must have SPISize octets.
func (p Delete) AppendBody(b []byte) []byte {
	b = append(put32(b, p.DOI), p.Protocol, p.SPISize)
	b = put16(b, len(p.SPIs))
	for _, s := range p.SPIs {
		b = append(b, s...)
	}
	return b
}
