package machine

import (
	"crypto/subtle"
	"log/slog"
)

// Secret is key material. It prints, logs and marshals as "[secret]", compares in constant time and is wiped
// by Destroy. The zero value and nil are empty secrets.
type Secret struct{ b []byte }

// NewSecret takes a copy of b; the caller should wipe its own.
func NewSecret(b []byte) *Secret {
	return &Secret{append(make([]byte, 0, len(b)), b...)}
}

// TakeSecret keeps b itself: the caller must not use it again.
func TakeSecret(b []byte) *Secret { return &Secret{b} }

// Bytes returns the material itself, not a copy; it is gone after Destroy.
func (s *Secret) Bytes() []byte {
	if s == nil {
		return nil
	}
	return s.b
}

// Len is the number of octets.
func (s *Secret) Len() int { return len(s.Bytes()) }

// Equal compares in constant time.
func (s *Secret) Equal(o *Secret) bool { return subtle.ConstantTimeCompare(s.Bytes(), o.Bytes()) == 1 }

// Clone returns an independent copy.
func (s *Secret) Clone() *Secret {
	if s == nil {
		return nil
	}
	return NewSecret(s.b)
}

// Destroy wipes the material. It may be called more than once.
func (s *Secret) Destroy() {
	if s == nil {
		return
	}
	clear(s.b[:cap(s.b)])
	s.b = nil
}

const redacted = "[secret]"

// String never shows the material.
func (s *Secret) String() string { return redacted }

// GoString never shows the material.
func (s *Secret) GoString() string { return redacted }

// LogValue never shows the material.
func (s *Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON never shows the material.
func (s *Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
