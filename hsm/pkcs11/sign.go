//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"
	"math/big"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// curves are the named curves as CKA_EC_PARAMS has them.
var curves = map[hsm.Kind][]byte{
	hsm.P256: {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
	hsm.P384: {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22},
}

// digestInfo is what RFC 8017 §9.2 puts before the digest.
var digestInfo = map[crypto.Hash][]byte{
	crypto.SHA1:   {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14},
	crypto.SHA256: {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20},
	crypto.SHA384: {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30},
	crypto.SHA512: {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40},
}

// Sign implements hsm.Signer.
func (t *Token) Sign(ctx context.Context, name string, scheme hsm.Scheme, hash crypto.Hash, digest []byte) ([]byte, error) {
	digest = bytes.Clone(digest) // it is read after we have left, if the token is slow
	return run(ctx, t, "signature with "+name, func(w *work) ([]byte, error) {
		o, err := w.key(name, hsm.Sign)
		if err != nil {
			return nil, err
		}
		return w.sign(o, scheme, hash, digest)
	})
}

func (w *work) sign(o *object, scheme hsm.Scheme, hash crypto.Hash, digest []byte) ([]byte, error) {
	prefix, known := digestInfo[hash]
	if !known || len(digest) != hash.Size() {
		return nil, fmt.Errorf("%w: a digest of %d octets for %s", hsm.ErrUnsupported, len(digest), hash)
	}
	m := mech(p11.CKM_RSA_PKCS, nil)
	switch {
	case scheme == hsm.RSAPKCS1v15 && o.spec.Kind.RSA():
		digest = append(bytes.Clone(prefix), digest...)
	case scheme == hsm.RSABare && o.spec.Kind.RSA():
	case scheme == hsm.ECDSAConcat && !o.spec.Kind.RSA():
		// FIPS 186-5 §6.4: the leftmost bits of a digest that is longer than the order. Some tokens refuse more.
		digest = digest[:min(len(digest), o.spec.Kind.Bits()/8)]
		m = mech(p11.CKM_ECDSA, nil)
	default:
		return nil, fmt.Errorf("%w: scheme %s with a key of %s", hsm.ErrUnsupported, scheme, o.spec.Kind)
	}
	if err := w.api.do("C_SignInit", func() error { return w.api.SignInit(w.s, m, o.handle) }); err != nil {
		return nil, err
	}
	return get(w.api, "C_Sign", func() ([]byte, error) { return w.api.Sign(w.s, digest) })
}

// verify is for signatures of SHA-256 digests: RSAPKCS1v15 or ECDSAConcat.
func verify(public crypto.PublicKey, digest, sig []byte) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest, sig) == nil
	case *ecdsa.PublicKey:
		n := (k.Curve.Params().BitSize + 7) / 8
		return len(sig) == 2*n && ecdsa.Verify(k, digest, new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:]))
	}
	return false
}

// public reads the public half of a private key.
func (w *work) public(u hsm.URI, id []byte) (crypto.PublicKey, hsm.Kind, error) {
	u.ID = id
	all, err := w.api.find(w.s, 2, template(u, p11.CKO_PUBLIC_KEY)...)
	if err != nil {
		return nil, 0, err
	}
	if len(all) != 1 {
		return nil, 0, fmt.Errorf("%w: the token has %d public keys beside the private key %s, with its id; it must have one", hsm.ErrKey, len(all), u)
	}
	return w.halves(u, all[0])
}

// halves reads a public key.
func (w *work) halves(u hsm.URI, h p11.ObjectHandle) (crypto.PublicKey, hsm.Kind, error) {
	bad := func(why string) (crypto.PublicKey, hsm.Kind, error) {
		return nil, 0, fmt.Errorf("%w: the public half of %s %s", hsm.ErrKey, u, why)
	}
	keyType, err := w.api.attrs(w.s, h, p11.CKA_KEY_TYPE)
	if err != nil {
		return nil, 0, err
	}
	switch number(keyType[0]) {
	case p11.CKK_RSA:
		v, err := w.api.attrs(w.s, h, p11.CKA_MODULUS, p11.CKA_PUBLIC_EXPONENT)
		if err != nil {
			return nil, 0, err
		}
		n, e := new(big.Int).SetBytes(v[0]), new(big.Int).SetBytes(v[1])
		if !e.IsInt64() || e.Int64() != 65537 {
			return bad("has another exponent than 65537")
		}
		return &rsa.PublicKey{N: n, E: 65537}, hsm.RSAOf(n.BitLen()), nil
	case p11.CKK_EC:
		v, err := w.api.attrs(w.s, h, p11.CKA_EC_PARAMS, p11.CKA_EC_POINT)
		if err != nil {
			return nil, 0, err
		}
		for kind, curve := range map[hsm.Kind]elliptic.Curve{hsm.P256: elliptic.P256(), hsm.P384: elliptic.P384()} {
			if !bytes.Equal(v[0], curves[kind]) {
				continue
			}
			point := v[1]
			var inner []byte // an OCTET STRING by the standard, the bare point by some tokens
			if rest, err := asn1.Unmarshal(point, &inner); err == nil && len(rest) == 0 {
				point = inner
			}
			k, err := ecdsa.ParseUncompressedPublicKey(curve, point)
			if err != nil {
				return bad("is no point of its curve")
			}
			return k, kind, nil
		}
		return bad("is of an unknown curve")
	}
	return bad("is of an unknown type")
}
