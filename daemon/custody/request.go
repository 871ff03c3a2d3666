package custody

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"

	"github.com/getvpn/getvpn/hsm"
)

// Request is a certificate request (PKCS#10, DER) for a key of a custody, which signs it: proof that the key is there.
func Request(ctx context.Context, h hsm.Signer, key string, r *x509.CertificateRequest) ([]byte, error) {
	public, err := h.Public(ctx, key)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, r, &signer{ctx, h, key, public})
	if err != nil {
		return nil, fmt.Errorf("custody: request for %s: %w", key, err)
	}
	return der, nil
}

// signer is a key of a custody as package x509 wants it.
type signer struct {
	ctx    context.Context // of the one call that the signer is for
	h      hsm.Signer
	key    string
	public crypto.PublicKey
}

// Public implements crypto.Signer.
func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign implements crypto.Signer: RSA by PKCS#1 v1.5, ECDSA as the ASN.1 of X.509 (RFC 3279 §2.2.3).
func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if _, ok := s.public.(*ecdsa.PublicKey); !ok {
		return s.h.Sign(s.ctx, s.key, hsm.RSAPKCS1v15, opts.HashFunc(), digest)
	}
	sig, err := s.h.Sign(s.ctx, s.key, hsm.ECDSAConcat, opts.HashFunc(), digest)
	if err != nil {
		return nil, err
	}
	n := len(sig) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:])})
}
