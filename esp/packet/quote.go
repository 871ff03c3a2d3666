package packet

import "encoding/binary"

// Kind is what an ICMP error says, in both versions.
type Kind uint8

// Kinds of errors.
const (
	Unreachable Kind = iota
	PacketLong       // fragmentation needed, or packet too big
	TimeExceeded
	Parameter
)

// ICMP types, RFC 792 and RFC 4443.
const (
	icmpUnreachable, icmpTimeExceeded, icmpParameter                       = 3, 11, 12
	icmp6Unreachable, icmp6PacketTooBig, icmp6TimeExceeded, icmp6Parameter = 1, 2, 3, 4
)

// Codes of "unreachable".
const (
	icmpHost, icmpProtocol, icmpPort, icmpFragNeeded = 1, 2, 3, 4
	icmp6Address, icmp6Port                          = 3, 4
)

// espQuote is the least of an ESP packet that a router quotes, RFC 792: SPI and sequence number.
const espQuote = 8

// ICMPError is an ICMP error that quotes an ESP packet: what a router of the core says about one of our own.
type ICMPError struct {
	Kind       Kind
	Type, Code uint8
	Version    uint8
	TTL        uint8 // of the message
	Pointer    uint8 // of Parameter
	Src, Dst   Addr  // the router; whose packet it was
	MTU        int   // of PacketLong; 0: an old router, which does not say (RFC 1191 §5)

	// The quoted packet.
	To       Addr
	Length   int // of the whole packet
	SPI, Seq uint32
}

// ParseICMPError reads an ICMP error with its IP header. ok is false for what is not an error about an ESP packet, does not
// quote SPI and sequence number, goes to somebody else than the source of the quoted packet, or is malformed.
func ParseICMPError(b []byte) (e ICMPError, ok bool) {
	h, err := Parse(b)
	if err != nil || h.Fragment() || h.TotalLen-h.HeaderLen < icmpHeaderLen {
		return e, false
	}
	m := b[h.HeaderLen:h.TotalLen]
	e = ICMPError{Type: m[0], Code: m[1], Version: h.Version, TTL: h.TTL, Src: h.Src, Dst: h.Dst}
	quoted := m[icmpHeaderLen:]
	switch {
	case h.Version == 4 && h.Proto == ProtoICMP:
		ok = Checksum(m) == 0 && e.kind4(m) && e.quote4(quoted)
	case h.Version == 6 && h.Proto == ProtoICMPv6:
		ok = UpperChecksum(&h, ProtoICMPv6, m) == 0 && e.kind6(m) && e.quote6(quoted)
	}
	return e, ok
}

func (e *ICMPError) kind4(m []byte) bool {
	switch {
	case e.Type == icmpUnreachable && e.Code == icmpFragNeeded:
		e.Kind, e.MTU = PacketLong, int(binary.BigEndian.Uint16(m[6:]))
	case e.Type == icmpUnreachable:
		e.Kind = Unreachable
	case e.Type == icmpTimeExceeded:
		e.Kind = TimeExceeded
	case e.Type == icmpParameter:
		e.Kind, e.Pointer = Parameter, m[4]
	default:
		return false
	}
	return true
}

func (e *ICMPError) kind6(m []byte) bool {
	switch e.Type {
	case icmp6Unreachable:
		e.Kind = Unreachable
	case icmp6PacketTooBig:
		e.Kind, e.MTU = PacketLong, int(min(binary.BigEndian.Uint32(m[4:]), 1<<16))
	case icmp6TimeExceeded:
		e.Kind = TimeExceeded
	case icmp6Parameter:
		e.Kind, e.Pointer = Parameter, uint8(min(binary.BigEndian.Uint32(m[4:]), 255))
	default:
		return false
	}
	return true
}

// quote4 reads the quoted packet, of which only the beginning is there. Of fragments, only the first has an ESP header.
func (e *ICMPError) quote4(b []byte) bool {
	if len(b) < IPv4HeaderLen || b[0]>>4 != 4 {
		return false
	}
	n := int(b[0]&15) * 4
	if n < IPv4HeaderLen || len(b) < n+espQuote || b[9] != ProtoESP || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return false
	}
	e.Length = int(binary.BigEndian.Uint16(b[2:]))
	e.To.Lo = uint64(binary.BigEndian.Uint32(b[16:]))
	e.esp(b[n:])
	return uint64(binary.BigEndian.Uint32(b[12:])) == e.Dst.Lo
}

