//go:build cgo

package pkcs11

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// maxInventory bounds what is listed of a token that others fill too.
const maxInventory = 1000

// Inventory implements hsm.Informer. It reads attributes, never values.
func (t *Token) Inventory(ctx context.Context) ([]hsm.KeyInfo, error) {
	return run(ctx, t, "inventory", func(w *work) ([]hsm.KeyInfo, error) {
		var out []hsm.KeyInfo
		for _, class := range []uint{p11.CKO_PRIVATE_KEY, p11.CKO_SECRET_KEY} {
			handles, err := w.api.find(w.s, maxInventory, attr(p11.CKA_CLASS, class), attr(p11.CKA_TOKEN, true))
			if err != nil {
				return nil, err
			}
			for _, h := range handles {
				k, err := w.entry(h, class)
				if err != nil {
					return nil, err
				}
				out = append(out, k)
			}
		}
		if len(out) == 0 {
			if err := w.there(); err != nil {
				return nil, err
			}
		}
		slices.SortFunc(out, func(a, b hsm.KeyInfo) int {
			return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.URI, b.URI))
		})
		return out, nil
	})
}

func (w *work) entry(h p11.ObjectHandle, class uint) (hsm.KeyInfo, error) {
	v, err := w.api.attrs(w.s, h, p11.CKA_LABEL, p11.CKA_ID)
	if err != nil {
		return hsm.KeyInfo{}, err
	}
	u := w.uri
	u.Object, u.ID, u.Type = strings.ToValidUTF8(string(v[0]), "?"), v[1], "private"
	if class == p11.CKO_SECRET_KEY {
		u.Type = "secret-key"
	}
	k := hsm.KeyInfo{Name: u.Object, URI: u.String()}
	o, err := w.describe(h, class)
	if err == nil && class == p11.CKO_PRIVATE_KEY {
		_, o.spec.Kind, err = w.public(hsm.URI{Object: u.Object}, o.id)
	}
	if err == nil {
		err = o.spec.Check()
	}
	switch {
	case err == nil:
		k.Spec, k.Born = o.spec, o.born
	case errors.Is(err, hsm.ErrKey) || errors.Is(err, hsm.ErrUnsupported):
		k.Problem = err.Error()
	default:
		return k, err
	}
	return k, nil
}
