package ks

import (
	"slices"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
)

// Key is a key that a configuration names.
type Key struct {
	Name string
	Spec hsm.Spec
	For  string // what it is for, in words
}

// Names of keys that no configuration chooses.
const (
	stateKey     = "state"     // seals the state at rest
	transportKey = "transport" // other key servers wrap KEKs under it
)

// transportBits is the size of transport keys: a KEK is a secret for as long as its messages are worth reading.
const transportBits = 3072

// tokenKeys are what a key server has in a token whatever its groups are.
func tokenKeys() []Key {
	return []Key{
		{stateKey, hsm.Spec{Kind: hsm.AES256, Use: hsm.Seal}, "the state at rest"},
		{transportKey, hsm.Spec{Kind: hsm.RSAOf(transportBits), Use: hsm.Transport}, "KEKs from other key servers"},
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
func Keys(c *config.KS) []Key {
	out := tokenKeys()
	for i := range c.Groups {
		g := &c.Groups[i]
		if !slices.ContainsFunc(out, func(k Key) bool { return k.Name == g.KEK.SignatureKey }) {
			out = append(out, Key{g.KEK.SignatureKey, signatureSpec(g.KEK), "signatures of group " + g.Name})
		}
	}
	return out
}
