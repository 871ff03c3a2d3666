package ladder

import (
	"encoding/binary"
	"io"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/esp/packet"
)

// A capture as pcapng (draft-ietf-opsawg-pcapng): a section header, one interface of raw IP packets with times in nanoseconds, the
// names of the nodes, and an enhanced packet block for each datagram, with what it is as a comment.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockNames     = 4
	blockPacket    = 6
	byteOrder      = 0x1a2b3c4d
	linkRaw        = 101 // LINKTYPE_RAW: IPv4 and IPv6 packets
	optionComment  = 1
	optionTimeRes  = 9
	optionIfName   = 2
	nameIPv4       = 1
	nameIPv6       = 2
)

// WritePCAP writes datagrams with the headers that they would have: UDP over IPv4 or IPv6, at the times of the run's calendar.
func (c *Capture) WritePCAP(w io.Writer, list []*Datagram) error {
	le := binary.LittleEndian
	head := le.AppendUint32(nil, byteOrder)
	head = le.AppendUint16(le.AppendUint16(head, 1), 0)
	head = le.AppendUint64(head, ^uint64(0)) // the length of the section is not known
	out := block(nil, blockSection, head)
	face := le.AppendUint16(le.AppendUint16(nil, linkRaw), 0)
	face = le.AppendUint32(face, 0) // no limit
	face = option(option(option(face, optionIfName, []byte("sim")), optionTimeRes, []byte{9}), 0, nil)
	out = block(out, blockInterface, face)
	out = block(out, blockNames, c.nameRecords())
	for i, d := range list {
		p := ipPacket(d.Src, d.Dst, uint16(i), d.Bytes) //nolint:gosec // an identification wraps
		at := uint64(d.Wall.UnixNano())                 //nolint:gosec // after 1970
		b := le.AppendUint32(nil, 0)
		b = le.AppendUint32(le.AppendUint32(b, uint32(at>>32)), uint32(at))     //nolint:gosec // the two halves
		b = le.AppendUint32(le.AppendUint32(b, uint32(len(p))), uint32(len(p))) //nolint:gosec // at most 64 KiB
		b = pad4(append(b, p...))
		b = option(option(b, optionComment, []byte(d.From+" to "+d.To+": "+d.label())), 0, nil)
		out = block(out, blockPacket, b)
		if len(out) > 1<<16 {
			if _, err := w.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	_, err := w.Write(out)
	return err
}

// nameRecords is the name of each node's addresses.
func (c *Capture) nameRecords() (b []byte) {
	le := binary.LittleEndian
	for _, n := range c.s.Nodes() {
		for _, a := range n.Addresses() {
			t := uint16(nameIPv4)
			if a.Addr().Is6() {
				t = nameIPv6
			}
			v := append(append(a.Addr().AsSlice(), n.Name...), 0)
			b = le.AppendUint16(le.AppendUint16(b, t), uint16(len(v))) //nolint:gosec // short
			b = pad4(append(b, v...))
		}
	}
	return le.AppendUint32(b, 0)
}

func block(out []byte, t uint32, body []byte) []byte {
	le := binary.LittleEndian
	n := uint32(len(body) + 12) //nolint:gosec // at most 64 KiB
	out = le.AppendUint32(le.AppendUint32(out, t), n)
	return le.AppendUint32(append(out, body...), n)
}

func option(b []byte, t uint16, v []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(le.AppendUint16(b, t), uint16(len(v))) //nolint:gosec // short
	return pad4(append(b, v...))
}

func pad4(b []byte) []byte {
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// ipPacket is the datagram with UDP and IP headers (RFC 768, RFC 791, RFC 8200).
func ipPacket(src, dst netip.AddrPort, id uint16, payload []byte) []byte {
	const protoUDP, hops, udpLen = 17, 64, 8
	be := binary.BigEndian
	n := udpLen + len(payload)
	udp := be.AppendUint16(be.AppendUint16(nil, src.Port()), dst.Port())
	udp = append(be.AppendUint16(be.AppendUint16(udp, uint16(n)), 0), payload...) //nolint:gosec // at most 64 KiB
	a, b := src.Addr().AsSlice(), dst.Addr().AsSlice()
	pseudo := slices.Concat(a, b, be.AppendUint32(nil, uint32(n)), []byte{0, 0, 0, protoUDP}) //nolint:gosec // as above
	sum := packet.Checksum(append(pseudo, udp...))
	if sum == 0 {
		sum = 0xffff
	}
	be.PutUint16(udp[6:], sum)
	if src.Addr().Is4() {
		h := make([]byte, 20)
		h[0], h[8], h[9] = 0x45, hops, protoUDP
		be.PutUint16(h[2:], uint16(20+n)) //nolint:gosec // as above
		be.PutUint16(h[4:], id)
		copy(h[12:], a)
		copy(h[16:], b)
		be.PutUint16(h[10:], packet.Checksum(h))
		return append(h, udp...)
	}
	h := make([]byte, 40)
	h[0], h[6], h[7] = 0x60, protoUDP, hops
	be.PutUint16(h[4:], uint16(n)) //nolint:gosec // as above
	copy(h[8:], a)
	copy(h[24:], b)
	return append(h, udp...)
}
