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
	ProtoUnknown                  // not even the protocol: Header.Opaque
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
func (h *Header) Flow(b []byte) Flow {
	f := Flow{Src: h.Src, Dst: h.Dst, Proto: h.Proto, V6: h.Version == 6}
	if h.Opaque {
		f.Ports = ProtoUnknown
		return f
	}
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
