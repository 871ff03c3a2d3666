package ks

import (
	"slices"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
)

// Names of keys that no configuration chooses.
const (
	stateKey     = "state"     // seals the state at rest
	transportKey = "transport" // other key servers wrap KEKs under it
)

// transportBits is the size of transport keys: a KEK is a secret for as long as its messages are worth reading.
const transportBits = 3072

var transportSpec = hsm.Spec{Kind: hsm.RSAOf(transportBits), Use: hsm.Transport}

// tokenKeys are what a key server has in a token whatever its groups are.
func tokenKeys() []custody.Key {
	return []custody.Key{
		{Name: stateKey, Spec: hsm.Spec{Kind: hsm.AES256, Use: hsm.Seal}, For: "the state at rest"},
		{Name: transportKey, Spec: transportSpec, For: "KEKs from other key servers"},
	}
}

// signatureSpec is what the signature key of a group is made for.
func signatureSpec(k config.KEK) hsm.Spec {
	kind := hsm.RSAOf(k.SignatureBits)
	switch k.Signature {
	case suite.SignatureECDSA256:
		kind = hsm.P256
	case suite.SignatureECDSA384:
		kind = hsm.P384
	}
	return hsm.Spec{Kind: kind, Use: hsm.Sign}
}

// Keys lists those that the key server of a configuration has in its token, the signature keys of its groups last.
func Keys(c *config.KS) []custody.Key {
	out := tokenKeys()
	for i := range c.Groups {
		g := &c.Groups[i]
		if !slices.ContainsFunc(out, func(k custody.Key) bool { return k.Name == g.KEK.SignatureKey }) {
			out = append(out, custody.Key{Name: g.KEK.SignatureKey, Spec: signatureSpec(g.KEK), For: "signatures of group " + g.Name})
		}
	}
	return out
}
