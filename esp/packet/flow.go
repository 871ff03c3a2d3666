package packet

import (
	"encoding/binary"
	"net/netip"
)

// Addr is an address of either family as a number; IPv4 addresses have Hi 0. Flow.V6 tells them apart.
type Addr struct{ Hi, Lo uint64 }

// FromNetip converts an address; IPv4 mapped into IPv6 counts as IPv4.
func FromNetip(a netip.Addr) Addr {
	a = a.Unmap()
	if a.Is4() {
		b := a.As4()
		return Addr{Lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return Addr{Hi: binary.BigEndian.Uint64(b[:]), Lo: binary.BigEndian.Uint64(b[8:])}
}

// PortState says what is known about a packet's ports.
type PortState uint8

// Port states.
const (
	PortsNone    PortState = iota // the protocol has none
	PortsKnown                    // SrcPort and DstPort are set
	PortsUnknown                  // a later fragment, or a first one too short to hold them
)

// Flow is what the access list looks at: the selectors of RFC 4301 §4.4.1.1. It is comparable.
type Flow struct {
	Src, Dst         Addr
	SrcPort, DstPort uint16
	Proto            uint8
	Ports            PortState
	V6               bool
}

// Reverse returns the flow of the answers.
func (f Flow) Reverse() Flow {
	f.Src, f.Dst = f.Dst, f.Src
	f.SrcPort, f.DstPort = f.DstPort, f.SrcPort
	return f
}

// HasPorts says whether a protocol has ports where TCP has them.
func HasPorts(proto uint8) bool {
	switch proto {
	case ProtoTCP, ProtoUDP, 33, 132, 136: // DCCP, SCTP, UDP-Lite
		return true
	}
	return false
}

// Flow returns the flow of the packet b with header h.
func (h *IPv4) Flow(b []byte) Flow {
	f := Flow{Src: Addr{Lo: uint64(h.Src)}, Dst: Addr{Lo: uint64(h.Dst)}, Proto: h.Proto}
	f.setPorts(b[h.HeaderLen:h.TotalLen], h.Offset != 0)
	return f
}

func (f *Flow) setPorts(transport []byte, later bool) {
	switch {
	case !HasPorts(f.Proto):
	case later || len(transport) < 4:
		f.Ports = PortsUnknown
	default:
		f.Ports = PortsKnown
		f.SrcPort = binary.BigEndian.Uint16(transport)
		f.DstPort = binary.BigEndian.Uint16(transport[2:])
	}
}

// IPv6 header and the extension headers before the transport, RFC 8200 §4.
const (
	ipv6HeaderLen   = 40
	maxExtensions   = 8
	extHopByHop     = 0
	extRouting      = 43
	extFragment     = 44
	extAuth         = 51
	extDestinations = 60
)

// FlowIPv6 returns the flow of the IPv6 packet b. A chain of more than eight extension headers is malformed.
func FlowIPv6(b []byte) (f Flow, err error) {
	if len(b) < ipv6HeaderLen || b[0]>>4 != 6 {
		return f, ErrMalformed
	}
	payload := int(binary.BigEndian.Uint16(b[4:]))
	if ipv6HeaderLen+payload > len(b) {
		return f, ErrMalformed
	}
	f.V6 = true
	f.Src = Addr{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}
	f.Dst = Addr{binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[32:])}
	f.Proto = b[6]
	rest := b[ipv6HeaderLen : ipv6HeaderLen+payload]
	for range maxExtensions {
		var length int
		switch f.Proto {
		case extHopByHop, extRouting, extDestinations, extAuth, extFragment:
			if len(rest) < 8 {
				return f, ErrMalformed
			}
			length = (int(rest[1]) + 1) * 8
		default:
			f.setPorts(rest, false)
			return f, nil
		}
		switch {
		case f.Proto == extAuth:
			length = (int(rest[1]) + 2) * 4
		case f.Proto == extFragment && binary.BigEndian.Uint16(rest[2:])&^7 != 0:
			f.Proto = rest[0]
			f.setPorts(nil, true)
			return f, nil
		case f.Proto == extFragment:
			length = 8
		}
		if length > len(rest) {
			return f, ErrMalformed
		}
		f.Proto, rest = rest[0], rest[length:]
	}
	return f, ErrMalformed
}
