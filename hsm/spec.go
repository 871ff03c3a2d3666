package hsm

import (
	"crypto/aes"
	"fmt"
)

// Kind is an algorithm with its size.
type Kind uint16

// Kinds of keys. An RSA key of another size is RSAOf(bits).
const (
	P256 Kind = iota + 1
	P384
	AES128
	AES192
	AES256

	RSA2048 Kind = 2048
	RSA3072 Kind = 3072
)

const minRSABits, maxRSABits = 2048, 8192

func (k Kind) String() string {
	if k.RSA() {
		return fmt.Sprintf("RSA-%d", k)
	}
	return name(int(k), "P-256", "P-384", "AES-128", "AES-192", "AES-256")
}

// Symmetric tells whether it is an AES key.
func (k Kind) Symmetric() bool { return k >= AES128 && k <= AES256 }

// RSA tells whether it is an RSA key.
func (k Kind) RSA() bool { return k >= minRSABits && k <= maxRSABits }

// Bits is the size of the modulus, the curve or the key.
func (k Kind) Bits() int {
	if k.RSA() {
		return int(k)
	}
	if k < P256 || k > AES256 {
		return 0
	}
	return []int{256, 384, 128, 192, 256}[k-1]
}

// RSAOf is the kind of an RSA key of that size, or 0.
func RSAOf(bits int) Kind {
	if bits < minRSABits || bits > maxRSABits || bits%256 != 0 {
		return 0
	}
	return Kind(bits)
}

// AESOf is the kind of an AES key of that many octets, or 0.
func AESOf(octets int) Kind {
	switch octets {
	case 16:
		return AES128
	case 24:
		return AES192
	case 32:
		return AES256
	}
	return 0
}

// Use is the one thing that a key may do.
type Use uint8

// Uses of keys. A key has one: what signs does not unwrap, and what unwraps does not decrypt data.
const (
	Sign      Use = iota + 1 // RSA, ECDSA: signatures
	Transport                // RSA: unwraps AES keys that others wrapped under its public half
	Encrypt                  // AES: encrypts messages (a KEK)
	Seal                     // AES-256: seals data at rest
)

func (u Use) String() string { return name(int(u), "sign", "transport", "encrypt", "seal") }

// Spec is what a key is made for.
type Spec struct {
	Kind Kind
	Use  Use
	// Movable keys may be wrapped for another custody, and through a Window; only keys for Encrypt can be. Everything
	// else never leaves.
	Movable bool
}

func (s Spec) String() string {
	if s.Movable {
		return fmt.Sprintf("%s to %s, movable", s.Kind, s.Use)
	}
	return fmt.Sprintf("%s to %s", s.Kind, s.Use)
}

// Check refuses what makes no sense.
func (s Spec) Check() error {
	ok := false
	switch s.Use {
	case Sign:
		ok = s.Kind.Bits() > 0 && !s.Kind.Symmetric()
	case Transport:
		ok = s.Kind.RSA()
	case Encrypt:
		ok = s.Kind.Symmetric()
	case Seal:
		ok = s.Kind == AES256
	}
	if !ok || s.Movable && s.Use != Encrypt {
		return fmt.Errorf("%w: a key cannot be %s", ErrUnsupported, s)
	}
	return nil
}

// CheckCBC refuses what AES-CBC without padding cannot encrypt.
func CheckCBC(iv, plain []byte) error {
	if len(iv) != aes.BlockSize || len(plain) == 0 || len(plain)%aes.BlockSize != 0 {
		return fmt.Errorf("hsm: AES-CBC takes an IV of %d octets and whole blocks; got %d and %d", aes.BlockSize, len(iv), len(plain))
	}
	return nil
}

func name(i int, names ...string) string {
	if i < 1 || i > len(names) {
		return fmt.Sprintf("unknown(%d)", i)
	}
	return names[i-1]
}
