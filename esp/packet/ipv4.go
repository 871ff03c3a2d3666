package packet

import "encoding/binary"

// Header lengths of IPv4, RFC 791 §3.1.
const (
	IPv4HeaderLen    = 20
	ipv4MaxHeaderLen = 60
	IPv4MinMTU       = 68 // what every router forwards, RFC 791 §3.2
)

const (
	flagDF = 0x4000
	flagMF = 0x2000
)

// parseIPv4 reads the header of b, whose first octet says IPv4.
func (h *Header) parseIPv4(b []byte) error {
	if len(b) < IPv4HeaderLen {
		return ErrMalformed
	}
	h.HeaderLen = int(b[0]&15) * 4
	h.TotalLen = int(binary.BigEndian.Uint16(b[2:]))
	if h.HeaderLen < IPv4HeaderLen || h.TotalLen < h.HeaderLen || h.TotalLen > len(b) {
		return ErrMalformed
	}
	frag := binary.BigEndian.Uint16(b[6:])
	h.DF, h.MF, h.Offset = frag&flagDF != 0, frag&flagMF != 0, int(frag&0x1fff)*8
	if h.Offset+h.TotalLen-h.HeaderLen > 65535 {
		return ErrMalformed // would reassemble beyond the largest datagram
	}
	h.Version, h.TOS, h.TTL, h.Proto = 4, b[1], b[8], b[9]
	h.ID = binary.BigEndian.Uint16(b[4:])
	h.Src.Lo = uint64(binary.BigEndian.Uint32(b[12:]))
	h.Dst.Lo = uint64(binary.BigEndian.Uint32(b[16:]))
	return nil
}

func putOuter4(b []byte, inner *Header, proto uint8, total int, id uint16) {
	_ = b[IPv4HeaderLen-1]
	b[0], b[1] = 0x45, inner.TOS
	binary.BigEndian.PutUint16(b[2:], uint16(total))
	binary.BigEndian.PutUint16(b[4:], id)
	var frag uint16
	if inner.DF {
		frag = flagDF
	}
	binary.BigEndian.PutUint16(b[6:], frag)
	b[8], b[9] = inner.TTL, proto
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint32(b[12:], uint32(inner.Src.Lo))
	binary.BigEndian.PutUint32(b[16:], uint32(inner.Dst.Lo))
	binary.BigEndian.PutUint16(b[10:], Checksum(b[:IPv4HeaderLen]))
}
