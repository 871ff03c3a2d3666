package suite

import "fmt"

// KEK is the cipher of PUSH messages.
type KEK uint8

// KEK suites.
const (
	KEKAES128CBC KEK = iota + 1
	KEKAES256CBC
)

// KEKAlgorithmAES is KEK_ALG_AES, AES-CBC with KEK_KEY_LENGTH (RFC 6407 §5.3.3).
const KEKAlgorithmAES uint16 = 3

// Algorithm is the value of KEK_ALGORITHM.
func (k KEK) Algorithm() uint16 { return KEKAlgorithmAES }

// KeyLen is the length of the key in octets; 0 for a value that is not in the registry.
func (k KEK) KeyLen() int {
	switch k {
	case KEKAES128CBC:
		return 16
	case KEKAES256CBC:
		return 32
	default:
		return 0
	}
}

// KeyBits is the value of KEK_KEY_LENGTH.
func (k KEK) KeyBits() uint16 { return uint16(k.KeyLen() * 8) }

// IVLen is the length of the IV that stands before the key in KEK_ALGORITHM_KEY (RFC 6407 §5.6.2.1).
func (k KEK) IVLen() int { return BlockLen }

// String is the text form, "aes-256-cbc".
func (k KEK) String() string {
	switch k {
	case KEKAES128CBC:
		return "aes-128-cbc"
	case KEKAES256CBC:
		return "aes-256-cbc"
	default:
		return fmt.Sprintf("kek(%d)", uint8(k))
	}
}

// ParseKEK reads the text form.
func ParseKEK(s string) (KEK, error) {
	for _, k := range []KEK{KEKAES128CBC, KEKAES256CBC} {
		if k.String() == s {
			return k, nil
		}
	}
	return 0, fmt.Errorf("%w: KEK suite %q; use aes-128-cbc or aes-256-cbc", ErrUnknown, s)
}

// KEKFromSAK maps KEK_ALGORITHM and KEK_KEY_LENGTH.
func KEKFromSAK(alg, keyBits uint16) (KEK, error) {
	if alg == KEKAlgorithmAES {
		for _, k := range []KEK{KEKAES128CBC, KEKAES256CBC} {
			if k.KeyBits() == keyBits {
				return k, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: KEK_ALGORITHM %d with key length %d", ErrUnknown, alg, keyBits)
}
