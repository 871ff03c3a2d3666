package custody

import (
	"context"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
)

var schemes = map[machine.SignScheme]hsm.Scheme{
	machine.SignRSAPKCS1:    hsm.RSAPKCS1v15,
	machine.SignRSABare:     hsm.RSABare,
	machine.SignECDSAConcat: hsm.ECDSAConcat,
}

// SignWith translates a Sign effect into a call of whoever has the key of that name.
func SignWith(ctx context.Context, h hsm.Signer, key string, s machine.Sign) ([]byte, error) {
	scheme, ok := schemes[s.Scheme]
	if !ok || !suite.KnownHash(s.Hash) {
		return nil, fmt.Errorf("%w: scheme %d with hash %d", hsm.ErrUnsupported, s.Scheme, s.Hash)
	}
	return h.Sign(ctx, key, scheme, suite.HashStd(s.Hash), s.Digest)
}
