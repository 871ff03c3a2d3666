package gdoi

import (
	"time"

	"github.com/getvpn/getvpn/gdoi/policy"
)

// TEKInfo describes a TEK to operators, without its key.
type TEKInfo struct {
	SPI SPI
	// SA is the name of the security association, where a group has several; only a key server knows it.
	SA string
	// Selectors are the permits that it protects.
	Selectors                   policy.List
	Suite                       string
	Epoch                       uint64
	Phase                       Phase
	Created, SendAfter, Expires time.Time
	Lifetime, Remaining         time.Duration
}

// KEKInfo describes a KEK to operators, without its key.
type KEKInfo struct {
	SPI   KEKSPI
	Suite string
	// Seq is the last used (key server) or last accepted (member) sequence number.
	Seq                 uint32
	Created, Expires    time.Time
	Lifetime, Remaining time.Duration
	// NextRekey is when the key server replaces it; a member knows when it should.
	NextRekey time.Time
	// SignatureKey is the name of the signing key, known to the key server only.
	SignatureKey string
	// SignatureAlg is "rsa-2048 sha256".
	SignatureAlg string
	// SignatureLen and SignatureKeyLen are octets: of a signature, and of the public key as a SubjectPublicKeyInfo (RFC 5280 §4.1).
	SignatureLen, SignatureKeyLen int
	// Used says that a rekey came under it; a member knows.
	Used bool
}
