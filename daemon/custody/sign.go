package custody

import (
	"context"
	"crypto"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
)

var schemes = map[machine.SignScheme]hsm.Scheme{
	machine.SignRSAPKCS1:    hsm.RSAPKCS1v15,
	machine.SignRSABare:     hsm.RSABare,
	machine.SignECDSAConcat: hsm.ECDSAConcat,
}

var hashes = map[machine.Hash]crypto.Hash{
	machine.SHA1: crypto.SHA1, machine.SHA256: crypto.SHA256, machine.SHA384: crypto.SHA384, machine.SHA512: crypto.SHA512,
}

// SignWith translates a Sign effect into a call of whoever has the key of that name.
func SignWith(ctx context.Context, h hsm.Signer, key string, s machine.Sign) ([]byte, error) {
	scheme, ok := schemes[s.Scheme]
	hash, known := hashes[s.Hash]
	if !ok || !known {
		return nil, fmt.Errorf("%w: scheme %d with hash %d", hsm.ErrUnsupported, s.Scheme, s.Hash)
	}
	return h.Sign(ctx, key, scheme, hash, s.Digest)
}
