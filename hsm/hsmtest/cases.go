package hsmtest

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // IKEv1 signs it
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/getvpn/getvpn/hsm"
)

var signers = []struct {
	kind    hsm.Kind
	schemes []hsm.Scheme
}{
	{hsm.RSA2048, []hsm.Scheme{hsm.RSAPKCS1v15, hsm.RSABare}},
	{hsm.RSA3072, []hsm.Scheme{hsm.RSAPKCS1v15, hsm.RSABare}},
	{hsm.P256, []hsm.Scheme{hsm.ECDSAConcat}},
	{hsm.P384, []hsm.Scheme{hsm.ECDSAConcat}},
}

func digestOf(h crypto.Hash) []byte {
	d := h.New()
	d.Write([]byte("a message"))
	return d.Sum(nil)
}

// check verifies with Go's library, which no backend signs with alone.
func (o *one) check(public crypto.PublicKey, scheme hsm.Scheme, hash crypto.Hash, digest, sig []byte) bool {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if scheme == hsm.RSABare {
			hash = 0
		}
		return rsa.VerifyPKCS1v15(k, hash, digest, sig) == nil
	case *ecdsa.PublicKey:
		n := k.Params().BitSize / 8
		return len(sig) == 2*n && ecdsa.Verify(k, digest, new(big.Int).SetBytes(sig[:n]), new(big.Int).SetBytes(sig[n:]))
	}
	return false
}

func signatures(o *one) {
	for _, row := range signers {
		key := o.key(row.kind.String(), hsm.Spec{Kind: row.kind, Use: hsm.Sign})
		public, err := o.h.Public(o.Context(), key)
		if err != nil {
			o.Fatal(err)
		}
		for _, scheme := range row.schemes {
			for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
				digest := digestOf(hash)
				sig, err := o.h.Sign(o.Context(), key, scheme, hash, digest)
				if err != nil || !o.check(public, scheme, hash, digest, sig) {
					o.Errorf("%s %s %s: not a good signature: %v", row.kind, scheme, hash, err)
				}
			}
		}
	}
}

func existing(o *one) {
	spec := hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}
	key := o.key("stays", spec)
	before, err := o.h.Public(o.Context(), key)
	if err != nil {
		o.Fatal(err)
	}
	o.again()
	if err := o.h.Ensure(o.Context(), key, spec); err != nil {
		o.Fatal(err)
	}
	if after, err := o.h.Public(o.Context(), key); err != nil || !before.(*ecdsa.PublicKey).Equal(after) {
		o.Errorf("after a restart the key is another one: %v", err)
	}
	o.wants(o.h.Ensure(o.Context(), key, hsm.Spec{Kind: hsm.P384, Use: hsm.Sign}), hsm.ErrKey, "another curve")
	o.wants(o.h.Ensure(o.Context(), key, hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Sign}), hsm.ErrKey, "another algorithm")
	if err := o.h.Destroy(o.Context(), key); err != nil {
		o.Fatal(err)
	}
	_, err = o.h.Sign(o.Context(), key, hsm.ECDSAConcat, crypto.SHA256, digestOf(crypto.SHA256))
	o.wants(err, hsm.ErrNoKey, "signing with a key that was removed")
	o.wants(o.h.Destroy(o.Context(), key), hsm.ErrNoKey, "removing it again")
}

func refusals(o *one) {
	ctx, digest := o.Context(), digestOf(crypto.SHA256)
	sign := o.key("sign", hsm.Spec{Kind: hsm.P256, Use: hsm.Sign})
	kek := o.key("kek", hsm.Spec{Kind: hsm.AES128, Use: hsm.Encrypt})
	_, err := o.h.Sign(ctx, sign, hsm.RSAPKCS1v15, crypto.SHA256, digest)
	o.wants(err, hsm.ErrUnsupported, "RSA with an EC key")
	_, err = o.h.Sign(ctx, sign, 99, crypto.SHA256, digest)
	o.wants(err, hsm.ErrUnsupported, "an unknown scheme")
	if _, err = o.h.Sign(ctx, sign, hsm.ECDSAConcat, crypto.SHA256, digest[1:]); err == nil {
		o.Error("a digest that is too short was signed")
	}
	_, err = o.h.Sign(ctx, kek, hsm.RSAPKCS1v15, crypto.SHA256, digest)
	o.wants(err, hsm.ErrKey, "signing with a KEK")
	_, err = o.h.Public(ctx, kek)
	o.wants(err, hsm.ErrKey, "the public half of a KEK")
	_, err = o.h.EncryptCBC(ctx, sign, make([]byte, 16), make([]byte, 16))
	o.wants(err, hsm.ErrKey, "encrypting with a signing key")
	_, err = o.h.TransportKey(ctx, sign)
	o.wants(err, hsm.ErrKey, "a signing key as transport key")
	_, err = o.h.Public(ctx, o.name("nobody"))
	o.wants(err, hsm.ErrNoKey, "a key that is not there")
	for _, spec := range []hsm.Spec{{}, {Kind: hsm.AES128, Use: hsm.Sign}, {Kind: hsm.P256, Use: hsm.Transport}, {Kind: hsm.RSA2048, Use: hsm.Sign, Movable: true}, {Kind: hsm.AES128, Use: hsm.Seal}} {
		o.wants(o.h.Ensure(ctx, o.name("nonsense"), spec), hsm.ErrUnsupported, spec.String())
	}
}

