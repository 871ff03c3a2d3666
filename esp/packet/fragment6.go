package packet

import "encoding/binary"

const fragmentHeaderLen = 8

// Fragmenter6 cuts one IPv6 packet into fragments, as its source may (RFC 8200 §4.5). The zero value has none.
type Fragmenter6 struct {
	pkt  []byte // without extension headers
	id   uint32
	mtu  int
	done int // octets of the payload already in fragments
}

// NewFragmenter6 cuts pkt, an IPv6 packet without extension headers, into fragments of at most mtu octets, 1280 or more.
// Source and destination must not see another packet with the same id for a while.
func NewFragmenter6(pkt []byte, id uint32, mtu int) Fragmenter6 {
	return Fragmenter6{pkt: pkt, id: id, mtu: mtu}
}

// Next writes the next fragment to b, which must hold mtu octets, and returns its length; 0 after the last.
func (f *Fragmenter6) Next(b []byte) int {
	rest := len(f.pkt) - IPv6HeaderLen - f.done
	if rest <= 0 {
		return 0
	}
	const head = IPv6HeaderLen + fragmentHeaderLen
	n, frag := rest, uint16(f.done)
	if head+n > f.mtu {
		n = (f.mtu - head) &^ 7
		frag |= 1 // more fragments
	}
	copy(b, f.pkt[:IPv6HeaderLen])
	binary.BigEndian.PutUint16(b[4:], uint16(fragmentHeaderLen+n))
	b[6] = extFragment
	b[40], b[41] = f.pkt[6], 0
	binary.BigEndian.PutUint16(b[42:], frag)
	binary.BigEndian.PutUint32(b[44:], f.id)
	copy(b[head:head+n], f.pkt[IPv6HeaderLen+f.done:])
	f.done += n
	return head + n
}
