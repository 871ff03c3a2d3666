//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// oaepParams are the mechanism of a form.
func oaepParams(o hsm.OAEP) []*p11.Mechanism {
	if o == hsm.OAEPSHA1 {
		return mech(p11.CKM_RSA_PKCS_OAEP, p11.NewOAEPParams(p11.CKM_SHA_1, p11.CKG_MGF1_SHA1, p11.CKZ_DATA_SPECIFIED, nil))
	}
	return mech(p11.CKM_RSA_PKCS_OAEP, p11.NewOAEPParams(p11.CKM_SHA256, p11.CKG_MGF1_SHA256, p11.CKZ_DATA_SPECIFIED, nil))
}

// TransportKey implements hsm.Wrapper.
func (t *Token) TransportKey(ctx context.Context, name string) (hsm.TransportKey, error) {
	return run(ctx, t, "transport key "+name, func(w *work) (hsm.TransportKey, error) {
		o, err := w.key(name, hsm.Transport)
		if err != nil {
			return hsm.TransportKey{}, err
		}
		form, err := w.oaep(o)
		return hsm.TransportKey{Public: o.public.(*rsa.PublicKey), OAEP: form}, err
	})
}

// oaep finds the form that the token can undo with this key: it unwraps an AES key that we know, and encrypts with it.
func (w *work) oaep(o *object) (hsm.OAEP, error) {
	w.keysMu.Lock()
	form := o.form
	w.keysMu.Unlock()
	if form != 0 {
		return form, nil
	}
	var last error
	for _, form := range []hsm.OAEP{hsm.OAEPSHA256, hsm.OAEPSHA1} {
		if form == hsm.OAEPSHA1 && !w.opt.AllowOAEPSHA1 {
			return 0, fmt.Errorf("%w: the token cannot undo RSA-OAEP with SHA-256 (%s), and SHA-1 is not allowed", hsm.ErrUnsupported, last)
		}
		wrapped, err := rsa.EncryptOAEP(form.New(), rand.Reader, o.public.(*rsa.PublicKey), cbcVector.key, nil)
		if err != nil {
			return 0, err
		}
		key, err := w.unwrap(o, form, wrapped, hsm.Spec{Kind: hsm.AES128, Use: hsm.Encrypt}, attr(p11.CKA_TOKEN, false))
		if gone(err) {
			return 0, err
		}
		if last = err; err != nil {
			continue
		}
		out, err := w.cbc(key, cbcVector.iv, cbcVector.plain)
		w.forget(key)
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(out, cbcVector.cipher) {
			last = errors.New("what it unwraps is another key")
			continue
		}
		w.keysMu.Lock()
		o.form = form
		w.keysMu.Unlock()
		return form, nil
	}
	return 0, fmt.Errorf("%w: the token cannot undo RSA-OAEP: %s", hsm.ErrUnsupported, last)
}

// Wrap implements hsm.Wrapper.
func (t *Token) Wrap(ctx context.Context, name string, to hsm.TransportKey) ([]byte, error) {
	if err := to.Check(); err != nil {
		return nil, err
	}
	which := mechOAEP256
	if to.OAEP == hsm.OAEPSHA1 {
		if which = mechOAEP1; !t.opt.AllowOAEPSHA1 {
			return nil, fmt.Errorf("%w: RSA-OAEP with SHA-1 is not allowed", hsm.ErrUnsupported)
		}
	}
	if err := t.usable(which); err != nil {
		return nil, err
	}
	return run(ctx, t, "wrapping "+name, func(w *work) ([]byte, error) {
		o, err := w.key(name, hsm.Encrypt)
		if err != nil {
			return nil, err
		}
		if !o.spec.Movable {
			return nil, fmt.Errorf("%w: key %s is %s: it does not leave", hsm.ErrKey, name, o.spec)
		}
		return w.wrap(o.handle, to)
	})
}

// wrap brings the public key into the session, wraps under it and removes it again.
func (w *work) wrap(key p11.ObjectHandle, to hsm.TransportKey) ([]byte, error) {
	public, err := get(w.api, "C_CreateObject", func() (p11.ObjectHandle, error) {
		return w.api.CreateObject(w.s, []*p11.Attribute{
			attr(p11.CKA_CLASS, p11.CKO_PUBLIC_KEY), attr(p11.CKA_KEY_TYPE, p11.CKK_RSA), attr(p11.CKA_TOKEN, false), attr(p11.CKA_WRAP, true),
			attr(p11.CKA_MODULUS, to.Public.N.Bytes()), attr(p11.CKA_PUBLIC_EXPONENT, big.NewInt(int64(to.Public.E)).Bytes()),
		})
	})
	if err != nil {
		return nil, err
	}
	defer w.forget(public)
	return get(w.api, "C_WrapKey", func() ([]byte, error) { return w.api.wrapKey(w.s, to, public, key) })
}

