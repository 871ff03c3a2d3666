package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// rolloverParts is the least lifetime of a TEK in activation delays: the rollover itself takes four (a rekey is
// pushed that long before the end), and the next begins no earlier than the old key is gone.
const rolloverParts = 8

// Limits of rekeys: four activation delays must fit into the 16 bits of a GAP attribute (RFC 6407 §5.4), and repeats
// that are more than this many only add load.
const (
	maxActivationDelay = 4 * time.Hour
	maxRetransmits     = 10
)

func (d *decoder) ks(v *value, c *KS) {
	d.object(v, append(d.common(&c.Common, true),
		must("listen", func(v *value) {
			d.endpoints(&c.Listen)(v)
			for _, e := range c.Listen {
				if e.Addr().IsUnspecified() && !c.Identity.Address.IsValid() {
					d.fail(v, "listening on every address takes an identity.address, from which rekeys are sent")
					return
				}
			}
			d.spokenFor(v, c.Identity, c.Listen)
		}),
		opt("pre-shared-keys", d.psks(c)),
		opt("cooperation", func(v *value) { d.cooperation(v, c) }),
		opt("faults", func(v *value) { d.faults(v, c) }),
		must("groups", func(v *value) {
			seen := map[string]bool{}
			d.list(func(v *value) {
				g := d.ksGroup(v, c)
				if g.Rekey.Transport == "multicast" && slices.ContainsFunc(c.Listen, func(e netip.AddrPort) bool { return e.Addr().Is6() }) {
					d.fail(v, "group %s: rekeys by multicast are of IPv4, and a member that registers over IPv6 could not acknowledge them; listen on IPv4 alone, or write transport: unicast", g.Name)
				}
				d.uniqueGroups(seen, v, g.Name, g.ID)
				c.Groups = append(c.Groups, g)
			})(v)
			if v.kind == sequence && len(v.items) == 0 {
				d.fail(v, "no group")
			}
			d.lint(c)
		}))...)
	if v.kind != mapping {
		return
	}
	if len(c.PSKs) == 0 && c.Certificates == nil && !v.has("pre-shared-keys") {
		d.fail(v, "missing here: pre-shared-keys, or certificates")
	}
	d.authentication(v, &c.Common, len(c.PSKs) > 0)
}

func (d *decoder) psks(c *KS) func(*value) {
	return func(v *value) {
		seen := map[netip.Prefix]bool{}
		d.list(func(v *value) {
			var (
				p PSK
				s secretText
			)
			d.object(v, append(d.secretFields(&s), must("peer", d.prefix(&p.Peer)))...)
			if v.kind != mapping {
				return
			}
			if p.Secret = d.secret(v, s); p.Secret == nil || !p.Peer.IsValid() {
				return
			}
			if seen[p.Peer] {
				d.fail(v, "another key has peer %s too", p.Peer)
			}
			seen[p.Peer] = true
			c.PSKs = append(c.PSKs, p)
		})(v)
		slices.SortStableFunc(c.PSKs, func(a, b PSK) int {
			return cmp.Or(-cmp.Compare(a.Peer.Bits(), b.Peer.Bits()), a.Peer.Addr().Compare(b.Peer.Addr()))
		})
	}
}

// PSKOf is the pre-shared key of a peer in a list of which the most specific prefix comes first; nil: it has none.
func PSKOf(list []PSK, peer netip.Addr) *PSK {
	for i := range list {
		if list[i].Peer.Contains(peer.Unmap()) {
			return &list[i]
		}
	}
	return nil
}

