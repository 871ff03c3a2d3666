package hsmtest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"

	"github.com/getvpn/getvpn/hsm"
)

// transport makes a transport key in a custody.
func (o *one) transport(h hsm.Token) string {
	o.Helper()
	n := o.name("transport")
	if err := h.Ensure(o.Context(), n, hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Transport}); err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() { _ = h.Destroy(o.after(), n) })
	return n
}

func cbc(key, iv, plain []byte) []byte {
	b, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	out := make([]byte, len(plain))
	cipher.NewCBCEncrypter(b, iv).CryptBlocks(out, plain)
	return out
}

// encryption: what a key that we know gives is what Go's library gives; then with keys of the token's own, through a
// Window.
func encryption(o *one) {
	ctx, transport := o.Context(), o.transport(o.h)
	iv, plain := bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte("0123456789abcdef"), 70)
	window, err := hsm.NewWindow()
	if err != nil {
		o.Fatal(err)
	}
	for _, n := range []int{16, 24, 32} {
		spec := hsm.Spec{Kind: hsm.AESOf(n), Use: hsm.Encrypt, Movable: true}
		value := make([]byte, n)
		_, _ = rand.Read(value)
		key := o.name("import-" + spec.Kind.String())
		if err := hsm.Import(ctx, o.h, transport, key, value, spec); err != nil {
			o.Fatal(err)
		}
		o.discard(key)
		if out, err := o.h.EncryptCBC(ctx, key, iv, plain); err != nil || !bytes.Equal(out, cbc(value, iv, plain)) {
			o.Errorf("%s: not AES-CBC: %v", spec.Kind, err)
		}
		own := o.key("own-"+spec.Kind.String(), spec)
		value, err := window.Reveal(ctx, o.h, own)
		if err != nil || len(value) != n {
			o.Errorf("through the window: %d octets, %v", len(value), err)
			continue
		}
		if out, err := o.h.EncryptCBC(ctx, own, iv, plain); err != nil || !bytes.Equal(out, cbc(value, iv, plain)) {
			o.Errorf("%s: what the window shows is another key: %v", spec.Kind, err)
		}
	}
	key := o.key("blocks", hsm.Spec{Kind: hsm.AES128, Use: hsm.Encrypt})
	for _, bad := range [][2]int{{15, 16}, {16, 0}, {16, 17}, {0, 16}} {
		if _, err := o.h.EncryptCBC(ctx, key, make([]byte, bad[0]), make([]byte, bad[1])); err == nil {
			o.Errorf("an IV of %d and %d octets were accepted", bad[0], bad[1])
		}
	}
}

func sealing(o *one) {
	ctx, key := o.Context(), o.key("seal", hsm.Spec{Kind: hsm.AES256, Use: hsm.Seal})
	sealed, err := o.h.SealWith(ctx, key, []byte("state"), []byte("here"))
	if err != nil {
		o.Fatal(err)
	}
	again, err := o.h.SealWith(ctx, key, []byte("state"), []byte("here"))
	if err != nil || bytes.Equal(sealed, again) {
		o.Errorf("sealing twice gives the same octets: %v", err)
	}
	o.again()
	if plain, err := o.h.OpenWith(ctx, key, sealed, []byte("here")); err != nil || string(plain) != "state" {
		o.Errorf("after a restart: %q %v", plain, err)
	}
	_, err = o.h.OpenWith(ctx, key, sealed, []byte("there"))
	o.wants(err, hsm.ErrSealed, "in another place")
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		_, err := o.h.OpenWith(ctx, key, bad, []byte("here"))
		o.wants(err, hsm.ErrSealed, "changed")
		_, err = o.h.OpenWith(ctx, key, sealed[:i], []byte("here"))
		o.wants(err, hsm.ErrSealed, "cut")
	}
	other := o.key("other-seal", hsm.Spec{Kind: hsm.AES256, Use: hsm.Seal})
	_, err = o.h.OpenWith(ctx, other, sealed, []byte("here"))
	o.wants(err, hsm.ErrSealed, "with another key")
}

