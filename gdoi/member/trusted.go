package member

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// trust takes the keys that sign rekeys from an offer. A PULL says all of them; a PUSH, signed by signer, all or nothing.
// The key that comes with a KEK counts as well: it is that of the key server that answered, whoever made the KEK. What a KEK
// first came with signs under it until it ends; so a key that is to be trusted no more goes with a new KEK.
func (g *Group) trust(o *pull.Offer, signer *suite.SignatureKey) {
	var named []*suite.SignatureKey
	for _, der := range o.Trusted {
		// They were read before, when the offer was parsed.
		if pub, err := suite.ParseSignatureKey(der); err == nil && len(named) < pull.MaxTrusted {
			named = append(named, pub)
		}
	}
	if o.KEK != nil {
		if pub, err := suite.ParseSignatureKey(o.KEK.SigKeyDER); err == nil {
			named = append(named, pub)
		}
	}
	if signer != nil {
		g.sees(signer)
		named = append(named, signer)
		if o.Trusted == nil {
			named = append(slices.Clone(g.trusted), named...)
		}
	}
	var all []*suite.SignatureKey
	for _, pub := range named {
		if !slices.ContainsFunc(all, func(k *suite.SignatureKey) bool { return k.Equal(pub) }) {
			all = append(all, pub)
		}
	}
	// The last ones are the latest.
	g.trusted = all[max(0, len(all)-maxTrusted):]
	g.shareTrust()
	maps.DeleteFunc(g.seen, func(der string, _ netip.AddrPort) bool {
		return !slices.ContainsFunc(g.trusted, func(k *suite.SignatureKey) bool { return string(k.DER()) == der })
	})
}

// sees notes who signed the last rekey; operators ask.
func (g *Group) sees(k *suite.SignatureKey) {
	if g.seen == nil {
		g.seen = map[string]netip.AddrPort{}
	}
	g.seen[string(k.DER())] = g.rekeyedBy
}

// maxTrusted bounds what a member tries on one datagram: the named ones, that of the KEK, and the signer's.
const maxTrusted = pull.MaxTrusted + 2

// shareTrust has every KEK accept the keys that are trusted.
func (g *Group) shareTrust() {
	for _, k := range g.keks {
		k.receiver.Key().Trusted = g.trusted
	}
}
