//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/wipe"
)

// EncryptCBC implements hsm.Encrypter.
func (t *Token) EncryptCBC(ctx context.Context, name string, iv, plain []byte) ([]byte, error) {
	if err := hsm.CheckCBC(iv, plain); err != nil {
		return nil, err
	}
	if err := t.usable(mechCBC); err != nil {
		return nil, err
	}
	iv, plain = bytes.Clone(iv), copied(plain)
	return runFor(ctx, t, t.opt.Timeout, "encryption with "+name, func(w *work) ([]byte, error) {
		o, err := w.key(name, hsm.Encrypt)
		if err != nil {
			return nil, err
		}
		return w.cbc(o.handle, iv, plain)
	}, func() { clear(plain) })
}

// copied is a copy of what is secret, which a call that was given up may read later; none is left in registers.
func copied(plain []byte) (out []byte) {
	wipe.After(func() { out = bytes.Clone(plain) })
	return out
}

func (w *work) cbc(key p11.ObjectHandle, iv, plain []byte) ([]byte, error) {
	if err := w.api.do("C_EncryptInit", func() error { return w.api.EncryptInit(w.s, mech(p11.CKM_AES_CBC, iv), key) }); err != nil {
		return nil, err
	}
	return get(w.api, "C_Encrypt", func() ([]byte, error) { return w.api.Encrypt(w.s, plain) })
}

// What is sealed is version | nonce | ciphertext | tag, AES-256-GCM (NIST SP 800-38D). Nonces are random, so a key seals
// few things: the data keys of envelopes, not records.
const (
	sealVersion = 2 // 1 is hsm.SealBox
	nonceLen    = 12
	tagLen      = 16
)

// SealWith implements hsm.Vault.
func (t *Token) SealWith(ctx context.Context, name string, plain, aad []byte) ([]byte, error) {
	if err := t.usable(mechGCM); err != nil {
		return nil, err
	}
	plain, aad = copied(plain), bytes.Clone(aad)
	return runFor(ctx, t, t.opt.Timeout, "sealing with "+name, func(w *work) ([]byte, error) {
		o, err := w.key(name, hsm.Seal)
		if err != nil {
			return nil, err
		}
		nonce, err := w.random(nonceLen)
		if err != nil {
			return nil, err
		}
		nonce, box, err := w.gcmSeal(o.handle, nonce, plain, aad)
		if err != nil {
			return nil, err
		}
		return append(append([]byte{sealVersion}, nonce...), box...), nil
	}, func() { clear(plain) })
}

// gcmSeal returns the nonce too, since some tokens choose their own.
func (w *work) gcmSeal(key p11.ObjectHandle, nonce, plain, aad []byte) (used, box []byte, err error) {
	params := p11.NewGCMParams(nonce, aad, tagLen*8)
	defer params.Free()
	if err := w.api.do("C_EncryptInit", func() error { return w.api.EncryptInit(w.s, mech(p11.CKM_AES_GCM, params), key) }); err != nil {
		return nil, nil, err
	}
	box, err = get(w.api, "C_Encrypt", func() ([]byte, error) { return w.api.Encrypt(w.s, plain) })
	if err != nil {
		return nil, nil, err
	}
	if used = params.IV(); len(used) != nonceLen {
		return nil, nil, fmt.Errorf("%w: the token chose a nonce of %d octets", hsm.ErrUnsupported, len(used))
	}
	return used, box, nil
}

// OpenWith implements hsm.Vault.
func (t *Token) OpenWith(ctx context.Context, name string, sealed, aad []byte) ([]byte, error) {
	if err := t.usable(mechGCM); err != nil {
		return nil, err
	}
	if len(sealed) < 1+nonceLen+tagLen || sealed[0] != sealVersion {
		return nil, fmt.Errorf("%w: not the format of this version", hsm.ErrSealed)
	}
	sealed, aad = bytes.Clone(sealed[1:]), bytes.Clone(aad)
	return run(ctx, t, "opening with "+name, func(w *work) ([]byte, error) {
		o, err := w.key(name, hsm.Seal)
		if err != nil {
			return nil, err
		}
		plain, err := w.gcmOpen(o.handle, sealed[:nonceLen], sealed[nonceLen:], aad)
		if err == nil {
			return plain, nil
		}
		if lost := w.lostBy(err); lost != nil {
			return nil, lost
		}
		return nil, fmt.Errorf("%w: it was changed, or sealed with another key (%s)", hsm.ErrSealed, err.Error())
	})
}

func (w *work) gcmOpen(key p11.ObjectHandle, nonce, box, aad []byte) ([]byte, error) {
	params := p11.NewGCMParams(nonce, aad, tagLen*8)
	defer params.Free()
	if err := w.api.do("C_DecryptInit", func() error { return w.api.DecryptInit(w.s, mech(p11.CKM_AES_GCM, params), key) }); err != nil {
		return nil, err
	}
	return get(w.api, "C_Decrypt", func() ([]byte, error) { return w.api.Decrypt(w.s, box) })
}

// maxRandom bounds one call.
const maxRandom = 1 << 16

// Random implements hsm.Random.
func (t *Token) Random(ctx context.Context, n int) ([]byte, error) {
	if n < 0 || n > maxRandom {
		return nil, fmt.Errorf("hsm/pkcs11: %d random octets in one call", n)
	}
	return run(ctx, t, "random octets", func(w *work) ([]byte, error) { return w.random(n) })
}

func (w *work) random(n int) ([]byte, error) {
	if n == 0 {
		return []byte{}, nil
	}
	out, err := get(w.api, "C_GenerateRandom", func() ([]byte, error) { return w.api.GenerateRandom(w.s, n) })
	if err == nil && len(out) != n {
		return nil, fmt.Errorf("hsm/pkcs11: the token gave %d random octets instead of %d", len(out), n)
	}
	return out, err
}