func envelope(o *one) {
	ctx, key := o.Context(), o.key("envelope", hsm.Spec{Kind: hsm.AES256, Use: hsm.Seal})
	e, stored, err := hsm.OpenEnvelope(ctx, o.h, key, nil)
	if err != nil {
		o.Fatal(err)
	}
	sealed, err := e.Seal([]byte("record"), []byte("bucket"))
	if err != nil {
		o.Fatal(err)
	}
	o.again()
	e, same, err := hsm.OpenEnvelope(ctx, o.h, key, stored)
	if err != nil || !bytes.Equal(stored, same) {
		o.Fatalf("after a restart: %v", err)
	}
	if plain, err := e.Open(sealed, []byte("bucket")); err != nil || string(plain) != "record" {
		o.Errorf("%q %v", plain, err)
	}
	_, err = e.Open(sealed, []byte("another"))
	o.wants(err, hsm.ErrSealed, "in another place")
	stored[len(stored)-1] ^= 1
	_, _, err = hsm.OpenEnvelope(ctx, o.h, key, stored)
	o.wants(err, hsm.ErrSealed, "an envelope that was changed")
}

// wrapping moves a key to another custody, which then encrypts as this one does.
func wrapping(o *one) {
	if o.suite.Second == nil {
		o.Skip("there is no second custody to move keys to")
	}
	ctx, peer := o.Context(), o.suite.Second(o.T)
	o.Cleanup(func() { _ = peer.Close() })
	spec := hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true}
	key, transport := o.key("moves", spec), o.transport(peer)
	to, err := peer.TransportKey(ctx, transport)
	if err != nil {
		o.Fatal(err)
	}
	text, err := to.MarshalBinary()
	if err != nil {
		o.Fatal(err)
	}
	if to, err = hsm.ParseTransportKey(text); err != nil {
		o.Fatal(err)
	}
	wrapped, err := o.h.Wrap(ctx, key, to)
	if err != nil {
		o.Fatal(err)
	}
	arrived := o.name("arrived")
	bad := bytes.Clone(wrapped)
	bad[len(bad)-1] ^= 1
	o.wants(peer.Unwrap(ctx, transport, bad, arrived, spec), hsm.ErrWrapped, "changed on the way")
	o.wants(peer.Unwrap(ctx, transport, wrapped, arrived, hsm.Spec{Kind: hsm.AES128, Use: hsm.Encrypt}), hsm.ErrWrapped, "of another size")
	_, err = peer.EncryptCBC(ctx, arrived, make([]byte, 16), make([]byte, 16))
	o.wants(err, hsm.ErrNoKey, "a key that was refused")
	if err := peer.Unwrap(ctx, transport, wrapped, arrived, spec); err != nil {
		o.Fatal(err)
	}
	o.Cleanup(func() { _ = peer.Destroy(o.after(), arrived) })
	o.wants(peer.Unwrap(ctx, transport, wrapped, arrived, spec), hsm.ErrExists, "a second time")
	iv, plain := make([]byte, 16), make([]byte, 64)
	here, err := o.h.EncryptCBC(ctx, key, iv, plain)
	if err != nil {
		o.Fatal(err)
	}
	if there, err := peer.EncryptCBC(ctx, arrived, iv, plain); err != nil || !bytes.Equal(here, there) {
		o.Errorf("the two custodies have different keys: %v", err)
	}
}

func unmovable(o *one) {
	ctx := o.Context()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		o.Fatal(err)
	}
	fixed := o.key("fixed", hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt})
	seal := o.key("sealing", hsm.Spec{Kind: hsm.AES256, Use: hsm.Seal})
	sign := o.key("signing", hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Sign})
	for _, form := range []hsm.OAEP{hsm.OAEPSHA256, hsm.OAEPSHA1} {
		to := hsm.TransportKey{Public: &private.PublicKey, OAEP: form}
		for _, key := range []string{fixed, seal, sign} {
			if out, err := o.h.Wrap(ctx, key, to); err == nil {
				o.Errorf("%s left, in %d octets", key, len(out))
			}
		}
	}
	movable := o.key("movable", hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true})
	for _, to := range []hsm.TransportKey{{}, {Public: &private.PublicKey}, {Public: &rsa.PublicKey{N: private.N, E: 3}, OAEP: hsm.OAEPSHA256}} {
		_, err := o.h.Wrap(ctx, movable, to)
		o.wants(err, hsm.ErrKey, "a bad transport key")
	}
}