func (d *decoder) ksGroup(v *value, c *KS) KSGroup {
	g := KSGroup{
		TEK:       TEK{Suite: suite.ESPAES256GCM16, Lifetime: time.Hour},
		KEK:       defaultKEK(),
		Rekey:     defaultRekey(),
		SenderIDs: SenderIDs{Bits: 24},
	}
	var tekAt, policyAt, sasAt, priorityAt *value
	d.object(v,
		must("name", d.name(&g.Name)),
		must("id", d.groupID(&g.ID)),
		must("authorise", d.list(func(v *value) {
			var r policy.AuthRule
			d.object(v, opt("address", d.prefix(&r.Prefix)), opt("identity", d.str(&r.ID)), opt("certificate", func(v *value) {
				d.object(v, opt("subject", d.str(&r.Cert.Subject)), opt("issuer", d.str(&r.Cert.Issuer)), opt("o", d.str(&r.Cert.O)),
					opt("ou", d.str(&r.Cert.OU)), opt("cn", d.str(&r.Cert.CN)), opt("san", d.str(&r.Cert.SAN)))
				if v.kind == mapping && len(v.pairs) == 0 {
					d.fail(v, "say what the certificate must have: subject, issuer, o, ou, cn or san")
				}
			}))
			if v.kind == mapping && len(v.pairs) == 0 {
				d.fail(v, "give address, identity or certificate, or several of them")
			}
			g.Authorise = append(g.Authorise, r)
		})),
		opt("policy", func(v *value) { policyAt = v; d.rules(&g.Policy)(v) }),
		opt("tek", func(v *value) { tekAt = v; d.tek(v, &g.TEK) }),
		opt("sas", func(v *value) { sasAt = v }), // when the rest is known
		opt("mode", word(d, &g.Mode, gdoi.ParseMode)),
		opt("kek", func(v *value) { d.kek(v, &g.KEK) }),
		opt("rekey", func(v *value) { d.rekey(v, &g.Rekey) }),
		opt("anti-replay", func(v *value) { d.antiReplay(v, &g.AntiReplay) }),
		opt("sender-ids", func(v *value) { d.senderIDs(v, &g.SenderIDs) }),
		opt("priority", func(v *value) { priorityAt = v; d.integer(&g.Priority, 1, node.MaxPriority)(v) }))
	g.KEK.nameKey(g.Name)
	if tekAt == nil {
		tekAt = v
	}
	d.checkTime(v, &g)
	d.cooperative(v, c, &g, priorityAt)
	switch {
	case policyAt != nil && sasAt != nil:
		d.fail(sasAt, "the group has a policy too; write its rules into the match of one of the sas")
	case sasAt != nil:
		d.sas(sasAt, &g)
	case policyAt != nil:
		d.lifetimes(tekAt, &g, g.TEK)
		d.accessList(&g, policyAt, "", g.Policy, g.TEK.Suite)
	case v.kind == mapping:
		d.fail(v, "missing policy, or sas")
	}
	return g
}

// faults are for labs: what they do to a key server is what a broken disk or token does.
func (d *decoder) faults(v *value, c *KS) {
	f := &c.Faults
	token := func(key string, set func(*value)) field {
		return opt(key, func(v *value) {
			if set(v); c.Custody == nil || c.Custody.Files {
				d.fail(v, "%s has no effect: custody: names no token", key)
			}
		})
	}
	d.object(v, opt("store-delay", d.duration(&f.StoreDelay, 0, time.Minute)), opt("store-fails", d.boolean(&f.StoreFails)),
		token("token-delay", d.duration(&f.TokenDelay, 0, time.Minute)), token("token-gone", d.boolean(&f.TokenGone)), token("token-full", d.boolean(&f.TokenFull)))
	if *f != (Faults{}) {
		d.warn(v, "faults are put in on purpose: %s; this is for a lab", f)
	}
}

func (d *decoder) tek(v *value, t *TEK) {
	d.object(v,
		opt("suite", d.tekSuite(&t.Suite)),
		opt("lifetime", d.seconds(&t.Lifetime, minLifetime, maxLifetime)))
}

// lifetimes checks how long the TEKs of an SA live.
func (d *decoder) lifetimes(at *value, g *KSGroup, t TEK) {
	if min(t.Lifetime, g.KEK.Lifetime, g.Rekey.ActivationDelay) == unread {
		return
	}
	if least := rolloverParts * g.Rekey.ActivationDelay; t.Lifetime < least {
		d.fail(at, "the TEK lifetime %s is too short for an activation delay of %s; use at least %s, or a shorter rekey.activation-delay",
			short(t.Lifetime), short(g.Rekey.ActivationDelay), short(least))
	}
	if g.KEK.Lifetime < max(t.Lifetime, rolloverParts*g.Rekey.ActivationDelay) {
		d.fail(at, "the KEK lifetime %s is shorter than the TEK's (%s); make kek.lifetime longer", short(g.KEK.Lifetime), short(t.Lifetime))
	}
}

