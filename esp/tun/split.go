package tun

import (
	"encoding/binary"

	"github.com/getvpn/getvpn/esp/packet"
)

// splitter cuts a super-packet into the packets that a network interface would have sent for it. It keeps what is left
// between calls, so that a super-packet may be larger than the batch. The zero value is empty.
type splitter struct {
	b       []byte // the super-packet
	l4      int    // where its TCP or UDP header starts
	headers int    // where its payload starts
	size    int    // payload of a packet
	at      int    // payload to be cut next, from the start of b; len(b): nothing left
	udp     bool
	v6      bool
	pseudo  uint64 // sum of the pseudo header, less its length
	id      uint16
	seq     uint32
	flags   byte
}

// load takes the packet b that came with the virtio header h; b stays in use until empty says so. A packet that is not a
// super-packet is given out as it is, its checksum completed.
func (s *splitter) load(h vnetHeader, b []byte) error {
	*s = splitter{}
	if h.gsoType&^gsoECN == gsoNone {
		if h.flags&needsCsum != 0 && !completeChecksum(b, int(h.csumStart), int(h.csumOffset)) {
			return errSuper
		}
		s.b = b
		return nil
	}
	if h.flags&needsCsum == 0 || h.gsoSize == 0 || len(b) < ip4Len {
		return errSuper
	}
	s.l4, s.size = int(h.csumStart), int(h.gsoSize)
	switch kind := h.gsoType &^ gsoECN; {
	case b[0]>>4 == 4 && (kind == gsoTCP4 || kind == gsoUDP):
		s.udp = kind == gsoUDP
		if s.l4 != int(b[0]&15)*4 || s.l4 < ip4Len || (b[9] == protoUDP) != s.udp || (b[9] == protoTCP) == s.udp {
			return errSuper
		}
		s.id = binary.BigEndian.Uint16(b[4:])
		s.pseudo = addressSum(b)
	case b[0]>>4 == 6 && (kind == gsoTCP6 || kind == gsoUDP):
		s.v6, s.udp = true, kind == gsoUDP
		if s.l4 < ip6Len || len(b) < ip6Len {
			return errSuper
		}
		s.pseudo = addressSum(b)
	default:
		return errSuper
	}
	if s.udp {
		s.headers = s.l4 + udpLen
		s.pseudo += protoUDP
	} else {
		if len(b) < s.l4+tcpLen {
			return errSuper
		}
		length := int(b[s.l4+12]>>4) * 4
		if length < tcpLen {
			return errSuper
		}
		s.headers = s.l4 + length
		s.pseudo += protoTCP
		s.seq, s.flags = binary.BigEndian.Uint32(b[s.l4+4:]), b[s.l4+13]
	}
	if s.headers >= len(b) {
		return errSuper
	}
	s.at, s.b = s.headers, b
	return nil
}

// empty says whether everything has been given out.
func (s *splitter) empty() bool { return s.at >= len(s.b) }

// next writes the next packet to buf and returns its length, or 0 when it does not fit.
func (s *splitter) next(buf []byte) int {
	if s.size == 0 {
		n := copy(buf, s.b)
		whole := n == len(s.b)
		s.at = len(s.b)
		if !whole {
			return 0
		}
		return n
	}
	payload := min(s.size, len(s.b)-s.at)
	n := s.headers + payload
	first, last := s.at == s.headers, s.at+payload == len(s.b)
	from := s.at
	s.at += payload
	if n > len(buf) {
		return 0
	}
	p := buf[:n]
	copy(p, s.b[:s.headers])
	copy(p[s.headers:], s.b[from:from+payload])
	if s.v6 {
		binary.BigEndian.PutUint16(p[4:], uint16(n-ip6Len))
	} else {
		binary.BigEndian.PutUint16(p[2:], uint16(n))
		binary.BigEndian.PutUint16(p[4:], s.id+uint16((from-s.headers)/s.size))
		p[10], p[11] = 0, 0
		binary.BigEndian.PutUint16(p[10:], packet.Checksum(p[:s.l4]))
	}
	t := p[s.l4:]
	field := udpCsum
	if s.udp {
		binary.BigEndian.PutUint16(t[4:], uint16(len(t)))
	} else {
		field = tcpCsum
		binary.BigEndian.PutUint32(t[4:], s.seq+uint32(from-s.headers))
		t[13] = segmentFlags(s.flags, first, last)
	}
	t[field], t[field+1] = 0, 0
	check := ^packet.Fold(packet.Sum(s.pseudo+uint64(len(t)), t))
	if check == 0 && s.udp {
		check = 0xffff // 0 would mean none, RFC 768
	}
	binary.BigEndian.PutUint16(t[field:], check)
	return n
}

// segmentFlags are those of a segment of a super-packet: the end of the data is the end of the last, and that the window
// was reduced (RFC 3168 §6.1.2) is said once.
func segmentFlags(flags byte, first, last bool) byte {
	if !last {
		flags &^= tcpFIN | tcpPSH
	}
	if !first {
		flags &^= tcpCWR
	}
	return flags
}

// completeChecksum adds what is from start on to the sum of the pseudo header that the field holds.
func completeChecksum(b []byte, start, offset int) bool {
	if start+offset+2 > len(b) {
		return false
	}
	check := packet.Checksum(b[start:])
	if check == 0 {
		check = 0xffff
	}
	binary.BigEndian.PutUint16(b[start+offset:], check)
	return true
}
