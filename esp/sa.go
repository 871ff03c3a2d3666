package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// saltLen is the part of the nonce that comes with the key, RFC 4106 §4.
const saltLen = 4

// maxSIDBits leaves the counter at least one octet.
const maxSIDBits = 56

// SA is the cipher of one SPI.
type SA struct {
	spi     uint32
	sidBits uint8
	suite   Suite
	mode    mode
	salt    [saltLen]byte
	aead    cipher.AEAD // gcm, chacha and gmac

	// The other modes.
	block   cipher.Block // none for null
	ivBlock cipher.Block // cbc and des3
	mac     mac

	// Lengths in octets, from the registry.
	iv, align, tag, icv int
}

// Context is the scratch space of one goroutine: a nonce on the stack would escape to the heap for every packet. Its
// zero value is ready.
type Context struct {
	nonce   [saltLen + 8]byte
	block   [aesBlock]byte
	sum     [64]byte
	stream  [16 * aesBlock]byte
	digests [numHashes]digest
}

// NewSA makes the SA of an SPI from its suite, its keying material (the cipher's key, the salt of counter modes, the
// integrity key; Suite.KeyMatLen octets) and the number of sender id bits of the group (0 if there is only one
// sender). The caller keeps and wipes keymat.
func NewSA(spi uint32, suite Suite, keymat []byte, sidBits uint8) (*SA, error) {
	if !suite.valid() {
		return nil, fmt.Errorf("%w: number %d", ErrSuite, uint8(suite))
	}
	if len(keymat) != suite.KeyMatLen() {
		return nil, fmt.Errorf("%w: %v takes %d octets, got %d", ErrKeyMaterial, suite, suite.KeyMatLen(), len(keymat))
	}
	if sidBits > maxSIDBits {
		return nil, fmt.Errorf("%w: %d bits, at most %d are possible", ErrSenderID, sidBits, maxSIDBits)
	}
	info := &suites[suite]
	m := &modes[info.mode]
	s := &SA{spi: spi, sidBits: sidBits, suite: suite, mode: info.mode, iv: m.iv, align: m.align, tag: m.tag, icv: suite.ICVLen()}
	key := keymat[:info.key]
	copy(s.salt[:], keymat[len(key):suite.cipherKeyLen()])
	var err error
	if info.hash == noHash {
		err = s.newAEAD(key)
	} else if s.mac, err = newMAC(info.hash, keymat[suite.cipherKeyLen():]); err == nil {
		err = s.newBlocks(key)
	}
	if err != nil {
		s.Destroy()
		return nil, err
	}
	return s, nil
}

