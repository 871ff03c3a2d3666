//go:build cgo

package pkcs11

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// cbcVector: NIST SP 800-38A F.2.1, first block.
var cbcVector = struct{ key, iv, plain, cipher []byte }{
	unhex("2b7e151628aed2a6abf7158809cf4f3c"), unhex("000102030405060708090a0b0c0d0e0f"),
	unhex("6bc1bee22e409f96e93d7e117393172a"), unhex("7649abac8119b246cee98e9b12e9197d"),
}

// kwpVectors are RFC 5649 with one KEK: keys whose length is no multiple of 8 are those that go wrong (SoftHSM 2.6.1 pads
// them first, and encodes the padded length).
var kwpVectors = []struct{ kek, key, wrapped []byte }{
	{unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"), unhex("141b222930373e454c535a61686f767d848b9299"),
		unhex("0228c27bbba7494712e354d1d9155a4d096d234deec1bf6a9fb25dca8c7f371f")},
	{unhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"), unhex("c37b7e6492584340bed12207808941155068f738"), // RFC 5649 §6
		unhex("138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a")},
}

// known brings a key with a known value into the session. Tokens in a FIPS mode refuse that.
func (w *work) known(keyType uint, value []byte) (p11.ObjectHandle, error) {
	template := []*p11.Attribute{
		attr(p11.CKA_CLASS, p11.CKO_SECRET_KEY), attr(p11.CKA_KEY_TYPE, keyType), attr(p11.CKA_TOKEN, false), attr(p11.CKA_VALUE, value),
		attr(p11.CKA_EXTRACTABLE, true),
	}
	if keyType == p11.CKK_AES {
		template = append(template, attr(p11.CKA_ENCRYPT, true), attr(p11.CKA_DECRYPT, true), attr(p11.CKA_WRAP, true))
	}
	h, err := get(w.api, "C_CreateObject", func() (p11.ObjectHandle, error) { return w.api.CreateObject(w.s, template) })
	if err != nil && lossOf(err) == kept {
		err = fmt.Errorf("%w: the token takes no key with a known value (%w)", errUnproven, err)
	}
	return h, err
}

func (w *work) forget(h p11.ObjectHandle) { _ = w.api.DestroyObject(w.s, h) }

func (w *work) tryCBC() error {
	key, err := w.known(p11.CKK_AES, cbcVector.key)
	if err != nil {
		return err
	}
	defer w.forget(key)
	out, err := w.cbc(key, cbcVector.iv, cbcVector.plain)
	if err == nil && !bytes.Equal(out, cbcVector.cipher) {
		return errors.New("it does not give what NIST SP 800-38A F.2.1 says")
	}
	return err
}

func (w *work) tryGCM() error {
	value, nonce, plain, aad := kwpVectors[0].kek, cbcVector.iv[:nonceLen], []byte("seventeen octets."), []byte("aad")
	block, err := aes.NewCipher(value)
	if err != nil {
		return err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	key, err := w.known(p11.CKK_AES, value)
	if err != nil {
		return err
	}
	defer w.forget(key)
	used, box, err := w.gcmSeal(key, nonce, plain, aad)
	if err != nil {
		return err
	}
	if !bytes.Equal(box, gcm.Seal(nil, used, plain, aad)) {
		return errors.New("it does not give what NIST SP 800-38D says")
	}
	back, err := w.gcmOpen(key, used, box, aad)
	if err == nil && !bytes.Equal(back, plain) {
		err = errors.New("it does not open what it sealed")
	}
	if err != nil {
		return err
	}
	box[0] ^= 1
	if _, err := w.gcmOpen(key, used, box, aad); err == nil {
		return errors.New("it opens what was changed")
	}
	return nil
}

// ours is a key that stands for the peer's.
var ours = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func (w *work) tryOAEP(form hsm.OAEP) error {
	private, err := ours()
	if err != nil {
		return err
	}
	key, err := w.known(p11.CKK_AES, cbcVector.key)
	if err != nil {
		return err
	}
	defer w.forget(key)
	wrapped, err := w.wrap(key, hsm.TransportKey{Public: &private.PublicKey, OAEP: form})
	if err != nil {
		return err
	}
	if value, err := rsa.DecryptOAEP(form.New(), nil, private, wrapped, nil); err != nil || !bytes.Equal(value, cbcVector.key) {
		return errors.New("what it wraps does not unwrap by RFC 8017 §7.1")
	}
	return nil
}

func (w *work) tryKeyWrap(mechanism uint) error {
	for _, v := range kwpVectors {
		kek, err := w.known(p11.CKK_AES, v.kek)
		if err != nil {
			return err
		}
		defer w.forget(kek)
		key, err := w.known(p11.CKK_GENERIC_SECRET, v.key)
		if err != nil {
			return err
		}
		defer w.forget(key)
		out, err := get(w.api, "C_WrapKey", func() ([]byte, error) { return w.api.WrapKey(w.s, mech(mechanism, nil), kek, key) })
		if err != nil {
			return err
		}
		if !bytes.Equal(out, v.wrapped) {
			return fmt.Errorf("a key of %d octets is not wrapped as RFC 5649 says: others cannot unwrap it to what it was", len(v.key))
		}
	}
	return nil
}

func (w *work) tryECDSA() error {
	spec := hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}
	label := hsm.URI{Object: "getvpn probe"}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	common := []*p11.Attribute{attr(p11.CKA_TOKEN, false), attr(p11.CKA_ID, id), attr(p11.CKA_LABEL, label.Object)}
	var public, private p11.ObjectHandle
	err := w.api.do("C_GenerateKeyPair", func() (err error) {
		public, private, err = w.api.GenerateKeyPair(w.s, mech(p11.CKM_EC_KEY_PAIR_GEN, nil),
			append([]*p11.Attribute{attr(p11.CKA_EC_PARAMS, curves[hsm.P256]), attr(p11.CKA_VERIFY, true)}, common...),
			append(secretAttrs(spec), common...))
		return err
	})
	if err != nil {
		return err
	}
	defer w.forget(public)
	defer w.forget(private)
	key, _, err := w.halves(label, public)
	if err != nil {
		return err
	}
	return w.prove(&object{handle: private, spec: spec, public: key})
}

func (w *work) tryRandom() error {
	a, err := w.random(32)
	if err != nil {
		return err
	}
	b, err := w.random(32)
	if err == nil && (bytes.Equal(a, b) || bytes.Equal(a, make([]byte, 32))) {
		return errors.New("it gives the same octets twice, or none")
	}
	return err
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err) // a constant of this file
	}
	return b
}
