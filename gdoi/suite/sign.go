package suite

import (
	"crypto"
	"crypto/rsa"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Sizes of RSA keys that are accepted: 2048 MUST be supported (RFC 6407 §5.3.6.1); beyond 8192 a verification is a
// way to burn a member's time.
const (
	MinRSABits = 2048
	MaxRSABits = 8192
)

// VerifyRSA checks a signature over a digest in one of the two forms.
func VerifyRSA(pub *rsa.PublicKey, scheme machine.SignScheme, h machine.Hash, digest, sig []byte) error {
	if len(digest) != HashLen(h) {
		return fmt.Errorf("%w: digest of %d octets for %s", ErrLength, len(digest), HashName(h))
	}
	var info crypto.Hash // zero: the bare digest, without DigestInfo (RFC 2409 §5.1)
	switch scheme {
	case machine.SignRSAPKCS1:
		info = lookupHash(h).std
	case machine.SignRSABare:
	default:
		return fmt.Errorf("%w: signature scheme %d is not RSA", ErrUnknown, scheme)
	}
	if rsa.VerifyPKCS1v15(pub, info, digest, sig) != nil {
		return ErrSignature
	}
	return nil
}
