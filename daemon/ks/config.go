package ks

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
	"github.com/getvpn/getvpn/hsm"
)

// acks are the words of rekey.acknowledge.
var acks = map[string]push.AckType{"sha256": isakmp.AckKEKSHA256, "sha512": isakmp.AckKEKSHA512, "off": keyserver.AckNever}

// signatureKey is the key of the custody that signs for a group: after a rotation not the one in the configuration.
type signatureKey struct {
	name   string
	public []byte // DER
}

// nodeConfig translates the configuration. signer finds the signature key of a group. KEKs are in the custody where there is a
// transport key, whatever the configuration says: that takes a restart.
func nodeConfig(c *config.KS, local config.Endpoints, transport []byte, signer func(group string, k config.KEK) (signatureKey, error)) (node.KSConfig, error) {
	out := node.KSConfig{Phase1: translate.Phase1(&c.Common, psks(c.PSKs))}
	out.Local, out.Other = translate.Locals(local)
	if c.Certificates != nil && c.Certificates.RevokeRefuse {
		out.OnRevocation = node.RevokeRefuse
	}
	for i := range c.Groups {
		g := &c.Groups[i]
		sig, err := signer(g.Name, g.KEK)
		if err != nil {
			return out, fmt.Errorf("group %s: signature key %s: %w", g.Name, g.KEK.SignatureKey, err)
		}
		k := keyserver.Config{
			Name: g.Name, ID: gdoi.GroupID(g.ID.Octets), Authorise: g.Authorise, Policy: g.Policy, Mode: g.Mode,
			TEK: g.TEK.Suite, TEKLifetime: g.TEK.Lifetime, KEK: g.KEK.Suite, KEKLifetime: g.KEK.Lifetime,
			SignKey: sig.name, SignBase: g.KEK.SignatureKey, SignPublic: sig.public, SignHash: g.KEK.SignatureHash, SignForm: g.KEK.SignatureForm,
			ActivationDelay: g.Rekey.ActivationDelay, Retransmits: g.Rekey.Retransmits,
			SIDBits: g.SenderIDs.Bits, SIDFirst: uint64(g.SenderIDs.First), SIDCount: uint64(g.SenderIDs.Count),
		}
		k.AntiReplay = keyserver.AntiReplay{Window: g.AntiReplay.Time, Demand: g.AntiReplay.Drop}
		for _, s := range g.SAs {
			k.SAs = append(k.SAs, keyserver.SAConfig{Name: s.Name, Policy: s.Match, TEK: s.TEK.Suite, Lifetime: s.TEK.Lifetime, PerSelector: s.PerSelector})
		}
		k.Retransmit, k.Ack = g.Rekey.Retransmit, acks[g.Rekey.Acknowledge]
		if g.Rekey.Transport == "multicast" {
			k.Multicast = g.Rekey.Multicast.Address
		}
		k.Custody, k.Transport = transport != nil, transport
		if k.Retransmits == 0 {
			k.Retransmits = -1 // the machine's way to say never
		}
		out.Groups = append(out.Groups, k)
	}
	out.Coop = cooperation(c)
	return out, out.Validate()
}

// cooperation translates with whom the groups are shared; nil: with nobody.
func cooperation(c *config.KS) *node.Coop {
	if c.Cooperation == nil {
		return nil
	}
	o := &node.Coop{
		ID: c.Cooperation.ID, Split: c.Cooperation.Split, Priority: c.Cooperation.Priority, Timers: c.Cooperation.Timers,
		Priorities: map[string]int{}, Software: control.Version,
	}
	for i := range c.Groups {
		o.Priorities[c.Groups[i].Name] = c.Groups[i].Priority
	}
	for _, p := range c.Cooperation.Peers {
		o.Peers = append(o.Peers, node.CoopPeer{ID: p.ID, Addr: p.Address, Identity: p.Identity})
	}
	return o
}

// psks finds the most specific key of a peer.
func psks(list []config.PSK) func(netip.Addr) *machine.Secret {
	return func(peer netip.Addr) *machine.Secret {
		if k := config.PSKOf(list, peer); k != nil {
			return k.Secret
		}
		return nil
	}
}

// Check finds what is wrong with a configuration beyond what package config knows; it makes no keys.
func Check(c *config.KS) error {
	if err := custody.Loadable(c.Custody); err != nil {
		return err
	}
	var any standIns
	_, err := nodeConfig(c, c.Listen, nil, func(_ string, k config.KEK) (signatureKey, error) {
		der, err := any.of(k)
		return signatureKey{k.SignatureKey, der}, err
	})
	return err
}

// standIns are public keys for groups whose own is not there yet: whether a group is valid depends on the kind of its key, not
// on the key. Nobody signs with them.
type standIns map[hsm.Kind][]byte

func (s *standIns) of(k config.KEK) ([]byte, error) {
	kind := signatureSpec(k).Kind
	if der := (*s)[kind]; der != nil {
		return der, nil
	}
	var key crypto.Signer
	var err error
	switch kind {
	case hsm.P256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case hsm.P384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	default: // of any size
		key, err = rsa.GenerateKey(rand.Reader, suite.MinRSABits)
	}
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err == nil {
		if *s == nil {
			*s = standIns{}
		}
		(*s)[kind] = der
	}
	return der, err
}

// keyStore is what the key server needs of a custody.
type keyStore interface {
	hsm.Signer
	hsm.Maker
}

// publicKey makes sure that the key is there.
func publicKey(ctx context.Context, h keyStore, k config.KEK) ([]byte, error) {
	err := h.Ensure(ctx, k.SignatureKey, signatureSpec(k))
	if errors.Is(err, hsm.ErrKey) {
		return nil, fmt.Errorf("%w: %s", err, otherKey(k))
	}
	if err != nil {
		return nil, err
	}
	return knownKey(ctx, h, k)
}

// otherKey is what to do where the key of a name is of another kind.
func otherKey(k config.KEK) string {
	if k.Signature == suite.SignatureRSA {
		return "set signature and signature-bits to that, or name another key in signature-key"
	}
	return "set signature to that, or name another key in signature-key"
}

// knownKey is the public half of a key that is there, if it is of the kind that the configuration says.
func knownKey(ctx context.Context, h hsm.Signer, k config.KEK) ([]byte, error) {
	pub, err := h.Public(ctx, k.SignatureKey)
	if err != nil {
		return nil, err
	}
	key, err := suite.NewSignatureKey(pub)
	if err != nil {
		return nil, err
	}
	if key.Signature() != k.Signature {
		return nil, fmt.Errorf("%w: it is %v, and kek.signature says %v: %s", hsm.ErrKey, key, k.Signature, otherKey(k))
	}
	return x509.MarshalPKIXPublicKey(pub)
}
