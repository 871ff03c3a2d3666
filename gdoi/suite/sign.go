package suite

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// SigAlgorithmRSA is SIG_ALGORITHM_RSA (RFC 6407 §5.3.6).
const SigAlgorithmRSA uint16 = 1

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

// VerifyPush accepts a PUSH signature in the form of RFC 6407 §5.3.6.1, or else as the bare digest that older key
// servers send, and says which it was. Both forms prove the same thing: a holder of the key signed this digest.
func VerifyPush(pub *rsa.PublicKey, h machine.Hash, digest, sig []byte) (machine.SignScheme, error) {
	err := VerifyRSA(pub, machine.SignRSAPKCS1, h, digest, sig)
	if err == nil {
		return machine.SignRSAPKCS1, nil
	}
	if VerifyRSA(pub, machine.SignRSABare, h, digest, sig) == nil {
		return machine.SignRSABare, nil
	}
	return 0, err
}

// ParseRSAPublicKey reads a DER SubjectPublicKeyInfo, the content of SIG_ALGORITHM_KEY.
func ParseRSAPublicKey(der []byte) (*rsa.PublicKey, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: public key is not a DER SubjectPublicKeyInfo", ErrUnknown)
	}
	pub, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: public key is %T, want RSA", ErrUnknown, key)
	}
	if n := pub.N.BitLen(); n < MinRSABits || n > MaxRSABits {
		return nil, fmt.Errorf("%w: RSA key of %d bits; use %d to %d", ErrNotAllowed, n, MinRSABits, MaxRSABits)
	}
	return pub, nil
}
