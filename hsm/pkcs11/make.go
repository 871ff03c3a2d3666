//go:build cgo

package pkcs11

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// Ensure implements hsm.Maker.
func (t *Token) Ensure(ctx context.Context, name string, spec hsm.Spec) error {
	if err := spec.Check(); err != nil {
		return err
	}
	return t.make(ctx, "key "+name, func(w *work) error {
		o, err := w.key(name, 0)
		if errors.Is(err, hsm.ErrNoKey) {
			if err = w.generate(name, spec); err == nil {
				o, err = w.key(name, 0)
			}
		}
		if err != nil {
			return err
		}
		if o.spec != spec {
			return fmt.Errorf("%w: key %s is %s, not %s", hsm.ErrKey, name, o.spec, spec)
		}
		return w.prove(o)
	})
}

// make does what makes or removes keys, one at a time: two callers must not make the same key twice, not even when the first has
// left while the token was still at it.
func (t *Token) make(ctx context.Context, what string, f func(*work) error) error {
	ctx, cancel := context.WithTimeout(ctx, t.opt.KeyTime)
	defer cancel()
	select {
	case t.making <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("hsm/pkcs11: %s: %w: another key is being made: %w", what, hsm.ErrUnavailable, ctx.Err())
	}
	_, err := runFor(ctx, t, t.opt.KeyTime, what, func(w *work) (struct{}, error) { return struct{}{}, f(w) }, func() { <-t.making })
	return err
}

// prove uses the key once, so that what it makes is known to be right before anybody depends on it.
func (w *work) prove(o *object) error {
	switch o.spec.Use {
	case hsm.Sign:
		digest := sha256.Sum256([]byte("getvpn: this signature proves a key"))
		scheme := hsm.RSAPKCS1v15
		if !o.spec.Kind.RSA() {
			scheme = hsm.ECDSAConcat
		}
		sig, err := w.sign(o, scheme, crypto.SHA256, digest[:])
		if err == nil && !verify(o.public, digest[:], sig) {
			err = fmt.Errorf("%w: its signature does not go with its public half", hsm.ErrKey)
		}
		return err
	case hsm.Transport:
		_, err := w.oaep(o)
		return err
	}
	return nil
}

// generate makes a key. What it may do is said in full, since defaults differ between tokens.
func (w *work) generate(name string, spec hsm.Spec) error {
	u, err := hsm.ParseKey(name)
	if err != nil {
		return err
	}
	common := named(u, spec)
	secret := append(secretAttrs(spec), common...)
	if spec.Kind.Symmetric() {
		secret = append(secret, attr(p11.CKA_VALUE_LEN, spec.Kind.Bits()/8))
		return w.api.do("C_GenerateKey", func() error {
			_, err := w.api.GenerateKey(w.s, mech(p11.CKM_AES_KEY_GEN, nil), secret)
			return err
		})
	}
	sign, wrap := spec.Use == hsm.Sign, spec.Use == hsm.Transport
	public := append([]*p11.Attribute{attr(p11.CKA_VERIFY, sign), attr(p11.CKA_WRAP, wrap), attr(p11.CKA_ENCRYPT, false)}, common...)
	m := mech(p11.CKM_EC_KEY_PAIR_GEN, nil)
	if spec.Kind.RSA() {
		m = mech(p11.CKM_RSA_PKCS_KEY_PAIR_GEN, nil)
		public = append(public, attr(p11.CKA_MODULUS_BITS, spec.Kind.Bits()), attr(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
	} else {
		public = append(public, attr(p11.CKA_EC_PARAMS, curves[spec.Kind]))
	}
	return w.api.do("C_GenerateKeyPair", func() error {
		_, _, err := w.api.GenerateKeyPair(w.s, m, public, secret)
		return err
	})
}

// named are the attributes of the name. Unless it has an id, the key gets a new one, which tells the size of AES keys to
// tokens that forget it (SoftHSM does, of keys that it unwrapped).
func named(u hsm.URI, spec hsm.Spec) []*p11.Attribute {
	id := u.ID
	if id == nil {
		id = make([]byte, 16)
		_, _ = rand.Read(id) // never fails
		if spec.Kind.Symmetric() {
			copy(id, append([]byte(sizeMark), byte(spec.Kind.Bits()/8)))
		}
	}
	return []*p11.Attribute{attr(p11.CKA_TOKEN, true), attr(p11.CKA_LABEL, u.Object), attr(p11.CKA_ID, id)}
}

const sizeMark = "aes"

// octets is the size of an AES key, or 0.
func octets(valueLen, id []byte) int {
	if n := number(valueLen); n > 0 {
		return int(n)
	}
	if len(id) == 16 && string(id[:len(sizeMark)]) == sizeMark {
		return int(id[len(sizeMark)])
	}
	return 0
}

// secretAttrs says what a private or secret key may do.
func secretAttrs(spec hsm.Spec) []*p11.Attribute {
	all := []*p11.Attribute{attr(p11.CKA_PRIVATE, true), attr(p11.CKA_SENSITIVE, true), attr(p11.CKA_EXTRACTABLE, spec.Movable)}
	for _, may := range []struct {
		what uint
		may  bool
	}{
		{p11.CKA_SIGN, spec.Use == hsm.Sign},
		{p11.CKA_UNWRAP, spec.Use == hsm.Transport},
		{p11.CKA_DECRYPT, spec.Use == hsm.Seal},
	} {
		all = append(all, attr(may.what, may.may))
	}
	if spec.Kind.Symmetric() {
		all = append(all, attr(p11.CKA_ENCRYPT, true), attr(p11.CKA_VERIFY, false), attr(p11.CKA_WRAP, false))
	}
	return all
}

// Destroy implements hsm.Maker. It takes its turn with what makes keys: a module may lose sight of a new key while another
// is removed (SoftHSM 2.6.1 then says CKR_GENERAL_ERROR).
func (t *Token) Destroy(ctx context.Context, name string) error {
	return t.make(ctx, "removing "+name, func(w *work) error {
		o, err := w.key(name, 0)
		if err != nil {
			return err
		}
		u, _ := hsm.ParseKey(name)
		u.ID = o.id
		public, err := w.api.find(w.s, 2, template(u, p11.CKO_PUBLIC_KEY)...)
		if err != nil {
			return err
		}
		w.keysMu.Lock()
		maps.DeleteFunc(w.keys, func(_ string, known *object) bool { return known.handle == o.handle }) // by all its names
		if w.canary == o.handle {
			w.canary = 0
		}
		w.keysMu.Unlock()
		for _, h := range append([]p11.ObjectHandle{o.handle}, public...) {
			if err := w.api.do("C_DestroyObject", func() error { return w.api.DestroyObject(w.s, h) }); err != nil {
				return err
			}
		}
		return nil
	})
}