func names(o *one) {
	key := o.key("named", hsm.Spec{Kind: hsm.P256, Use: hsm.Sign})
	token, err := hsm.ParseURI(o.h.Info().URI)
	if err != nil {
		o.Fatal(err)
	}
	token.Object = key
	if _, err := o.h.Public(o.Context(), token.String()); err != nil {
		o.Errorf("by %s: %v", token, err)
	}
	if _, err := o.h.Public(o.Context(), (hsm.URI{Object: key}).String()); err != nil {
		o.Errorf("by a URI with the object alone: %v", err)
	}
	token.Token = "another token"
	_, err = o.h.Public(o.Context(), token.String())
	o.wants(err, hsm.ErrNoKey, "of another token")
	for _, bad := range []string{"", "a\x00b", "pkcs11:token=x", "pkcs11:slot-id=0;object=x"} {
		if err := o.h.Ensure(o.Context(), bad, hsm.Spec{Kind: hsm.AES128, Use: hsm.Encrypt}); err == nil {
			o.Errorf("%q was accepted as a name", bad)
		}
	}
}

func random(o *one) {
	a, err := o.h.Random(o.Context(), 64)
	if err != nil {
		o.Fatal(err)
	}
	b, err := o.h.Random(o.Context(), 64)
	if err != nil || len(a) != 64 || len(b) != 64 || bytes.Equal(a, b) {
		o.Errorf("%x and %x: %v", a, b, err)
	}
}

func inventory(o *one) {
	specs := map[string]hsm.Spec{
		o.name("inventory-sign"): {Kind: hsm.P384, Use: hsm.Sign},
		o.name("inventory-kek"):  {Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true},
		o.name("inventory-seal"): {Kind: hsm.AES256, Use: hsm.Seal},
	}
	for n, spec := range specs {
		o.key(strings.TrimPrefix(n, o.prefix), spec)
	}
	list, err := o.h.Inventory(o.Context())
	if err != nil {
		o.Fatal(err)
	}
	found := 0
	for _, k := range list {
		want, ours := specs[k.Name]
		if !ours {
			continue
		}
		found++
		if k.Spec != want || k.Problem != "" {
			o.Errorf("%s is listed as %s (%s), want %s", k.Name, k.Spec, k.Problem, want)
		}
		if o.h.Info().Backend != "soft" && k.Born == want.Movable {
			o.Errorf("%s: born here and never able to leave: %t", k.Name, k.Born)
		}
		if u, err := hsm.ParseURI(k.URI); err != nil || u.Object != k.Name || u.String() != k.URI {
			o.Errorf("%s: URI %s: %v", k.Name, k.URI, err)
		}
	}
	if found != len(specs) {
		o.Errorf("%d of %d keys are listed", found, len(specs))
	}
}

func contexts(o *one) {
	key := o.key("contexts", hsm.Spec{Kind: hsm.P256, Use: hsm.Sign})
	ctx, cancel := context.WithCancel(o.Context())
	cancel()
	_, err := o.h.Sign(ctx, key, hsm.ECDSAConcat, crypto.SHA256, digestOf(crypto.SHA256))
	o.wants(err, context.Canceled, "a cancelled context")
	late, cancel := context.WithDeadline(o.Context(), time.Unix(0, 0))
	defer cancel()
	_, err = o.h.Random(late, 8)
	o.wants(err, context.DeadlineExceeded, "a deadline that is past")
}

func concurrent(o *one) {
	key := o.key("many", hsm.Spec{Kind: hsm.P256, Use: hsm.Sign})
	public, err := o.h.Public(o.Context(), key)
	if err != nil {
		o.Fatal(err)
	}
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for i := range 16 {
		wg.Go(func() {
			for range 8 {
				digest := digestOf(crypto.SHA256)
				digest[0] = byte(i)
				sig, err := o.h.Sign(o.Context(), key, hsm.ECDSAConcat, crypto.SHA256, digest)
				if err == nil && !o.check(public, hsm.ECDSAConcat, crypto.SHA256, digest, sig) {
					err = errors.New("a wrong signature")
				}
				if err != nil {
					errs <- fmt.Errorf("caller %d: %w", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		o.Error(err)
	}
}
