package isakmp

import "encoding/binary"

// MaxKeyPackets limits a KD payload. Ours.
const MaxKeyPackets = 4096

// KD is the key download, RFC 6407 §5.6:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|     Number of Key Packets     |           RESERVED2           |
//	+-------------------------------+-------------------------------+
//	~                         Key Packets                           ~
//	+---------------------------------------------------------------+
type KD struct{ Packets []KeyPacket }

// KeyPacket is one key, or set of keys, RFC 6407 §5.6. Its attribute values are key material: they alias what was
// parsed, so who wipes the plaintext wipes them.
//
//	+---------------+---------------+-------------------------------+
//	|    KD Type    |   RESERVED    |           KD Length           |
//	+---------------+---------------+-------------------------------+
//	|    SPI Size   |                SPI (variable)                 ~
//	+---------------+-----------------------------------------------+
//	~                    Key Packet Attributes                      ~
//	+---------------------------------------------------------------+
type KeyPacket struct {
	// Type is KDTypeTEK, KDTypeKEK, KDTypeLKH or KDTypeSID.
	Type uint8
	// SPI has 4 octets for a TEK, 16 for a KEK or LKH, none for SIDs.
	SPI        []byte
	Attributes []Attribute
}

const keyPacketHeaderLen = 4

// ParseKD reads the body of a KD payload. Size of the SPI follows from the type for the types that are known.
func ParseKD(body []byte) (*KD, error) {
	c := read("KD", body)
	n := int(c.u16("number of key packets"))
	c.zero(2)
	if n > MaxKeyPackets {
		c.fail("%d key packets, at most %d are allowed", n, MaxKeyPackets)
	}
	p := &KD{}
	for range n {
		k := KeyPacket{Type: c.u8("key packet type")}
		c.zero(1)
		size := int(c.u16("key packet length"))
		if size < keyPacketHeaderLen {
			c.fail("key packet of %d octets, less than its header", size)
		}
		s := c.sub(size-keyPacketHeaderLen, "key packet")
		spiLen := int(s.u8("SPI size"))
		if want, known := kdSPISize(k.Type); known && spiLen != want {
			s.fail("%s key packet with an SPI of %d octets, must be %d", KDTypeName(k.Type), spiLen, want)
		}
		k.SPI = s.take(spiLen, "SPI")
		k.Attributes = s.attributes()
		if c.join(&s); c.err != nil {
			break
		}
		p.Packets = append(p.Packets, k)
	}
	if err := c.done(); err != nil {
		return nil, err
	}
	return p, nil
}

func kdSPISize(t uint8) (size int, known bool) {
	switch t {
	case KDTypeTEK:
		return 4, true
	case KDTypeKEK, KDTypeLKH:
		return 16, true
	case KDTypeSID:
		return 0, true
	}
	return 0, false
}

// Type is PayloadKD.
func (KD) Type() PayloadType { return PayloadKD }

// AppendBody appends the body.
func (p KD) AppendBody(b []byte) []byte {
	b = append(put16(b, len(p.Packets)), 0, 0)
	for _, k := range p.Packets {
		start := len(b)
		b = append(b, k.Type, 0, 0, 0, byte(len(k.SPI)))
		b = append(b, k.SPI...)
		b = AppendAttributes(b, k.Attributes)
		binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	}
	return b
}
