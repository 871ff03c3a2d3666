package config

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/getvpn/getvpn/gdoi/suite"
)

// Ranges of times that an operator may set.
const (
	minLifetime = time.Second
	maxLifetime = 30 * 24 * time.Hour
	maxDPD      = time.Hour
)

// common sets the defaults of both daemons and returns the keys that they share. server is set on a key server, which can
// remove members, and makes keys.
func (d *decoder) common(c *Common, server bool) []field {
	c.Log = Log{Level: "info", Format: "auto"}
	c.Phase1 = Phase1{Suites: suite.DefaultPhase1(), Lifetime: 24 * time.Hour, DPD: 30 * time.Second}
	return []field{
		opt("custody", func(v *value) { c.Custody = d.custody(v, server) }), // before certificates, whose keys may be in it
		opt("certificates", func(v *value) { // before identity, which may be a certificate's
			c.Certificates = new(Certificates)
			d.certificates(v, c.Certificates, c.Custody, server)
		}),
		must("name", d.name(&c.Name)),
		must("control", d.path(&c.Control)),
		must("state", d.path(&c.State)),
		opt("log", func(v *value) {
			d.object(v,
				opt("level", d.oneOf(&c.Log.Level, "debug", "info", "warning", "error")),
				opt("format", d.oneOf(&c.Log.Format, "text", "json", "auto")))
		}),
		opt("phase1", func(v *value) { d.phase1(v, &c.Phase1) }),
		opt("metrics", func(v *value) {
			c.Metrics = new(Metrics)
			d.object(v, must("listen", d.metrics(c.Metrics)))
		}),
		must("identity", func(v *value) {
			i := &c.Identity
			d.object(v, opt("address", d.addresses(i)), opt("fqdn", d.str(&i.FQDN)), opt("email", d.str(&i.Email)), opt("dn", d.str(&i.DN)))
			n := 0
			for _, given := range []bool{i.Address.IsValid(), i.FQDN != "", i.Email != "", i.DN != ""} {
				if given {
					n++
				}
			}
			if v.kind == mapping && n != 1 {
				d.fail(v, "give one of address, fqdn, email and dn")
			}
		}),
	}
}

// addresses is the identity as one address, or one of each family.
func (d *decoder) addresses(i *Identity) func(*value) {
	return func(v *value) {
		var both []netip.Addr
		eachFamily(d, &both, (*decoder).addr, func(a netip.Addr) netip.Addr { return a })(v)
		if len(both) > 0 {
			i.Address = both[0]
		}
		if len(both) > 1 {
			i.Other = both[1]
		}
	}
}

// spokenFor: an identity that is an address must be the one that peers see (RFC 4945 §3.1.1), in each family that we speak.
func (d *decoder) spokenFor(v *value, i Identity, where Endpoints) {
	if !i.Address.IsValid() {
		return
	}
	for _, e := range where {
		own := i.Of(e.Addr())
		switch {
		case !own.IsValid():
			d.fail(v, "%s has no identity: identity.address is %s; write one address of each family, address: [10.0.0.1, 2001:db8::1], or fqdn", e.Addr(), i)
		case i.Other.IsValid() && !e.Addr().IsUnspecified() && own != e.Addr():
			d.fail(v, "identity.address has %s, and peers see %s; write the same", own, e.Addr())
		}
	}
}

// Of is the address of the identity in the family of a.
func (i Identity) Of(a netip.Addr) netip.Addr {
	for _, x := range []netip.Addr{i.Address, i.Other} {
		if x.IsValid() && x.Unmap().Is4() == a.Is4() {
			return x
		}
	}
	return netip.Addr{}
}

func (d *decoder) phase1(v *value, p *Phase1) {
	d.object(v,
		opt("allow-sha1", d.boolean(&p.AllowSHA1)), // before suites, which need it
		opt("suites", func(v *value) {
			var opts []suite.Option
			if p.AllowSHA1 {
				opts = append(opts, suite.AllowSHA1)
			}
			p.Suites, p.at = nil, v
			d.list(func(v *value) {
				var s suite.Phase1
				n := len(d.errs)
				word(d, &s, func(t string) (suite.Phase1, error) {
					if old, err := suite.ParseLegacyPhase1(t); err == nil {
						return old, fmt.Errorf("%s is for old peers alone and can be broken; write it under phase1.allow if you must", t)
					}
					return suite.ParsePhase1(t, opts...)
				})(v)
				if len(d.errs) == n {
					p.Suites = append(p.Suites, s)
				}
			})(v)
			if v.kind == sequence && len(v.items) == 0 {
				d.fail(v, "no suite; write one, as aes256-sha256-modp2048")
			}
		}),
		opt("allow", d.list(func(v *value) {
			var s suite.Phase1
			n := len(d.errs)
			if word(d, &s, suite.ParseLegacyPhase1)(v); len(d.errs) > n {
				return
			}
			p.Allow = append(p.Allow, s)
			d.warn(v, "phase1.allow: %s can be broken, and who breaks it has the group's keys; remove it when the last old peer is gone", s)
		})),
		opt("lifetime", d.seconds(&p.Lifetime, minLifetime, maxLifetime)),
		opt("dpd", d.duration(&p.DPD, 0, maxDPD)))
	if p.AllowSHA1 {
		d.warn(v, "allow-sha1: SHA-1 is allowed in phase 1; remove it when the last old peer is gone")
	}
}

// groupID is a number (4 octets, as existing products send it) or a string of octets.
func (d *decoder) groupID(into *GroupID) func(*value) {
	return func(v *value) {
		if v.kind == scalar && v.tag == "!!int" {
			n, err := strconv.ParseUint(v.text, 10, 32)
			if err != nil {
				d.fail(v, "%q is not a group number; use 0 to 4294967295, or quote it to make it a string", v.text)
				return
			}
			*into = GroupID{string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), v.text}
			return
		}
		d.name(&into.Text)(v)
		into.Octets = into.Text
	}
}

// uniqueGroups reports groups that share a name or an identity.
func (d *decoder) uniqueGroups(names map[string]bool, v *value, name string, id GroupID) {
	for _, key := range []string{"name " + name, "id " + id.Text} {
		if names[key] && name != "" {
			d.fail(v, "another group has %s too", key)
		}
		names[key] = true
	}
}
