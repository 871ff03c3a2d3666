package ks

import (
	"context"

	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
)

// sign translates a Sign effect into a call of the custody; the keys of certificates have names of their own.
func sign(h hsm.Signer, certificates *custody.Keys) func(context.Context, machine.Sign) ([]byte, error) {
	return func(ctx context.Context, s machine.Sign) ([]byte, error) {
		if certificates.Has(s.Key) {
			return certificates.Sign(ctx, s)
		}
		return custody.SignWith(ctx, h, s.Key, s)
	}
}
