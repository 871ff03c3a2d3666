package ks

import (
	"context"
	"crypto"
	"fmt"

	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
)

var schemes = map[machine.SignScheme]hsm.Scheme{
	machine.SignRSAPKCS1: hsm.RSAPKCS1v15,
	machine.SignRSABare:  hsm.RSABare,

	machine.SignECDSAConcat: hsm.ECDSAConcat,
}

var hashes = map[machine.Hash]crypto.Hash{
	machine.SHA1: crypto.SHA1, machine.SHA256: crypto.SHA256, machine.SHA384: crypto.SHA384, machine.SHA512: crypto.SHA512,
}

// sign translates a Sign effect into a call of the custody; the keys of certificates are in files.
func sign(h hsm.Signer, certificates *custody.Keys) func(context.Context, machine.Sign) ([]byte, error) {
	return func(ctx context.Context, s machine.Sign) ([]byte, error) {
		if certificates.Has(s.Key) {
			return certificates.Sign(ctx, s)
		}
		scheme, ok := schemes[s.Scheme]
		hash, okh := hashes[s.Hash]
		if !ok || !okh {
			return nil, fmt.Errorf("%w: scheme %d with hash %d", hsm.ErrUnsupported, s.Scheme, s.Hash)
		}
		return h.Sign(ctx, s.Key, scheme, hash, s.Digest)
	}
}
