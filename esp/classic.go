package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // refused unless the configuration names it
	"crypto/subtle"
	"encoding/binary"
	"fmt"
)

// The modes that the standard library has only with an allocation for each packet are written out here, over its block
// ciphers.

// encryptCBC encrypts whole blocks in place.
func encryptCBC(b cipher.Block, iv, data []byte) {
	n := len(iv)
	for ; len(data) > 0; data = data[n:] {
		subtle.XORBytes(data[:n], data[:n], iv)
		b.Encrypt(data[:n], data[:n])
		iv = data[:n]
	}
}

// decryptCBC decrypts whole blocks in place, the last one first: each needs the ciphertext before it.
func decryptCBC(b cipher.Block, iv, data []byte) {
	n := len(iv)
	for at := len(data) - n; at >= 0; at -= n {
		block := data[at : at+n]
		b.Decrypt(block, block)
		before := iv
		if at > 0 {
			before = data[at-n : at]
		}
		subtle.XORBytes(block, block, before)
	}
}

// xorCTR encrypts or decrypts in place: the counter block is salt, IV and a number from 1 (RFC 3686 §4).
func (s *SA) xorCTR(c *Context, iv, data []byte) {
	copy(c.block[:], s.salt[:])
	copy(c.block[saltLen:], iv)
	for n := uint32(1); len(data) > 0; {
		part := min(len(data), len(c.stream))
		for at := 0; at < part; at += aesBlock {
			binary.BigEndian.PutUint32(c.block[12:], n)
			s.block.Encrypt(c.stream[at:at+aesBlock], c.block[:])
			n++
		}
		subtle.XORBytes(data[:part], data[:part], c.stream[:part])
		data = data[part:]
	}
}

// newBlocks makes the block cipher of CBC and CTR and, for CBC, that of the IVs.
func (s *SA) newBlocks(key []byte) (err error) {
	switch s.mode {
	case ctr:
		s.block, err = aes.NewCipher(key)
	case cbc, des3:
		var label [HeaderLen + 1]byte // begins with SPI 0, which no packet has: no ICV is ever a key
		copy(label[4:], "IV: ")
		var c Context
		ivKey := make([]byte, 0, 2*hashes[s.mac.kind].size)
		for label[HeaderLen] = 1; label[HeaderLen] <= 2; label[HeaderLen]++ {
			ivKey = append(ivKey, s.mac.sum(&c, label[:])...)
		}
		defer clear(ivKey)
		defer clear(c.sum[:])
		if s.mode == des3 {
			if s.block, err = des.NewTripleDESCipher(key); err == nil { //nolint:gosec // as above
				s.ivBlock, err = des.NewTripleDESCipher(ivKey[:24]) //nolint:gosec // as above
			}
		} else if s.block, err = aes.NewCipher(key); err == nil {
			s.ivBlock, err = aes.NewCipher(ivKey[:16])
		}
	}
	if err != nil {
		return fmt.Errorf("esp: %v: %w", s.suite, err)
	}
	return nil
}
