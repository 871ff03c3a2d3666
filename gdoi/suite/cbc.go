package suite

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
)

// BlockLen is the block of AES, and so the length of every CBC IV here.
const BlockLen = aes.BlockSize

// Cipher is a phase-1 encryption algorithm.
type Cipher uint8

// Phase-1 ciphers (RFC 3602).
const (
	AES128CBC Cipher = iota + 1
	AES256CBC
)

// CipherIKEAES is the number of AES-CBC in the phase-1 attribute "Encryption Algorithm"; it needs a Key Length.
const CipherIKEAES = 7

// KeyBits is the value of the Key Length attribute.
func (c Cipher) KeyBits() uint16 { return uint16(c.KeyLen() * 8) }

// KeyLen is the length of the key in octets; 0 for a value that is not in the registry.
func (c Cipher) KeyLen() int {
	switch c {
	case AES128CBC:
		return 16
	case AES256CBC:
		return 32
	default:
		return 0
	}
}

// String is the text form, "aes128".
func (c Cipher) String() string {
	switch c {
	case AES128CBC:
		return "aes128"
	case AES256CBC:
		return "aes256"
	default:
		return fmt.Sprintf("cipher(%d)", uint8(c))
	}
}

// CipherFromIKE maps the attributes Encryption Algorithm and Key Length.
func CipherFromIKE(alg, keyBits uint16) (Cipher, error) {
	if alg == CipherIKEAES {
		for _, c := range []Cipher{AES128CBC, AES256CBC} {
			if c.KeyBits() == keyBits {
				return c, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: phase-1 cipher number %d with key length %d", ErrUnknown, alg, keyBits)
}

// Pad appends zero octets up to the block: none when b is aligned (RFC 2409 App. B, RFC 6407 §3.2).
func Pad(b []byte) []byte {
	if r := len(b) % BlockLen; r != 0 {
		b = append(b, make([]byte, BlockLen-r)...)
	}
	return b
}

// EncryptCBC encrypts plaintext under AES-CBC into a new slice, zero-padded to the block.
func EncryptCBC(key, iv, plaintext []byte) ([]byte, error) {
	block, err := newBlock(key, iv)
	if err != nil {
		return nil, err
	}
	out := Pad(append(make([]byte, 0, len(plaintext)+BlockLen), plaintext...))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	return out, nil
}

// DecryptCBC decrypts into a new slice; the padding is the caller's to judge.
func DecryptCBC(key, iv, ciphertext []byte) ([]byte, error) {
	block, err := newBlock(key, iv)
	if err != nil {
		return nil, err
	}
	if len(ciphertext) == 0 || len(ciphertext)%BlockLen != 0 {
		return nil, fmt.Errorf("%w: ciphertext of %d octets is not whole blocks of %d", ErrLength, len(ciphertext), BlockLen)
	}
	out := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, ciphertext)
	return out, nil
}

func newBlock(key, iv []byte) (cipher.Block, error) {
	if len(key) != 16 && len(key) != 32 {
		return nil, fmt.Errorf("%w: AES key of %d octets; want 16 or 32", ErrLength, len(key))
	}
	if len(iv) != BlockLen {
		return nil, fmt.Errorf("%w: IV of %d octets; want %d", ErrLength, len(iv), BlockLen)
	}
	return aes.NewCipher(key)
}
