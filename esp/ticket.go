package esp

import "encoding/binary"

// Ticket is one sequence number with its IV, good for exactly one packet.
type Ticket struct {
	IV  uint64 // SID in the high bits, RFC 6054 §3
	Seq uint32
}

// tagLen is what a packet without an IV carries behind the inner packet: 8 octets of traffic flow confidentiality
// padding, which every receiver skips (RFC 4303 §2.7), holding Ticket.IV.
const tagLen = 8

// SID returns the sender id of a ticket of this SA.
func (s *SA) SID(t Ticket) uint64 {
	return t.IV >> (64 - s.sidBits)
}

// putIV writes the IV of a packet.
//
// CBC needs an IV that nobody can foretell (RFC 3602 §3). It is the ticket, encrypted under a key of its own: NIST SP
// 800-38A appendix C, method 1, with another key, because under the same one a chosen plaintext could foretell the next
// IV. Whoever has the group's key can turn it back into the ticket.
func (s *SA) putIV(c *Context, t Ticket, iv []byte) {
	switch s.mode {
	case null:
	case cbc:
		clear(c.block[:8])
		binary.BigEndian.PutUint64(c.block[8:], t.IV)
		s.ivBlock.Encrypt(iv, c.block[:])
	case des3:
		binary.BigEndian.PutUint64(c.block[:], t.IV)
		s.ivBlock.Encrypt(iv, c.block[:8])
	default:
		binary.BigEndian.PutUint64(iv, t.IV)
	}
}

// Peek returns the SPI of an ESP packet, without believing it.
func Peek(b []byte) (spi uint32, ok bool) {
	if len(b) < HeaderLen+TrailerLen {
		return 0, false
	}
	return binary.BigEndian.Uint32(b), true
}

// Ticket returns the sequence number and the IV of a packet of this SA, without believing any of them. known is false if
// the packet does not say who sent it: it comes from another implementation, in a suite whose IVs are not counters.
func (s *SA) Ticket(c *Context, b []byte) (t Ticket, known, ok bool) {
	if !s.sound(b) {
		return Ticket{}, false, false
	}
	t.Seq = binary.BigEndian.Uint32(b[4:])
	switch s.mode {
	case gcm, chacha, gmac, ctr:
		t.IV = binary.BigEndian.Uint64(b[HeaderLen:])
		return t, true, true
	case cbc:
		s.ivBlock.Decrypt(c.block[:], b[HeaderLen:HeaderLen+aesBlock])
		t.IV = binary.BigEndian.Uint64(c.block[8:])
		return t, s.ours(t) && binary.BigEndian.Uint64(c.block[:]) == 0, true
	case des3:
		s.ivBlock.Decrypt(c.block[:8], b[HeaderLen:HeaderLen+8])
		t.IV = binary.BigEndian.Uint64(c.block[:])
		return t, s.ours(t), true
	default:
		n, tagged := s.tagged(b[HeaderLen : len(b)-s.icv])
		if !tagged {
			return t, false, true
		}
		t.IV = binary.BigEndian.Uint64(b[HeaderLen+n:])
		return t, s.ours(t), true
	}
}

// ours says whether the counter in an IV goes with the sequence number. By chance it does once in 2^32 packets of others.
func (s *SA) ours(t Ticket) bool {
	count := t.IV & (1<<(64-s.sidBits) - 1)
	return count == uint64(t.Seq)
}

// tagged finds the tag in a payload that is not encrypted, trailer included: exactly tagLen octets between the end of an
// inner IP packet, by its own length, and the padding; a stamp may come before them. n is where the tag starts.
func (s *SA) tagged(plain []byte) (n int, ok bool) {
	end := len(plain) - TrailerLen - int(plain[len(plain)-2])
	if end < 0 {
		return 0, false
	}
	n, ok = innerLen(plain[:end], plain[len(plain)-1])
	if !ok {
		return 0, false
	}
	if n+StampLen+tagLen == end && stamped(plain, n) {
		n += StampLen
	}
	return n, n+tagLen == end
}
