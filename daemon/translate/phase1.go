// Package translate is what both daemons need to go from configuration to machines, and from machines to consoles.
package translate

import (
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// Phase1 translates what both daemons have in common.
func Phase1(c *config.Common, psk func(netip.Addr) *machine.Secret) ike1.Config {
	p := ike1.Config{Suites: slices.Concat(c.Phase1.Suites, c.Phase1.Allow), Lifetime: c.Phase1.Lifetime, DPDInterval: c.Phase1.DPD, PSK: psk}
	if c.Identity.FQDN != "" {
		p.Local = isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte(c.Identity.FQDN)}
	} else {
		p.Local = ike1.AddressID(c.Identity.Address)
	}
	return p
}