// sas reads the SAs of a group. What one does not say about its TEKs is that of the group.
func (d *decoder) sas(v *value, g *KSGroup) {
	names := map[string]bool{}
	d.list(func(v *value) {
		s := SA{TEK: g.TEK}
		spi := "shared"
		at := v
		var match *value
		d.object(v,
			must("name", d.name(&s.Name)),
			must("match", func(v *value) { match = v; d.rules(&s.Match)(v) }),
			opt("tek", func(v *value) { at = v; d.tek(v, &s.TEK) }),
			opt("spi", d.oneOf(&spi, "shared", "per-selector")))
		if v.kind != mapping {
			return
		}
		if names[s.Name] {
			d.fail(v, "another SA has the name %s", s.Name)
		}
		names[s.Name] = true
		s.PerSelector = spi == "per-selector"
		d.lifetimes(at, g, s.TEK)
		if match != nil {
			d.accessList(g, match, s.Name, s.Match, s.TEK.Suite)
		}
		g.SAs = append(g.SAs, s)
	})(v)
	if v.kind == sequence && len(v.items) == 0 {
		d.fail(v, "no SA")
	}
}

// tekSuite decodes the name of a suite, and says what its weakness is: naming it is what allows it.
func (d *decoder) tekSuite(into *suite.ESP) func(*value) {
	return func(v *value) {
		word(d, into, suite.ParseESP)(v)
		if w := into.Warning(); w != "" && v.text == into.String() {
			d.warn(v, "%s: %s", *into, w)
		}
	}
}

func (d *decoder) senderIDs(v *value, s *SenderIDs) {
	first, count := 0, 0
	var kssids []int
	d.object(v,
		opt("bits", word(d, &s.Bits, func(t string) (int, error) {
			switch t {
			case "8", "12", "16", "24":
				return strconv.Atoi(t)
			}
			return 0, fmt.Errorf("%q is not a width of sender ids; use 8, 12, 16 or 24", t)
		})),
		opt("first", d.integer(&first, 0, 1<<24-1)),
		opt("count", d.integer(&count, 0, 1<<24)),
		opt("kssid-bits", d.integer(&s.KSSIDBits, 1, 9)),
		opt("kssids", d.list(func(v *value) {
			n := 0
			d.integer(&n, 0, 511)(v)
			kssids = append(kssids, n)
		})))
	if s.KSSIDBits > 0 || kssids != nil {
		d.kssids(v, s, kssids, first, count)
		return
	}
	if space := 1 << s.Bits; first >= space || first+count > space {
		d.fail(v, "sender ids %d to %d do not fit into %d bits", first, max(first, first+count-1), s.Bits)
	}
	s.First, s.Count = uint32(first), uint32(count)
}

// kssids turns the key server's part of the space into a range: the high bits of an id name the key server that gave it.
// Every key server of a group has other values, so that no two give the same id (RFC 6054 §4).
func (d *decoder) kssids(v *value, s *SenderIDs, kssids []int, first, count int) {
	switch {
	case s.KSSIDBits == 0 || kssids == nil:
		d.fail(v, "kssid-bits and kssids belong together: how many high bits name the key server, and which values this one has")
		return
	case first != 0 || count != 0:
		d.fail(v, "first and count follow from kssid-bits and kssids; leave them out")
		return
	case s.KSSIDBits >= s.Bits:
		d.fail(v, "kssid-bits %d leave nothing of %d bits for the members", s.KSSIDBits, s.Bits)
		return
	}
	for i, k := range kssids {
		if k>>s.KSSIDBits != 0 {
			d.fail(v, "kssid %d does not fit into %d bits", k, s.KSSIDBits)
			return
		}
		if i > 0 && k != kssids[i-1]+1 {
			d.fail(v, "kssids must be consecutive, as in [2, 3]: %d follows %d", k, kssids[i-1])
			return
		}
	}
	if len(kssids) == 0 {
		d.fail(v, "kssids is empty; give this key server at least one value")
		return
	}
	each := s.Bits - s.KSSIDBits
	s.First, s.Count = uint32(kssids[0])<<each, uint32(len(kssids))<<each
}
