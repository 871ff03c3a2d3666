package packet

import "encoding/binary"

// Fragmenter cuts one IPv4 packet into fragments (RFC 791 §3.2). The zero value has none.
type Fragmenter struct {
	pkt      []byte
	h        Header
	mtu      int
	done     int // octets of the payload already in fragments
	later    [ipv4MaxHeaderLen]byte
	laterLen int // header length of every fragment but the first
}

// NewFragmenter cuts the IPv4 packet pkt, whose header is h, into fragments of at most mtu octets. The packet may be a fragment itself.
// The caller has looked at DF. It fails if mtu leaves no room for data,
// and for IPv6.
func NewFragmenter(pkt []byte, h *Header, mtu int) (Fragmenter, error) {
	f := Fragmenter{pkt: pkt[:h.TotalLen], h: *h, mtu: mtu}
	if h.Version != 4 || mtu < h.HeaderLen+8 {
		return Fragmenter{}, ErrMalformed
	}
	return f, f.laterHeader()
}

// laterHeader makes the header of later fragments, which repeats only the options whose copied flag is set.
func (f *Fragmenter) laterHeader() error {
	n := copy(f.later[:], f.pkt[:IPv4HeaderLen])
	for opts := f.pkt[IPv4HeaderLen:f.h.HeaderLen]; len(opts) > 0; {
		kind := opts[0]
		if kind == 0 { // end of options
			break
		}
		length := 1
		if kind != 1 { // not no-operation
			if len(opts) < 2 || opts[1] < 2 || int(opts[1]) > len(opts) {
				return ErrMalformed
			}
			length = int(opts[1])
		}
		if kind&0x80 != 0 {
			n += copy(f.later[n:], opts[:length])
		}
		opts = opts[length:]
	}
	for n%4 != 0 {
		f.later[n] = 0
		n++
	}
	f.later[0] = 0x40 | byte(n/4)
	f.laterLen = n
	return nil
}

// piece returns the header length and the payload length of the fragment that starts at octet done of the payload.
func (f *Fragmenter) piece(done int) (hlen, n int) {
	hlen = f.laterLen
	if done == 0 {
		hlen = f.h.HeaderLen
	}
	n = len(f.pkt) - f.h.HeaderLen - done
	if hlen+n > f.mtu {
		n = (f.mtu - hlen) &^ 7
	}
	return hlen, n
}

// Count returns how many fragments are still to come.
func (f *Fragmenter) Count() int {
	count := 0
	for done := f.done; done < len(f.pkt)-f.h.HeaderLen; count++ {
		_, n := f.piece(done)
		done += n
	}
	return count
}

// Next writes the next fragment to b, which must hold mtu octets, and returns its length; 0 after the last.
func (f *Fragmenter) Next(b []byte) int {
	rest := len(f.pkt) - f.h.HeaderLen - f.done
	if rest <= 0 {
		return 0
	}
	hlen, n := f.piece(f.done)
	if f.done == 0 {
		copy(b, f.pkt[:hlen])
	} else {
		copy(b, f.later[:hlen])
	}
	copy(b[hlen:hlen+n], f.pkt[f.h.HeaderLen+f.done:])
	frag := uint16((f.h.Offset + f.done) / 8)
	if f.h.MF || n < rest {
		frag |= flagMF
	}
	binary.BigEndian.PutUint16(b[2:], uint16(hlen+n))
	binary.BigEndian.PutUint16(b[6:], frag)
	b[10], b[11] = 0, 0
	binary.BigEndian.PutUint16(b[10:], Checksum(b[:hlen]))
	f.done += n
	return hlen + n
}
