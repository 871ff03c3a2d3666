package packet

import "encoding/binary"

// Header lengths of IPv4, RFC 791 §3.1.
const (
	IPv4HeaderLen    = 20
	ipv4MaxHeaderLen = 60
)

const (
	flagDF = 0x4000
	flagMF = 0x2000
)

// IPv4 is a parsed IPv4 header.
type IPv4 struct {
	Src, Dst  uint32
	HeaderLen int // with options
	TotalLen  int
	Offset    int // of this fragment, in octets
	ID        uint16
	TOS       uint8
	TTL       uint8
	Proto     uint8
	DF, MF    bool
}

// Version returns the IP version of a packet, 0 if there is none.
func Version(b []byte) uint8 {
	if len(b) == 0 {
		return 0
	}
	return b[0] >> 4
}

// ParseIPv4 reads the header of the packet b. Octets behind the total length (link-layer padding) are allowed. The
// header checksum is not verified: the kernel has done it for what it hands us, and will for what we hand it.
func ParseIPv4(b []byte) (h IPv4, err error) {
	if len(b) < IPv4HeaderLen || b[0]>>4 != 4 {
		return h, ErrMalformed
	}
	h.HeaderLen = int(b[0]&15) * 4
	h.TotalLen = int(binary.BigEndian.Uint16(b[2:]))
	if h.HeaderLen < IPv4HeaderLen || h.TotalLen < h.HeaderLen || h.TotalLen > len(b) {
		return h, ErrMalformed
	}
	frag := binary.BigEndian.Uint16(b[6:])
	h.DF, h.MF, h.Offset = frag&flagDF != 0, frag&flagMF != 0, int(frag&0x1fff)*8
	if h.Offset+h.TotalLen-h.HeaderLen > 65535 {
		return h, ErrMalformed // would reassemble beyond the largest datagram
	}
	h.TOS, h.TTL, h.Proto = b[1], b[8], b[9]
	h.ID = binary.BigEndian.Uint16(b[4:])
	h.Src = binary.BigEndian.Uint32(b[12:])
	h.Dst = binary.BigEndian.Uint32(b[16:])
	return h, nil
}

// Fragment says whether the packet is a fragment of a larger one.
func (h *IPv4) Fragment() bool { return h.MF || h.Offset != 0 }

// PutOuter writes the outer header of a tunnel packet with address preservation (RFC 6407 §5.5.1.1.1, RFC 5374 §3.1)
// to b: source, destination, TOS (ECN included, RFC 6040 §4.1) and DF are the inner ones; it never has MF or an offset,
// because the inner fragment is the tunnel packet's payload, not a part of it.
//
// Deviation: RFC 4301 §5.1.2.1 builds the outer TTL afresh. Address preservation is to leave routing as it was without
// us, loops and traceroute included, so the inner TTL is copied.
func PutOuter(b []byte, inner *IPv4, proto uint8, total int, id uint16) {
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
	binary.BigEndian.PutUint32(b[12:], inner.Src)
	binary.BigEndian.PutUint32(b[16:], inner.Dst)
	binary.BigEndian.PutUint16(b[10:], Checksum(b[:IPv4HeaderLen]))
}

// SameAddresses is the comparison that RFC 5374 §3.1 demands of the receiver of a tunnel packet with address preservation.
func SameAddresses(outer, inner *IPv4) bool {
	return outer.Src == inner.Src && outer.Dst == inner.Dst
}
