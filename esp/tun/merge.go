package tun

import (
	"encoding/binary"

	"github.com/getvpn/getvpn/esp/packet"
)

// Limits of a super-packet.
const (
	maxSuper   = 65535
	maxHeaders = ip6Len + 60
	maxTCP     = 512 // packets: a piece of memory each, of which writev takes 1024
	maxUDP     = 64  // UDP_MAX_SEGMENTS of older kernels
	maxOpen    = 8   // flows that are looked for; a batch seldom has more
)

// merger plans which packets of a batch go to the kernel as one. Within a flow the order stays; what is between the
// packets of a super-packet and of another flow may come after it.
//
// A super-packet is cut again by the kernel's rules (splitter has the same), so packets are merged only if cutting gives
// them back octet for octet: headers alike, sequence numbers and identifications in a row, all of one size but the last.
// Their checksums are verified first, because the kernel computes them anew: a broken packet would become a good one.
type merger struct {
	runs []run
	next []int // packet after this one in its run, -1: none
	open [maxOpen]int
	n    int // of open
	udp  bool
}

// run is what goes to the kernel as one.
type run struct {
	first, last int // packets
	count       int
	total       int // octets of the super-packet
	size        int // payload of each packet but the last
	headers     int
	l4          int
	id          uint16 // of the packet that would follow
	seq         uint32 //
	flags       byte   // of the last packet
	proto       byte
	verified    bool // the checksum of the first packet is right
}

// plan fills m.runs for the packets bufs[i][offset:].
func (m *merger) plan(bufs [][]byte, offset int) {
	m.runs, m.next, m.n = m.runs[:0], m.next[:0], 0
	for i := range bufs {
		m.next = append(m.next, -1)
		p := bufs[i][offset:]
		if len(p) == 0 {
			continue
		}
		r := run{first: i, last: i, count: 1, total: len(p)}
		kind := r.classify(p, m.udp)
		if kind == odd {
			m.n = 0 // whatever flow it is of, nothing may overtake it
			m.runs = append(m.runs, r)
			continue
		}
		at := m.find(bufs, offset, p, &r)
		if at >= 0 && kind == mergeable && m.join(bufs, offset, at, p, &r) {
			continue
		}
		m.runs = append(m.runs, r)
		m.reopen(at, kind)
	}
}

// What a packet is to the merger.
const (
	odd       = iota // not of a known flow
	alone            // of a flow, but not to be merged
	mergeable        //
)

// classify reads the headers of p into r.
func (r *run) classify(p []byte, udp bool) int {
	switch {
	case len(p) >= ip4Len && p[0] == 0x45:
		if int(binary.BigEndian.Uint16(p[2:])) != len(p) || binary.BigEndian.Uint16(p[6:])&0xbfff != 0 {
			return odd // padded, or a fragment
		}
		r.proto, r.l4 = p[9], ip4Len
		r.id = binary.BigEndian.Uint16(p[4:]) + 1
	case len(p) >= ip6Len && p[0]>>4 == 6:
		if int(binary.BigEndian.Uint16(p[4:]))+ip6Len != len(p) {
			return odd
		}
		r.proto, r.l4 = p[6], ip6Len
	default:
		return odd
	}
	t := p[r.l4:]
	switch {
	case r.proto == protoTCP && len(t) >= tcpLen:
		length := int(t[12]>>4) * 4
		if length < tcpLen || length > len(t) {
			return odd
		}
		r.headers, r.size = r.l4+length, len(t)-length
		r.flags, r.seq = t[13], binary.BigEndian.Uint32(t[4:])+uint32(r.size)
		if r.size == 0 || r.flags&^(tcpPSH|tcpFIN|tcpECE) != tcpACK {
			return alone
		}
		return mergeable
	case r.proto == protoUDP && len(t) >= udpLen:
		r.headers, r.size = r.l4+udpLen, len(t)-udpLen
		if !udp || r.size == 0 || int(binary.BigEndian.Uint16(t[4:])) != len(t) || t[udpCsum]|t[udpCsum+1] == 0 {
			return alone
		}
		return mergeable
	}
	return odd
}

// find returns which of the open runs is of the flow of p, or -1.
func (m *merger) find(bufs [][]byte, offset int, p []byte, r *run) int {
	for at := range m.n {
		o := &m.runs[m.open[at]]
		if o.proto == r.proto && o.l4 == r.l4 && sameFlow(bufs[o.first][offset:], p, r.l4) {
			return at
		}
	}
	return -1
}

// sameFlow compares addresses and ports.
func sameFlow(a, b []byte, l4 int) bool {
	if l4 == ip4Len { // addresses and ports are neighbours
		return binary.NativeEndian.Uint64(a[12:]) == binary.NativeEndian.Uint64(b[12:]) &&
			binary.NativeEndian.Uint32(a[20:]) == binary.NativeEndian.Uint32(b[20:])
	}
	return string(a[8:44]) == string(b[8:44])
}

