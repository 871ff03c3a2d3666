package suite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Signature is how PUSH messages are signed: SIG_ALGORITHM (RFC 6407 §5.3.6). The zero value is RSA.
type Signature uint8

// Signatures of PUSH messages.
const (
	SignatureRSA Signature = iota
	SignatureECDSA256
	SignatureECDSA384
)

// signatureInfo is one row of the registry of PUSH signatures.
type signatureInfo struct {
	name      string
	algorithm uint16       // RFC 6407 §5.3.6 SIG_ALGORITHM
	hash      machine.Hash // RFC 4754 §4; 0: SIG_HASH_ALGORITHM says it
	curve     elliptic.Curve
}

var signatures = [...]signatureInfo{
	SignatureRSA:      {name: "rsa", algorithm: 1},
	SignatureECDSA256: {"ecdsa-256", 4, machine.SHA256, elliptic.P256()},
	SignatureECDSA384: {"ecdsa-384", 5, machine.SHA384, elliptic.P384()},
}

func (s Signature) info() signatureInfo {
	if int(s) < len(signatures) {
		return signatures[s]
	}
	return signatureInfo{name: fmt.Sprintf("signature(%d)", uint8(s))}
}

// String is the text form, "ecdsa-256".
func (s Signature) String() string { return s.info().name }

// Algorithm is the value of SIG_ALGORITHM; 0 for a value that is not in the registry.
func (s Signature) Algorithm() uint16 { return s.info().algorithm }

// ImpliedHash is the hash that goes with the algorithm (RFC 6407 §5.3.5), or false for RSA, where SIG_HASH_ALGORITHM says it.
func (s Signature) ImpliedHash() (machine.Hash, bool) {
	h := s.info().hash
	return h, h != 0
}

// ParseSignature reads the text form.
func ParseSignature(text string) (Signature, error) {
	for s := range signatures {
		if signatures[s].name == text {
			return Signature(s), nil
		}
	}
	return 0, fmt.Errorf("%w: signature %q; use rsa, ecdsa-256 or ecdsa-384", ErrUnknown, text)
}

// SignatureFromSAK maps SIG_ALGORITHM and SIG_HASH_ALGORITHM; sigHash is 0 where the SAK has none. What contradicts the hash
// that an algorithm implies is refused: nobody could say which of the two was signed with.
func SignatureFromSAK(alg, sigHash uint16) (Signature, machine.Hash, error) {
	for s := range signatures {
		row := &signatures[s]
		if row.algorithm != alg {
			continue
		}
		if row.hash != 0 && (sigHash == 0 || sigHash == HashSig(row.hash)) {
			return Signature(s), row.hash, nil
		}
		h, err := HashFromSig(sigHash)
		if err == nil && row.hash != 0 {
			err = fmt.Errorf("%w: SIG_ALGORITHM %s with SIG_HASH_ALGORITHM %s; it implies %s", ErrUnknown, row.name, HashName(h), HashName(row.hash))
		}
		return Signature(s), h, err
	}
	return 0, 0, fmt.Errorf("%w: SIG_ALGORITHM %d; 1 (rsa), 4 (ecdsa-256) and 5 (ecdsa-384) are known here", ErrUnknown, alg)
}

// SignatureKey is the public half of a key that signs PUSH messages. It is not changed.
type SignatureKey struct {
	signature Signature
	rsa       *rsa.PublicKey // one of these
	ecdsa     *ecdsa.PublicKey
	der       []byte
}

// NewSignatureKey takes a key that may sign: RSA of MinRSABits to MaxRSABits, ECDSA over P-256 or P-384.
func NewSignatureKey(public crypto.PublicKey) (*SignatureKey, error) {
	k, err := checkSignatureKey(public)
	if err != nil {
		return nil, err
	}
	if k.der, err = x509.MarshalPKIXPublicKey(public); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrUnknown, err)
	}
	return k, nil
}