// Unwrap implements hsm.Wrapper.
func (t *Token) Unwrap(ctx context.Context, transport string, wrapped []byte, name string, spec hsm.Spec) error {
	if err := spec.Check(); err != nil {
		return err
	}
	if spec.Use != hsm.Encrypt {
		return fmt.Errorf("%w: only keys to encrypt are moved, not %s", hsm.ErrUnsupported, spec)
	}
	u, err := hsm.ParseKey(name)
	if err != nil {
		return err
	}
	wrapped = bytes.Clone(wrapped)
	return t.make(ctx, "unwrapping "+name, func(w *work) error { return w.receive(transport, wrapped, u, spec) })
}

func (w *work) receive(transport string, wrapped []byte, u hsm.URI, spec hsm.Spec) error {
	o, err := w.key(transport, hsm.Transport)
	if err != nil {
		return err
	}
	if _, err := w.look(u); !errors.Is(err, hsm.ErrNoKey) {
		if err == nil {
			return fmt.Errorf("%w: %s", hsm.ErrExists, u)
		}
		return err
	}
	form, err := w.oaep(o)
	if err != nil {
		return err
	}
	size, err := w.weigh(o, form, wrapped)
	if err == nil && size != spec.Kind.Bits()/8 {
		return fmt.Errorf("%w: %d octets were wrapped, not a key of %s", hsm.ErrWrapped, size, spec.Kind)
	}
	var key p11.ObjectHandle
	if err == nil {
		key, err = w.unwrap(o, form, wrapped, spec, named(u, spec)...)
	}
	if err != nil {
		if lost := w.lostBy(err); lost != nil {
			return lost
		}
		return fmt.Errorf("%w: it was changed, or wrapped under another key than %s, or in another form than %s (%s)", hsm.ErrWrapped, transport, form, err.Error())
	}
	made, err := w.describe(key, p11.CKO_SECRET_KEY)
	if err == nil && made.spec != spec {
		err = fmt.Errorf("%w: the key that was wrapped is %s, not %s", hsm.ErrWrapped, made.spec, spec)
	}
	if err != nil {
		w.forget(key)
	}
	return err
}

// weigh tells how many octets were wrapped. The key is in the session only, and is wrapped again under a key that the
// token makes for this and forgets, if the token does not say its size.
func (w *work) weigh(o *object, form hsm.OAEP, wrapped []byte) (int, error) {
	key, err := w.unwrap(o, form, wrapped, hsm.Spec{Kind: hsm.AES128, Use: hsm.Encrypt, Movable: true}, attr(p11.CKA_TOKEN, false))
	if err != nil {
		return 0, err
	}
	defer w.forget(key)
	v, err := w.api.attrs(w.s, key, p11.CKA_VALUE_LEN)
	if err != nil {
		return 0, err
	}
	if n := number(v[0]); n > 0 {
		return int(n), nil
	}
	scale, err := get(w.api, "C_GenerateKey", func() (p11.ObjectHandle, error) {
		return w.api.GenerateKey(w.s, mech(p11.CKM_AES_KEY_GEN, nil), []*p11.Attribute{
			attr(p11.CKA_TOKEN, false), attr(p11.CKA_SENSITIVE, true), attr(p11.CKA_EXTRACTABLE, false), attr(p11.CKA_WRAP, true), attr(p11.CKA_VALUE_LEN, 32)})
	})
	if err != nil {
		return 0, err
	}
	defer w.forget(scale)
	out, err := get(w.api, "C_WrapKey", func() ([]byte, error) { return w.api.WrapKey(w.s, mech(p11.CKM_AES_KEY_WRAP, nil), scale, key) })
	return len(out) - 8, err // RFC 3394: one block more
}

func (w *work) unwrap(o *object, form hsm.OAEP, wrapped []byte, spec hsm.Spec, more ...*p11.Attribute) (p11.ObjectHandle, error) {
	template := append([]*p11.Attribute{attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY), attr(p11.CKA_KEY_TYPE, p11.CKK_AES)}, secretAttrs(spec)...)
	return get(w.api, "C_UnwrapKey", func() (p11.ObjectHandle, error) {
		return w.api.UnwrapKey(w.s, oaepParams(form), o.handle, wrapped, append(template, more...))
	})
}
