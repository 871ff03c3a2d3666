package suite

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // old peers; refused unless the configuration allows it by name
	"fmt"
)

// BlockLen is the block of AES, and so the length of every CBC IV here but those of TripleDESCBC.
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

// IKE is the value of the attribute Encryption Algorithm.
func (c Cipher) IKE() uint16 {
	if c == TripleDESCBC {
		return CipherIKE3DES
	}
	return CipherIKEAES
}

// KeyBits is the value of the Key Length attribute; 0 for a cipher that must not have one (RFC 2409 App. A).
func (c Cipher) KeyBits() uint16 {
	if c == TripleDESCBC {
		return 0
	}
	return uint16(c.KeyLen() * 8)
}

// BlockLen is the length of a block, and of an IV, in octets.
func (c Cipher) BlockLen() int {
	if c == TripleDESCBC {
		return des.BlockSize
	}
	return BlockLen
}

// KeyLen is the length of the key in octets; 0 for a value that is not in the registry.
func (c Cipher) KeyLen() int {
	switch c {
	case AES128CBC:
		return 16
	case AES256CBC:
		return 32
	case TripleDESCBC:
		return tripleDESKeyLen
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
	case TripleDESCBC:
		return "3des"
	default:
		return fmt.Sprintf("cipher(%d)", uint8(c))
	}
}

// CipherFromIKE maps the attributes Encryption Algorithm and Key Length.
func CipherFromIKE(alg, keyBits uint16) (Cipher, error) {
	if alg == CipherIKE3DES && keyBits == 0 {
		return TripleDESCBC, nil
	}
	if alg == CipherIKEAES {
		for _, c := range []Cipher{AES128CBC, AES256CBC} {
			if c.KeyBits() == keyBits {
				return c, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: phase-1 cipher number %d with key length %d", ErrUnknown, alg, keyBits)
}

// Pad appends zero octets up to the block of AES: none when b is aligned (RFC 2409 App. B, RFC 6407 §3.2).
func Pad(b []byte) []byte { return pad(b, BlockLen) }

func pad(b []byte, block int) []byte {
	if r := len(b) % block; r != 0 {
		b = append(b, make([]byte, block-r)...)
	}
	return b
}

// EncryptCBC encrypts plaintext in CBC mode into a new slice, zero-padded to the block. The cipher is AES, or with an IV of
// 8 octets 3DES.
func EncryptCBC(key, iv, plaintext []byte) ([]byte, error) {
	block, err := newBlock(key, iv)
	if err != nil {
		return nil, err
	}
	out := pad(append(make([]byte, 0, len(plaintext)+BlockLen), plaintext...), block.BlockSize())
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, out)
	return out, nil
}

// DecryptCBC decrypts into a new slice; the padding is the caller's to judge.
func DecryptCBC(key, iv, ciphertext []byte) ([]byte, error) {
	block, err := newBlock(key, iv)
	if err != nil {
		return nil, err
	}
	if n := block.BlockSize(); len(ciphertext) == 0 || len(ciphertext)%n != 0 {
		return nil, fmt.Errorf("%w: ciphertext of %d octets is not whole blocks of %d", ErrLength, len(ciphertext), n)
	}
	out := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, ciphertext)
	return out, nil
}

func newBlock(key, iv []byte) (cipher.Block, error) {
	if len(iv) == des.BlockSize && len(key) == tripleDESKeyLen {
		return des.NewTripleDESCipher(key) //nolint:gosec // see above
	}
	if len(key) != 16 && len(key) != 32 {
		return nil, fmt.Errorf("%w: AES key of %d octets; want 16 or 32", ErrLength, len(key))
	}
	if len(iv) != BlockLen {
		return nil, fmt.Errorf("%w: IV of %d octets; want %d", ErrLength, len(iv), BlockLen)
	}
	return aes.NewCipher(key)
}
