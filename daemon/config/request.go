package config

import (
	"slices"

	"github.com/getvpn/getvpn/hsm"
)

// Request is what a configuration says of the keys of its certificates, before these have been issued: for whoever makes the
// keys and asks for the certificates.
type Request struct {
	Name, State string
	Custody     *Custody // nil: keys are in files
	Identity    Identity
	Keys        []hsm.URI // those of certificates.own that are in the custody
}

// LoadRequest reads the part of a configuration that LoadKS and LoadGM cannot read while there are no certificates. server is
// set for a key server's.
func LoadRequest(path string, server bool) (*Request, error) {
	r := new(Request)
	return r, load(path, new(Common), func(d *decoder, v *value) {
		part := d.part(v, "name", "state", "custody", "identity", "certificates")
		d.object(part,
			must("name", d.name(&r.Name)),
			must("state", d.path(&r.State)),
			opt("custody", func(v *value) { r.Custody = d.custody(v, server) }),
			must("identity", func(v *value) {
				i := &r.Identity
				d.object(v, opt("address", d.addresses(i)), opt("fqdn", d.str(&i.FQDN)), opt("email", d.str(&i.Email)), opt("dn", d.str(&i.DN)))
			}),
			opt("certificates", func(v *value) {
				d.object(d.part(v, "own"), opt("own", d.list(func(v *value) {
					var key hsm.URI
					d.object(d.part(v, "key"), opt("key", func(v *value) { d.tokenKey(&key, r.Custody)(v) }))
					if key.Object != "" {
						r.Keys = append(r.Keys, key)
					}
				})))
			}))
	})
}

// part is a mapping without all other keys.
func (d *decoder) part(v *value, keys ...string) *value {
	if v.kind != mapping {
		return v
	}
	p := *v
	p.pairs = nil
	for _, pair := range v.pairs {
		if slices.Contains(keys, pair.key.text) {
			p.pairs = append(p.pairs, pair)
		}
	}
	return &p
}
