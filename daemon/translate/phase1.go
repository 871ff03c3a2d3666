// Package translate is what both daemons need to go from configuration to machines, and from machines to consoles.
package translate

import (
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Phase1 translates what both daemons have in common.
func Phase1(c *config.Common, psk func(netip.Addr) *machine.Secret) ike1.Config {
	p := ike1.Config{Suites: slices.Concat(c.Phase1.Suites, c.Phase1.Allow), Lifetime: c.Phase1.Lifetime, DPDInterval: c.Phase1.DPD, PSK: psk}
	p.Local = c.Identity.ID()
	if c.Certificates == nil {
		return p
	}
	p.Trust, p.OmitFragmentation = c.Certificates.Trust, !c.Certificates.Fragmentation
	p.Credentials = Credentials(c.Certificates)
	return p
}

// Locals translates where a daemon speaks from.
func Locals(e config.Endpoints) (first, other netip.AddrPort) {
	if len(e) > 1 {
		other = e[1]
	}
	if len(e) > 0 {
		first = e[0]
	}
	return first, other
}

// Credentials translates our own certificates.
func Credentials(c *config.Certificates) (out []ike1.Credential) {
	for i := range c.Own {
		own := &c.Own[i]
		cred := ike1.Credential{Key: custody.KeyName(own), Method: own.Method, Subject: own.Chain[0].RawSubject}
		for _, cert := range own.Chain {
			cred.Chain, cred.Issuers = append(cred.Chain, cert.Raw), append(cred.Issuers, cert.RawIssuer)
		}
		out = append(out, cred)
	}
	return out
}
