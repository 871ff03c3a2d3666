package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
)

// saltLen is the part of the nonce that comes with the key, RFC 4106 §4.
const saltLen = 4

// maxSIDBits leaves the counter at least one octet.
const maxSIDBits = 56

// SA is the cipher of one SPI.
type SA struct {
	spi     uint32
	sidBits uint8
	salt    [saltLen]byte
	aead    cipher.AEAD
}

// Context is the scratch space of one goroutine: a nonce on the stack would escape to the heap for every packet.
type Context struct {
	nonce [saltLen + IVLen]byte
}

// NewSA makes the SA of an SPI from its keying material, key then salt (RFC 4106 §8.1), and the number of sender id
// bits of the group (0 if there is only one sender). The caller keeps and wipes keymat.
func NewSA(spi uint32, keymat []byte, sidBits uint8) (*SA, error) {
	if len(keymat) != 16+saltLen && len(keymat) != 32+saltLen {
		return nil, fmt.Errorf("%w: got %d octets", ErrKeyMaterial, len(keymat))
	}
	if sidBits > maxSIDBits {
		return nil, fmt.Errorf("%w: %d bits, at most %d are possible", ErrSenderID, sidBits, maxSIDBits)
	}
	key := keymat[:len(keymat)-saltLen]
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("esp: AES: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("esp: GCM: %w", err)
	}
	wipe(block) // NewGCM copied the key schedule
	s := &SA{spi: spi, sidBits: sidBits, aead: aead}
	copy(s.salt[:], keymat[len(key):])
	return s, nil
}

// SPI returns the security parameter index.
func (s *SA) SPI() uint32 { return s.spi }

// SIDBits returns the number of sender id bits.
func (s *SA) SIDBits() uint8 { return s.sidBits }

// Destroy overwrites the key. No other call may be under way or follow.
func (s *SA) Destroy() {
	wipe(s.aead)
	clear(s.salt[:])
}

// Ticket is one sequence number with its IV, good for exactly one packet.
type Ticket struct {
	IV  uint64 // SID in the high bits, RFC 6054 §3
	Seq uint32
}

// Seal turns the n octets at buf[off:] into an ESP packet in place and returns where it starts and how long it is. It
// writes HeaderLen+IVLen octets before off and up to 21 behind the payload. The ticket must be fresh from the
// SA's Sender: the same ticket twice would give both packets away.
func (s *SA) Seal(c *Context, t Ticket, buf []byte, off, n int, next uint8) (start, length int, err error) {
	length = SealedLen(n)
	start = off - HeaderLen - IVLen
	if start < 0 || n < 0 || start+length > len(buf) {
		return 0, 0, ErrRoom
	}
	end := start + length - ICVLen
	pad := end - off - n - TrailerLen
	for i := range pad {
		buf[off+n+i] = byte(i + 1) // RFC 4303 §2.4
	}
	buf[end-2], buf[end-1] = byte(pad), next

	binary.BigEndian.PutUint32(buf[start:], s.spi)
	binary.BigEndian.PutUint32(buf[start+4:], t.Seq)
	binary.BigEndian.PutUint64(buf[start+HeaderLen:], t.IV)
	copy(c.nonce[:saltLen], s.salt[:])
	binary.BigEndian.PutUint64(c.nonce[saltLen:], t.IV)
	s.aead.Seal(buf[off:off], c.nonce[:], buf[off:end], buf[start:start+HeaderLen])
	return start, length, nil
}

// Open verifies and decrypts the ESP packet b (from its SPI on) in place and returns the payload within b and its next
// header. ErrPadding means that the packet is authentic, so its sequence number is used up, but its sender is broken.
func (s *SA) Open(c *Context, b []byte) (payload []byte, next uint8, err error) {
	if len(b) < MinLen || len(b)%4 != 0 {
		return nil, 0, ErrMalformed
	}
	copy(c.nonce[:saltLen], s.salt[:])
	copy(c.nonce[saltLen:], b[HeaderLen:HeaderLen+IVLen])
	const skip = HeaderLen + IVLen
	plain, err := s.aead.Open(b[skip:skip], c.nonce[:], b[skip:], b[:HeaderLen])
	if err != nil {
		return nil, 0, ErrAuth
	}
	pad := int(plain[len(plain)-2])
	n := len(plain) - TrailerLen - pad
	if n < 0 {
		return nil, 0, ErrPadding
	}
	for i, v := range plain[n : n+pad] {
		if v != byte(i+1) {
			return nil, 0, ErrPadding
		}
	}
	return plain[:n], plain[len(plain)-1], nil
}

// Peek returns the SPI, the sequence number and the IV of an ESP packet, without believing any of them.
func Peek(b []byte) (spi uint32, t Ticket, ok bool) {
	if len(b) < MinLen {
		return 0, Ticket{}, false
	}
	t.Seq = binary.BigEndian.Uint32(b[4:])
	t.IV = binary.BigEndian.Uint64(b[HeaderLen:])
	return binary.BigEndian.Uint32(b), t, true
}

// SID returns the sender id in the IV of a packet of this SA.
func (s *SA) SID(t Ticket) uint64 {
	return t.IV >> (64 - s.sidBits)
}
