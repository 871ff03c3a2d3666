package suite

import (
	"crypto"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // old peers; refused unless the configuration allows it by name
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// hashInfo is one row of the registry of hashes.
type hashInfo struct {
	id     machine.Hash
	name   string
	new    func() hash.Hash
	std    crypto.Hash
	size   int
	ike    uint16 // RFC 2409 App. A "Hash Algorithm", RFC 4868 §4
	sigKEK uint16 // RFC 6407 §5.3.5 SIG_HASH_ALGORITHM
}

var hashes = []hashInfo{
	{machine.SHA1, "sha1", sha1.New, crypto.SHA1, 20, 2, 2},
	{machine.SHA256, "sha256", sha256.New, crypto.SHA256, 32, 4, 3},
	{machine.SHA384, "sha384", sha512.New384, crypto.SHA384, 48, 5, 4},
	{machine.SHA512, "sha512", sha512.New, crypto.SHA512, 64, 6, 5},
}

func lookupHash(h machine.Hash) hashInfo {
	for _, r := range hashes {
		if r.id == h {
			return r
		}
	}
	panic(fmt.Sprintf("suite: hash %d is not in the registry", h))
}

// NewHash returns a running digest. It panics for a value that is not one of machine's constants.
func NewHash(h machine.Hash) hash.Hash { return lookupHash(h).new() }

// KnownHash says whether h is one of machine's constants.
func KnownHash(h machine.Hash) bool {
	return slices.ContainsFunc(hashes, func(r hashInfo) bool { return r.id == h })
}

// HashLen is the length of a digest, and of a PRF's output, in octets.
func HashLen(h machine.Hash) int { return lookupHash(h).size }

// HashStd is its name in the standard library.
func HashStd(h machine.Hash) crypto.Hash { return lookupHash(h).std }

// HashName is the text form, "sha256".
func HashName(h machine.Hash) string {
	for _, r := range hashes {
		if r.id == h {
			return r.name
		}
	}
	return fmt.Sprintf("hash(%d)", uint8(h))
}

// ParseHash reads the text form.
func ParseHash(s string) (machine.Hash, error) {
	for _, r := range hashes {
		if r.name == s {
			return r.id, nil
		}
	}
	return 0, fmt.Errorf("%w: hash %q; use sha256, sha384 or sha512", ErrUnknown, s)
}

// HashIKE returns the number of the phase-1 attribute "Hash Algorithm" (RFC 2409 App. A).
func HashIKE(h machine.Hash) uint16 { return lookupHash(h).ike }

// HashFromIKE is the inverse of HashIKE.
func HashFromIKE(n uint16) (machine.Hash, error) {
	for _, r := range hashes {
		if r.ike == n {
			return r.id, nil
		}
	}
	return 0, fmt.Errorf("%w: phase-1 hash number %d", ErrUnknown, n)
}

// HashSig returns the number of the KEK attribute SIG_HASH_ALGORITHM (RFC 6407 §5.3.5).
func HashSig(h machine.Hash) uint16 { return lookupHash(h).sigKEK }

// HashFromSig is the inverse of HashSig.
func HashFromSig(n uint16) (machine.Hash, error) {
	for _, r := range hashes {
		if r.sigKEK == n {
			return r.id, nil
		}
	}
	return 0, fmt.Errorf("%w: SIG_HASH_ALGORITHM %d", ErrUnknown, n)
}

// Sum is the digest of the parts, concatenated.
func Sum(h machine.Hash, parts ...[]byte) []byte {
	d := NewHash(h)
	for _, p := range parts {
		d.Write(p)
	}
	return d.Sum(nil)
}

// PRF is HMAC of the parts, concatenated: IKEv1's prf when none is negotiated (RFC 2409 §4).
func PRF(h machine.Hash, key []byte, parts ...[]byte) []byte {
	m := hmac.New(lookupHash(h).new, key)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}
