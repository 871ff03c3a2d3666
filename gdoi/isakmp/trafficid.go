package isakmp

// TrafficID is the source or destination identity of a SAK or SAT, RFC 6407 §5.3 and §5.5.1. Port 0 means any. A source
// without data stands for all senders of a multi-source group.
//
//	+---------------+-------------------------------+---------------+
//	|    ID Type    |            ID Port            |  ID Data Len  |
//	+---------------+-------------------------------+---------------+
//	~                     Identification Data                       ~
//	+---------------------------------------------------------------+
type TrafficID struct {
	IDType IDType
	Port   uint16
	Data   []byte
}

// identities reads source and destination with lengths of width octets. Addresses must have their size; only the
// source may be empty.
//
// Deviation: the RFC's text lists a "DST ID Prot" octet that no figure shows and nobody sends; we neither.
func (c *cursor) identities(width int) (src, dst TrafficID) {
	return c.identity("source", width, true), c.identity("destination", width, false)
}

func (c *cursor) identity(side string, width int, mayBeEmpty bool) TrafficID {
	id := TrafficID{IDType: IDType(c.u8(side + " type")), Port: c.u16(side + " port")}
	var n int
	if width == 1 {
		n = int(c.u8(side + " length"))
	} else {
		n = int(c.u16(side + " length"))
	}
	if want := id.IDType.size(); c.err == nil && n != want && (n != 0 || !mayBeEmpty) {
		c.fail("%s %v of %d octets", side, id.IDType, n)
	}
	id.Data = c.take(n, side+" data")
	return id
}

func (id TrafficID) appendTo(b []byte) []byte {
	b = put16(append(b, byte(id.IDType)), int(id.Port))
	return append(append(b, byte(len(id.Data))), id.Data...)
}

// eitherWidth parses body with identity lengths of one octet and, if that fails, of two.
//
// Deviation: RFC 3547 and 6407 draw one octet; DigiCert TrustCore sends, and Wireshark expects, two. The sizes of
// addresses are fixed, so the wrong reading finds a length that fits no address and fails. A message is always
// written with one octet; what is written is again read with one.
func eitherWidth[T any](body []byte, parse func(body []byte, width int) (T, error)) (T, error) {
	v, err := parse(body, 1)
	if err == nil {
		return v, nil
	}
	if w, err2 := parse(body, 2); err2 == nil {
		return w, nil
	}
	return v, err
}