func (e *ICMPError) quote6(b []byte) bool {
	if len(b) < IPv6HeaderLen || b[0]>>4 != 6 {
		return false
	}
	e.Length = IPv6HeaderLen + int(binary.BigEndian.Uint16(b[4:]))
	e.To = Addr{binary.BigEndian.Uint64(b[24:]), binary.BigEndian.Uint64(b[32:])}
	src := Addr{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}
	proto, rest := b[6], b[IPv6HeaderLen:]
	if proto == extFragment && len(rest) >= fragmentHeaderLen && binary.BigEndian.Uint16(rest[2:])&^7 == 0 {
		proto, rest = rest[0], rest[fragmentHeaderLen:]
	}
	if proto != ProtoESP || len(rest) < espQuote {
		return false
	}
	e.esp(rest)
	return src == e.Dst
}

func (e *ICMPError) esp(b []byte) {
	e.SPI, e.Seq = binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
}

// PutICMPError writes what e says to b, about the inner packet that begins with quote, and returns its length, or 0 if there
// must be no such message. It comes from the router and goes to the host, as it would without a tunnel. Of the router's
// message only type, code, MTU, pointer and TTL are in it. mtu is for PacketLong.
//
// A host that hears that nobody there knows protocol 50 must not take it for its own protocol's: where ESP arrives and is
// not opened nobody is reached, so that is what it hears (RFC 2003 §4.1 does the same).
func PutICMPError(b []byte, e *ICMPError, quote []byte, mtu int) int {
	if e.Version == 6 {
		return e.put6(b, quote, mtu)
	}
	if len(quote) < IPv4HeaderLen || Version(quote) != 4 {
		return 0
	}
	inner := quotedHeader(quote)
	quote = quote[:min(inner.HeaderLen+icmpQuote, len(quote))]
	if inner.TotalLen = len(quote); inner.HeaderLen > len(quote) || !mayError(quote, &inner) || e.Kind == PacketLong && !inner.DF {
		return 0
	}
	code, word := e.Code, uint32(0)
	switch {
	case e.Kind == PacketLong:
		word = uint32(min(mtu, 65535))
	case e.Kind == Unreachable && (code == icmpProtocol || code == icmpPort):
		code = icmpHost
	case e.Kind == Parameter:
		if e.Pointer >= IPv4HeaderLen {
			return 0
		}
		word = uint32(e.Pointer) << 24
	}
	return putError(b, &Header{Version: 4, Src: e.Src, Dst: e.Dst, TTL: e.TTL}, e.Type, code, word, quote)
}

func (e *ICMPError) put6(b, quote []byte, mtu int) int {
	if len(quote) < IPv6HeaderLen || Version(quote) != 6 {
		return 0
	}
	inner := quotedHeader(quote)
	if inner.TotalLen = len(quote); !mayError6(quote, &inner) {
		return 0
	}
	typ, code, word := e.Type, e.Code, uint32(0)
	switch {
	case e.Kind == PacketLong:
		code, word = 0, uint32(mtu)
	case e.Kind == Parameter && code == 1 && e.Pointer == 6, e.Kind == Unreachable && code == icmp6Port: // next header: ESP
		typ, code = icmp6Unreachable, icmp6Address
	case e.Kind == Parameter:
		if word = uint32(e.Pointer); word >= IPv6HeaderLen {
			return 0
		}
	}
	return putError(b, &Header{Version: 6, Src: e.Src, Dst: e.Dst, TTL: e.TTL}, typ, code, word, quote)
}

// quotedHeader is the header of a packet of which only the beginning is left, which Parse would refuse. Extension headers
// of IPv6 are not followed, but for a fragment's.
func quotedHeader(b []byte) (h Header) {
	if Version(b) == 4 {
		frag := binary.BigEndian.Uint16(b[6:])
		return Header{
			Version: 4, HeaderLen: int(b[0]&15) * 4, DF: frag&flagDF != 0, Offset: int(frag&0x1fff) * 8, Proto: b[9],
			Src: Addr{Lo: uint64(binary.BigEndian.Uint32(b[12:]))}, Dst: Addr{Lo: uint64(binary.BigEndian.Uint32(b[16:]))},
		}
	}
	h = Header{Version: 6, HeaderLen: IPv6HeaderLen, DF: true, Proto: b[6], Src: Addr{binary.BigEndian.Uint64(b[8:]), binary.BigEndian.Uint64(b[16:])}}
	if h.Proto == extFragment && len(b) >= IPv6HeaderLen+fragmentHeaderLen {
		h.Proto, h.HeaderLen = b[IPv6HeaderLen], IPv6HeaderLen+fragmentHeaderLen
		h.Offset = int(binary.BigEndian.Uint16(b[IPv6HeaderLen+2:]) &^ 7)
	}
	return h
}