// join appends p to the open run at, if cutting that again would give back what it was made of.
func (m *merger) join(bufs [][]byte, offset, at int, p []byte, r *run) bool {
	o := &m.runs[m.open[at]]
	first := bufs[o.first][offset:]
	switch {
	case r.headers != o.headers || r.size > o.size || o.total+r.size > maxSuper:
		return false
	case o.count > 1 && o.total != o.headers+o.count*o.size:
		return false // the last one was short
	case !sameNetwork(first, p, o.l4):
		return false
	case o.l4 == ip4Len && r.id != o.id+1:
		return false
	case o.proto == protoUDP:
		if o.count == maxUDP {
			return false
		}
	case o.count == maxTCP || r.seq-uint32(r.size) != o.seq || o.flags&(tcpPSH|tcpFIN) != 0 || !sameTransport(first[o.l4:o.headers], p[o.l4:o.headers]):
		return false
	}
	if !o.verified && !sound(first, o.l4, o.proto) || !sound(p, o.l4, o.proto) {
		return false
	}
	m.next[o.last] = r.first
	o.last, o.id, o.seq, o.flags, o.verified = r.first, r.id, r.seq, r.flags, true
	o.count++
	o.total += r.size
	return true
}

// reopen makes the run that was appended last the open one of its flow, which at was so far (-1: none). A packet that
// must stay alone leaves its flow without one.
func (m *merger) reopen(at, kind int) {
	switch latest := len(m.runs) - 1; {
	case kind == mergeable && at >= 0:
		m.open[at] = latest
	case kind == mergeable && m.n < maxOpen:
		m.open[m.n] = latest
		m.n++
	case kind == mergeable:
		m.open[latest%maxOpen] = latest
	case at >= 0:
		m.n--
		m.open[at] = m.open[m.n]
	}
}

// sameNetwork compares what of the IP headers must be alike, addresses, protocol and lengths apart.
func sameNetwork(a, b []byte, l4 int) bool {
	if l4 == ip4Len {
		return a[1] == b[1] && a[6] == b[6] && a[8] == b[8]
	}
	return binary.NativeEndian.Uint32(a) == binary.NativeEndian.Uint32(b) && a[7] == b[7]
}

// sameTransport compares TCP headers, the sequence number, PSH, FIN and the checksum apart.
func sameTransport(a, b []byte) bool {
	return string(a[8:13]) == string(b[8:13]) && (a[13]^b[13])&^(tcpPSH|tcpFIN) == 0 &&
		string(a[14:16]) == string(b[14:16]) && string(a[18:]) == string(b[18:])
}

// sound verifies the checksums of an IPv4 header and of TCP or UDP. The other way to write the checksum 0 (RFC 1624 §3)
// is right, too, but would not be what cutting gives.
func sound(p []byte, l4 int, proto byte) bool {
	if l4 == ip4Len && (packet.Checksum(p[:ip4Len]) != 0 || p[10]&p[11] == 0xff) {
		return false
	}
	if proto == protoTCP && p[l4+tcpCsum]&p[l4+tcpCsum+1] == 0xff {
		return false
	}
	return packet.Fold(packet.Sum(addressSum(p)+uint64(proto)+uint64(len(p)-l4), p[l4:])) == 0xffff
}

// put writes the virtio header and the packet headers of a run of several to b and returns their length; the payloads
// follow it.
func (r *run) put(b, first, last []byte) int {
	h := vnetHeader{
		flags: needsCsum, gsoType: gsoTCP4, hdrLen: uint16(r.headers), gsoSize: uint16(r.size),
		csumStart: uint16(r.l4), csumOffset: tcpCsum,
	}
	p := b[vnetLen : vnetLen+r.headers]
	copy(p, first)
	if r.l4 == ip4Len {
		binary.BigEndian.PutUint16(p[2:], uint16(r.total))
		p[10], p[11] = 0, 0
		binary.BigEndian.PutUint16(p[10:], packet.Checksum(p[:ip4Len]))
	} else {
		h.gsoType = gsoTCP6
		binary.BigEndian.PutUint16(p[4:], uint16(r.total-ip6Len))
	}
	length := r.total - r.l4
	t := p[r.l4:]
	if r.proto == protoUDP {
		h.gsoType, h.csumOffset = gsoUDP, udpCsum
		binary.BigEndian.PutUint16(t[4:], uint16(length))
	} else {
		t[13] |= last[r.l4+13] & (tcpPSH | tcpFIN)
	}
	binary.BigEndian.PutUint16(t[h.csumOffset:], packet.Fold(addressSum(p)+uint64(r.proto)+uint64(length)))
	h.put(b)
	return vnetLen + r.headers
}

// addressSum is the part of a pseudo header's sum that the addresses make, of a packet of either version.
func addressSum(p []byte) uint64 {
	if p[0]>>4 == 4 {
		return packet.Sum(0, p[12:20])
	}
	return packet.Sum(0, p[8:40])
}
