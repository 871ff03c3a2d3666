package packet

import "encoding/binary"

// Header is a parsed IP header of either version, with the extension headers of IPv6 up to the upper layer.
type Header struct {
	Src, Dst  Addr
	HeaderLen int // up to the upper layer: with options, or with extension headers
	TotalLen  int
	Offset    int    // of this fragment, in octets
	Label     uint32 // IPv6: flow label
	ID        uint16 // IPv4
	Version   uint8
	TOS       uint8 // IPv6: traffic class
	TTL       uint8 // IPv6: hop limit
	Proto     uint8 // of the upper layer
	DF, MF    bool  // IPv6 always has DF: routers do not fragment it
	// Opaque says that the upper layer is not known, and Proto is an extension header: a later fragment of a packet with
	// such headers behind the fragment header.
	Opaque bool
}

// Version returns the IP version of a packet, 0 if there is none.
func Version(b []byte) uint8 {
	if len(b) == 0 {
		return 0
	}
	return b[0] >> 4
}

// Parse reads the header of the packet b, see Header.Parse.
func Parse(b []byte) (h Header, err error) {
	err = h.Parse(b)
	return h, err
}

// Parse reads the header of the packet b into h, which must be zero. Octets behind the total length (link-layer padding)
// are allowed. The header checksum of IPv4 is not verified: the kernel has done it for what it hands us, and will for what
// we hand it.
func (h *Header) Parse(b []byte) error {
	switch Version(b) {
	case 4:
		return h.parseIPv4(b)
	case 6:
		return h.parseIPv6(b)
	}
	return ErrMalformed
}

// Source returns the source address and the version of a packet, without a look at the rest; ok is false if b is too short.
func Source(b []byte) (src Addr, version uint8, ok bool) {
	switch version = Version(b); {
	case version == 4 && len(b) >= IPv4HeaderLen:
		return Addr{Lo: uint64(binary.BigEndian.Uint32(b[12:]))}, version, true
	case version == 6 && len(b) >= IPv6HeaderLen:
		return Addr{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}, version, true
	}
	return Addr{}, 0, false
}

// Addresses returns the addresses and the version of a packet of which the fixed header is there.
func Addresses(b []byte) (src, dst Addr, version uint8, ok bool) {
	src, version, ok = Source(b)
	switch {
	case !ok:
	case version == 4:
		dst.Lo = uint64(binary.BigEndian.Uint32(b[16:]))
	default:
		dst = Addr{binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[32:])}
	}
	return src, dst, version, ok
}

// Fragment says whether the packet is a fragment of a larger one. An atomic fragment (RFC 6946) is not.
func (h *Header) Fragment() bool { return h.MF || h.Offset != 0 }

// OuterLen is the length of the header that PutOuter writes.
func (h *Header) OuterLen() int {
	if h.Version == 6 {
		return IPv6HeaderLen
	}
	return IPv4HeaderLen
}

// PutOuter writes the outer header of a tunnel packet with address preservation (RFC 6407 §5.5.1.1.1, RFC 5374 §3.1)
// to b, of the inner version and OuterLen octets: source, destination, TOS or traffic class (ECN included, RFC 6040 §4.1),
// flow label (RFC 6437 §3: what was set is not changed on the way) and DF are the inner ones. It never has MF, an offset or
// extension headers, because the inner fragment is the tunnel packet's payload, not a part of it. id is for IPv4.
//
// Deviation: RFC 4301 §5.1.2 builds the outer TTL afresh. Address preservation is to leave routing as it was without
// us, loops and traceroute included, so the inner TTL is copied.
func PutOuter(b []byte, inner *Header, proto uint8, total int, id uint16) {
	if inner.Version == 6 {
		putOuter6(b, inner, proto, total)
		return
	}
	putOuter4(b, inner, proto, total, id)
}

// SameAddresses is the comparison that RFC 5374 §3.1 demands of the receiver of a tunnel packet with address preservation.
func SameAddresses(outer, inner *Header) bool {
	return outer.Version == inner.Version && outer.Src == inner.Src && outer.Dst == inner.Dst
}