func (s *SA) newAEAD(key []byte) (err error) {
	if s.mode == chacha {
		s.aead, err = chacha20poly1305.New(key)
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("esp: AES: %w", err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		return fmt.Errorf("esp: GCM: %w", err)
	}
	wipe(block) // NewGCM copied the key schedule
	return nil
}

// SPI returns the security parameter index.
func (s *SA) SPI() uint32 { return s.spi }

// Suite returns what the SA does with packets.
func (s *SA) Suite() Suite { return s.suite }

// SIDBits returns the number of sender id bits.
func (s *SA) SIDBits() uint8 { return s.sidBits }

// Destroy overwrites the key. No other call may be under way or follow.
func (s *SA) Destroy() {
	wipe(s.aead)
	wipe(s.block)
	wipe(s.ivBlock)
	s.mac.destroy()
	clear(s.salt[:])
}

// Seal turns the n octets at buf[off:] into an ESP packet in place and returns where it starts and how long it is. It
// writes up to HeaderLen+MaxIVLen octets before off and up to Tailroom behind the payload. The ticket must be fresh from
// the SA's Sender: with a counter mode the same ticket twice would give both packets away.
func (s *SA) Seal(c *Context, t Ticket, buf []byte, off, n int, next uint8) (start, length int, err error) {
	if s.mode == gcm || s.mode == chacha {
		return s.sealAEAD(c, t, buf, off, n, next)
	}
	start = off - HeaderLen - s.iv
	length = HeaderLen + s.iv + roundUp(n+s.tag+TrailerLen, s.align) + s.icv
	if start < 0 || n < 0 || start+length > len(buf) {
		return 0, 0, ErrRoom
	}
	end := start + length - s.icv
	if s.tag != 0 {
		binary.BigEndian.PutUint64(buf[off+n:], t.IV)
	}
	pad := end - off - n - s.tag - TrailerLen
	for i, padding := 0, buf[end-TrailerLen-pad:]; i < pad; i++ {
		padding[i] = byte(i + 1) // RFC 4303 §2.4
	}
	buf[end-2], buf[end-1] = byte(pad), next

	binary.BigEndian.PutUint32(buf[start:], s.spi)
	binary.BigEndian.PutUint32(buf[start+4:], t.Seq)
	s.putIV(c, t, buf[start+HeaderLen:off])
	switch s.mode {
	case gmac: // RFC 4543 §3.3: everything is authenticated
		s.counterNonce(c, buf[start+HeaderLen:off])
		s.aead.Seal(buf[end:end], c.nonce[:], nil, buf[start:end])
		return start, length, nil
	case cbc, des3:
		encryptCBC(s.block, buf[start+HeaderLen:off], buf[off:end])
	case ctr:
		s.xorCTR(c, buf[start+HeaderLen:off], buf[off:end])
	}
	copy(buf[end:], s.mac.sum(c, buf[start:end])[:s.icv])
	return start, length, nil
}

// Lengths of AES-GCM and ChaCha20-Poly1305.
const (
	aeadIVLen = 8
	aeadSkip  = HeaderLen + aeadIVLen
)

// sealAEAD is Seal for the suites that most groups have, with their lengths as constants.
func (s *SA) sealAEAD(c *Context, t Ticket, buf []byte, off, n int, next uint8) (start, length int, err error) {
	length = aeadSkip + (n+TrailerLen+3)&^3 + ICVLen
	start = off - aeadSkip
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
	// RFC 4106 §5, RFC 7634 §2.1: SPI and sequence number are authenticated only.
	s.aead.Seal(buf[off:off], c.nonce[:], buf[off:end], buf[start:start+HeaderLen])
	return start, length, nil
}

func (s *SA) counterNonce(c *Context, iv []byte) {
	copy(c.nonce[:saltLen], s.salt[:])
	copy(c.nonce[saltLen:], iv)
}

// sound says whether b can be a packet of this SA by its length.
func (s *SA) sound(b []byte) bool {
	n := len(b) - HeaderLen - s.iv - s.icv
	return n >= s.align && n&(s.align-1) == 0
}

// Open verifies and decrypts the ESP packet b (from its SPI on) in place and returns the payload within b and its next
// header. ErrPadding means that the packet is authentic, so its sequence number is used up, but its sender is broken.
func (s *SA) Open(c *Context, b []byte) (payload []byte, next uint8, err error) {
	if !s.sound(b) {
		return nil, 0, ErrMalformed
	}
	if s.mode == gcm || s.mode == chacha {
		s.counterNonce(c, b[HeaderLen:aeadSkip])
		plain, err := s.aead.Open(b[aeadSkip:aeadSkip], c.nonce[:], b[aeadSkip:], b[:HeaderLen])
		if err != nil {
			return nil, 0, ErrAuth
		}
		return s.unpad(plain)
	}
	skip, end := HeaderLen+s.iv, len(b)-s.icv
	plain := b[skip:end]
	if s.mode == gmac {
		s.counterNonce(c, b[HeaderLen:skip])
		if _, err = s.aead.Open(b[end:end], c.nonce[:], b[end:], b[:end]); err != nil {
			return nil, 0, ErrAuth
		}
	} else {
		if subtle.ConstantTimeCompare(s.mac.sum(c, b[:end])[:s.icv], b[end:]) != 1 {
			return nil, 0, ErrAuth
		}
		switch s.mode {
		case cbc, des3:
			decryptCBC(s.block, b[HeaderLen:skip], plain)
		case ctr:
			s.xorCTR(c, b[HeaderLen:skip], plain)
		}
	}
	return s.unpad(plain)
}

// unpad takes the trailer off, and the tag of a suite without an IV.
func (s *SA) unpad(plain []byte) (payload []byte, next uint8, err error) {
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
	if s.tag != 0 {
		if at, tagged := s.tagged(plain); tagged {
			n = at
		}
	}
	return plain[:n], plain[len(plain)-1], nil
}
