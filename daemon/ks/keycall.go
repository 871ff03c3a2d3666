package ks

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
)

// kekCustody carries out the calls of machines that have their KEKs in a custody.
type kekCustody struct {
	h      hsm.Token
	window func() (*hsm.Window, error) // KEKs are seen through it, for the registrations that carry them
}

func newKEKCustody(h hsm.Token) *kekCustody {
	return &kekCustody{h: h, window: sync.OnceValues(hsm.NewWindow)}
}

// kekSpec is what a KEK of so many bits is made for.
func kekSpec(bits int) hsm.Spec {
	return hsm.Spec{Kind: hsm.AESOf(bits / 8), Use: hsm.Encrypt, Movable: true}
}

// call is loop.Config.Keys. What it returns is not copied on the way.
func (k *kekCustody) call(ctx context.Context, c machine.KeyCall) ([]byte, error) {
	data, err := k.do(ctx, c)
	if errors.Is(err, hsm.ErrNoKey) {
		err = fmt.Errorf("%w: %w", machine.ErrNoKey, err)
	}
	return data, err
}

func (k *kekCustody) do(ctx context.Context, c machine.KeyCall) ([]byte, error) {
	switch c.Op {
	case machine.KeyGenerate:
		return nil, k.h.Ensure(ctx, c.Key, kekSpec(c.Bits))
	case machine.KeyReveal:
		w, err := k.window()
		if err != nil {
			return nil, err
		}
		return w.Reveal(ctx, k.h, c.Key)
	case machine.KeyEncrypt:
		return k.h.EncryptCBC(ctx, c.Key, c.IV, c.Data)
	case machine.KeyWrap:
		to, err := hsm.ParseTransportKey(c.To)
		if err != nil {
			return nil, err
		}
		return k.h.Wrap(ctx, c.Key, to)
	case machine.KeyUnwrap:
		err := k.h.Unwrap(ctx, transportKey, c.Data, c.Key, kekSpec(c.Bits))
		if errors.Is(err, hsm.ErrExists) {
			err = nil
		}
		return nil, err
	case machine.KeyDestroy:
		err := k.h.Destroy(ctx, c.Key)
		if errors.Is(err, hsm.ErrNoKey) {
			err = nil
		}
		return nil, err
	}
	return nil, fmt.Errorf("%w: operation %d", hsm.ErrUnsupported, c.Op)
}

// ensureTransport makes sure that other key servers can wrap KEKs for this one, and returns what they need for that.
func ensureTransport(ctx context.Context, h hsm.Token) ([]byte, error) {
	err := h.Ensure(ctx, transportKey, transportSpec)
	var t hsm.TransportKey
	if err == nil {
		t, err = h.TransportKey(ctx, transportKey)
	}
	if err != nil {
		err = fmt.Errorf("the key %q, under which other key servers wrap KEKs: %w", transportKey, err)
	}
	if errors.Is(err, hsm.ErrUnsupported) {
		err = fmt.Errorf("%w; for a token that has no RSA-OAEP but with SHA-1 (SoftHSM) write custody.allow-oaep-sha1: true", err)
	}
	if err != nil {
		return nil, err
	}
	return t.MarshalBinary()
}
