//go:build cgo

package pkcs11

import (
	"context"
	"crypto"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// object is a key in the token, as its attributes describe it.
type object struct {
	handle p11.ObjectHandle
	spec   hsm.Spec
	born   bool
	id     []byte
	public crypto.PublicKey // of private keys
	form   hsm.OAEP         // of transport keys, once it is known; under keysMu
}

// key returns the key of that name if it is there and may be used.
func (w *work) key(name string, use hsm.Use) (*object, error) {
	u, err := hsm.ParseKey(name)
	if err != nil {
		return nil, err
	}
	if !u.Matches(w.uri) {
		return nil, fmt.Errorf("%w: %s is not in the token %s", hsm.ErrNoKey, u, w.uri)
	}
	w.keysMu.Lock()
	o := w.keys[name]
	w.keysMu.Unlock()
	if o == nil {
		if o, err = w.look(u); err != nil {
			return nil, err
		}
		w.keysMu.Lock()
		w.keys[name], w.canary = o, o.handle
		w.keysMu.Unlock()
	}
	if use != 0 && o.spec.Use != use {
		return nil, fmt.Errorf("%w: key %s is %s, not to %s", hsm.ErrKey, u, o.spec, use)
	}
	return o, nil
}

// template is what objects of a name have in common.
func template(u hsm.URI, class uint) []*p11.Attribute {
	t := []*p11.Attribute{attr(p11.CKA_LABEL, u.Object), attr(p11.CKA_TOKEN, true)}
	if class != 0 {
		t = append(t, attr(p11.CKA_CLASS, class))
	}
	if u.ID != nil {
		t = append(t, attr(p11.CKA_ID, u.ID))
	}
	return t
}

// look finds the private or secret key, and refuses one that could leave the token when it should not.
func (w *work) look(u hsm.URI) (*object, error) {
	var all []p11.ObjectHandle
	class := uint(p11.CKO_SECRET_KEY)
	for _, c := range []uint{p11.CKO_SECRET_KEY, p11.CKO_PRIVATE_KEY} {
		some, err := w.api.find(w.s, 2, template(u, c)...)
		if err != nil {
			return nil, err
		}
		if len(some) > 0 {
			class = c
		}
		all = append(all, some...)
	}
	switch len(all) {
	case 0:
		if err := w.there(); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %s in the token %s", hsm.ErrNoKey, u, w.uri)
	case 1:
	default:
		return nil, fmt.Errorf("%w: the token %s has more than one key %s: name the id too, or remove one", hsm.ErrKey, w.uri, u)
	}
	o, err := w.describe(all[0], class)
	if err != nil {
		return nil, err
	}
	if class == p11.CKO_PRIVATE_KEY {
		if o.public, o.spec.Kind, err = w.public(u, o.id); err != nil {
			return nil, err
		}
	}
	if err := o.spec.Check(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", hsm.ErrKey, u, err)
	}
	return o, nil
}

// describe reads the attributes of a private or secret key.
func (w *work) describe(h p11.ObjectHandle, class uint) (*object, error) {
	secret := class == p11.CKO_SECRET_KEY
	ask := []uint{p11.CKA_SENSITIVE, p11.CKA_EXTRACTABLE, p11.CKA_ALWAYS_SENSITIVE, p11.CKA_NEVER_EXTRACTABLE, p11.CKA_ID,
		p11.CKA_PRIVATE, p11.CKA_SIGN, p11.CKA_UNWRAP, p11.CKA_DECRYPT}
	if secret {
		ask = append(ask, p11.CKA_ENCRYPT, p11.CKA_KEY_TYPE, p11.CKA_VALUE_LEN)
	}
	v, err := w.api.attrs(w.s, h, ask...)
	if err != nil {
		return nil, err
	}
	o := &object{handle: h, id: v[4], born: yes(v[2]) && yes(v[3])}
	sensitive, extractable, private := yes(v[0]), yes(v[1]), yes(v[5])
	sign, unwrap, decrypt := yes(v[6]), yes(v[7]), yes(v[8])
	switch {
	case !secret && sign && !unwrap && !decrypt:
		o.spec.Use = hsm.Sign
	case !secret && unwrap && !sign && !decrypt:
		o.spec.Use = hsm.Transport
	case secret && yes(v[9]) && decrypt && !extractable:
		o.spec.Use = hsm.Seal
	case secret && yes(v[9]) && !decrypt:
		o.spec.Use, o.spec.Movable = hsm.Encrypt, extractable
	default:
		return nil, fmt.Errorf("%w: its attributes allow more than one use, or none: keys for this program are made with it", hsm.ErrKey)
	}
	if !sensitive || !private || extractable && !o.spec.Movable {
		return nil, fmt.Errorf("%w: the key can be read out of the token (sensitive %t, private %t, extractable %t): it is not used; make another", hsm.ErrKey, sensitive, private, extractable)
	}
	if secret && number(v[10]) == p11.CKK_AES {
		o.spec.Kind = hsm.AESOf(octets(v[11], o.id))
	}
	return o, nil
}

// Public implements hsm.Signer. It looks anew: others may have made another key of that name since.
func (t *Token) Public(ctx context.Context, name string) (crypto.PublicKey, error) {
	return run(ctx, t, "public half of "+name, func(w *work) (crypto.PublicKey, error) {
		w.keysMu.Lock()
		delete(w.keys, name)
		w.keysMu.Unlock()
		o, err := w.key(name, 0)
		if err != nil {
			return nil, err
		}
		if o.public == nil {
			return nil, fmt.Errorf("%w: key %s is %s: it has no public half", hsm.ErrKey, name, o.spec)
		}
		return o.public, nil
	})
}