func checkSignatureKey(public crypto.PublicKey) (*SignatureKey, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < MinRSABits || n > MaxRSABits {
			return nil, fmt.Errorf("%w: RSA key of %d bits; use %d to %d", ErrNotAllowed, n, MinRSABits, MaxRSABits)
		}
		return &SignatureKey{rsa: k}, nil
	case *ecdsa.PublicKey:
		for s, row := range signatures {
			if row.curve != nil && k.Curve == row.curve {
				return &SignatureKey{signature: Signature(s), ecdsa: k}, nil
			}
		}
		return nil, fmt.Errorf("%w: ECDSA key over %s; use P-256 or P-384", ErrUnknown, k.Curve.Params().Name)
	}
	return nil, fmt.Errorf("%w: public key is %T; use RSA, or ECDSA over P-256 or P-384", ErrUnknown, public)
}

// ParseSignatureKey reads a DER SubjectPublicKeyInfo, the content of SIG_ALGORITHM_KEY.
func ParseSignatureKey(der []byte) (*SignatureKey, error) {
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("%w: public key is not a DER SubjectPublicKeyInfo", ErrUnknown)
	}
	return NewSignatureKey(public)
}

// Signature is the algorithm that the key is for.
func (k *SignatureKey) Signature() Signature { return k.signature }

// Bits is the value of SIG_KEY_LENGTH: the size of the modulus or of the curve.
func (k *SignatureKey) Bits() int {
	if k.rsa != nil {
		return k.rsa.N.BitLen()
	}
	return k.ecdsa.Params().BitSize
}

// Len is the length of a signature in octets: of the modulus, or of r | s (RFC 4754 §7).
func (k *SignatureKey) Len() int {
	if k.rsa != nil {
		return k.rsa.Size()
	}
	return 2 * ((k.ecdsa.Params().BitSize + 7) / 8)
}

// Hash is the hash that the key signs with where the SAK says said: its own, if it has one. Cooperating key servers may have
// keys of several algorithms, and a SAK names one.
func (k *SignatureKey) Hash(said machine.Hash) machine.Hash {
	if h, ok := k.signature.ImpliedHash(); ok {
		return h
	}
	return said
}

// Scheme is the form in which the key signs: the one asked for if the key can, otherwise that of RFC 6407.
func (k *SignatureKey) Scheme(form machine.SignScheme) machine.SignScheme {
	switch {
	case k.rsa == nil:
		return machine.SignECDSAConcat
	case form == machine.SignRSABare:
		return form
	}
	return machine.SignRSAPKCS1
}

// DER is its SubjectPublicKeyInfo (RFC 5280 §4.1), which is not to be changed.
func (k *SignatureKey) DER() []byte { return k.der }

// Equal says whether both are the same key.
func (k *SignatureKey) Equal(o *SignatureKey) bool {
	if k == nil || o == nil || k.signature != o.signature {
		return k == o
	}
	if k.rsa != nil {
		return k.rsa.Equal(o.rsa)
	}
	return k.ecdsa.Equal(o.ecdsa)
}

// String names algorithm and size, "rsa-2048" or "ecdsa-256".
func (k *SignatureKey) String() string {
	if k.rsa != nil {
		return fmt.Sprintf("rsa-%d", k.Bits())
	}
	return k.signature.String()
}

// Verify checks a signature over a digest of h in one form.
func (k *SignatureKey) Verify(form machine.SignScheme, h machine.Hash, digest, sig []byte) error {
	if k.rsa != nil {
		return VerifyRSA(k.rsa, form, h, digest, sig)
	}
	switch implied, _ := k.signature.ImpliedHash(); {
	case form != machine.SignECDSAConcat:
		return fmt.Errorf("%w: signature scheme %d is not ECDSA", ErrUnknown, form)
	case h != implied || len(digest) != HashLen(h):
		return fmt.Errorf("%w: digest of %d octets for %s", ErrLength, len(digest), k)
	}
	return VerifyECDSA(k.ecdsa, digest, sig)
}

// VerifyPush accepts a PUSH signature in the form of RFC 6407 §5.3.6 and, by RSA, also as the bare digest that older key
// servers send, and says which it was. Both forms prove the same thing: a holder of the key signed this digest.
func (k *SignatureKey) VerifyPush(h machine.Hash, digest, sig []byte) (machine.SignScheme, error) {
	form := k.Scheme(0)
	err := k.Verify(form, h, digest, sig)
	if err == nil {
		return form, nil
	}
	if k.rsa != nil && k.Verify(machine.SignRSABare, h, digest, sig) == nil {
		return machine.SignRSABare, nil
	}
	return 0, err
}
