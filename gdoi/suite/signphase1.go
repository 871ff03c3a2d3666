package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// AuthOfKey is the phase-1 authentication method of a public key; an ErrUnknown for a key that has none.
func AuthOfKey(pub crypto.PublicKey) (uint16, error) {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < MinRSABits || n > MaxRSABits {
			return 0, fmt.Errorf("%w: RSA key of %d bits; use %d to %d", ErrNotAllowed, n, MinRSABits, MaxRSABits)
		}
		return AuthRSA, nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return AuthECDSA256, nil
		case elliptic.P384():
			return AuthECDSA384, nil
		case elliptic.P521():
			return AuthECDSA521, nil
		}
	}
	return 0, fmt.Errorf("%w: a key that is neither RSA nor ECDSA over P-256, P-384 or P-521", ErrUnknown)
}

// SignScheme is how the method signs (RFC 2409 §5.1: RSA without DigestInfo; RFC 4754 §7: r | s).
func (p Phase1) SignScheme() machine.SignScheme {
	if p.Auth == AuthRSA {
		return machine.SignRSABare
	}
	return machine.SignECDSAConcat
}

// VerifySignature checks the signature of message 5 or 6 over HASH_I or HASH_R. A key of another method than the
// negotiated one is ErrSignature.
func (p Phase1) VerifySignature(pub crypto.PublicKey, digest, sig []byte) error {
	method, err := AuthOfKey(pub)
	if err != nil {
		return err
	}
	if method != p.Auth {
		return fmt.Errorf("%w: the key is for %s, and %s was agreed on", ErrSignature, AuthName(method), AuthName(p.Auth))
	}
	if k, ok := pub.(*rsa.PublicKey); ok {
		return VerifyRSA(k, machine.SignRSABare, p.SignatureHash(), digest, sig)
	}
	return VerifyECDSA(pub.(*ecdsa.PublicKey), digest, sig)
}

// VerifyECDSA checks a signature in the form r | s, each as wide as the curve's field in octets (RFC 4754 §7).
func VerifyECDSA(pub *ecdsa.PublicKey, digest, sig []byte) error {
	n := (pub.Curve.Params().BitSize + 7) / 8
	if len(sig) != 2*n {
		return fmt.Errorf("%w: signature of %d octets; r | s has %d", ErrLength, len(sig), 2*n)
	}
	r, s := new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])
	if !ecdsa.Verify(pub, digest, r, s) {
		return ErrSignature
	}
	return nil
}
