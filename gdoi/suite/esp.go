package suite

import "fmt"

// ESP is the suite of a TEK.
type ESP uint8

// ESP suites: AES-GCM with a 16-octet ICV (RFC 4106).
const (
	ESPAES128GCM16 ESP = iota + 1
	ESPAES256GCM16
)

// TransformAESGCM16 is the ESP transform identifier ESP_AES-GCM with a 16-octet ICV.
const TransformAESGCM16 uint8 = 20

// SaltLen is the length of the salt that follows the key in the keying material (RFC 4106 §8.1).
const SaltLen = 4

// TransformID is the transform of a SAT.
func (e ESP) TransformID() uint8 { return TransformAESGCM16 }

// KeyLen is the length of the AES key in octets; 0 for a value that is not in the registry.
func (e ESP) KeyLen() int {
	switch e {
	case ESPAES128GCM16:
		return 16
	case ESPAES256GCM16:
		return 32
	default:
		return 0
	}
}

// KeyBits is the value of the Key Length attribute.
func (e ESP) KeyBits() uint16 { return uint16(e.KeyLen() * 8) }

// KeymatLen is the length of TEK_ALGORITHM_KEY: key, then salt.
func (e ESP) KeymatLen() int { return e.KeyLen() + SaltLen }

// String is the text form, "aes-256-gcm".
func (e ESP) String() string {
	switch e {
	case ESPAES128GCM16:
		return "aes-128-gcm"
	case ESPAES256GCM16:
		return "aes-256-gcm"
	default:
		return fmt.Sprintf("esp(%d)", uint8(e))
	}
}

// ParseESP reads the text form.
func ParseESP(s string) (ESP, error) {
	for _, e := range []ESP{ESPAES128GCM16, ESPAES256GCM16} {
		if e.String() == s {
			return e, nil
		}
	}
	return 0, fmt.Errorf("%w: TEK suite %q; use aes-128-gcm or aes-256-gcm", ErrUnknown, s)
}

// ESPFromSAT maps the transform and the Key Length attribute (RFC 4106 §8.4: it MUST be there) of a SAT.
func ESPFromSAT(transform uint8, keyBits uint16) (ESP, error) {
	if transform == TransformAESGCM16 {
		for _, e := range []ESP{ESPAES128GCM16, ESPAES256GCM16} {
			if e.KeyBits() == keyBits {
				return e, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: ESP transform %d with key length %d", ErrUnknown, transform, keyBits)
}
