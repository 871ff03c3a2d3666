package pull

import (
	"encoding/binary"
	"slices"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// MaxTrusted is how many keys Offer.Trusted may have: a verification costs a member time.
const MaxTrusted = 8

// trusted is GAPGetVPNTrusted.
func (o *Offer) trusted() isakmp.Attribute {
	b := []byte{}
	for _, der := range o.Trusted {
		b = binary.BigEndian.AppendUint16(b, uint16(len(der)))
		b = append(b, der...)
	}
	return isakmp.LongAttr(isakmp.GAPGetVPNTrusted, b)
}

// parseTrusted reads it. Each must be a key that could sign, since a member that cannot use one would miss what it signs.
func parseTrusted(b []byte) ([][]byte, error) {
	keys := [][]byte{}
	for len(b) > 0 {
		if len(keys) == MaxTrusted {
			return nil, malformed("more than %d trusted keys", MaxTrusted)
		}
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return nil, malformed("half a trusted key")
		}
		der := slices.Clone(b[2 : 2+binary.BigEndian.Uint16(b)])
		b = b[2+len(der):]
		if _, err := suite.ParseSignatureKey(der); err != nil {
			return nil, unsupported("trusted key: %w", err)
		}
		if slices.ContainsFunc(keys, func(k []byte) bool { return slices.Equal(k, der) }) {
			return nil, malformed("a trusted key twice")
		}
		keys = append(keys, der)
	}
	return keys, nil
}
