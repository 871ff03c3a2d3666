package config

import (
	"fmt"
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

// common sets the defaults of both daemons and returns the keys that they share. revocation is set where members can
// be removed, on a key server.
func (d *decoder) common(c *Common, revocation bool) []field {
	c.Log = Log{Level: "info", Format: "auto"}
	c.Phase1 = Phase1{Suites: suite.DefaultPhase1(), Lifetime: 24 * time.Hour, DPD: 30 * time.Second}
	return []field{
		opt("certificates", func(v *value) { // before identity, which may be a certificate's
			c.Certificates = new(Certificates)
			d.certificates(v, c.Certificates, revocation)
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
		must("identity", func(v *value) {
			i := &c.Identity
			d.object(v, opt("address", d.addr(&i.Address)), opt("fqdn", d.str(&i.FQDN)), opt("email", d.str(&i.Email)), opt("dn", d.str(&i.DN)))
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
