package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Ranges of what an operator may set on a member.
const (
	minMTU        = 576
	maxMTU        = 65535
	minWindow     = 64
	maxWindow     = 65536
	defaultWindow = 1024
	maxWorkers    = 64
	maxIfName     = 15 // IFNAMSIZ less the zero
)

func (d *decoder) gm(v *value, c *GM) {
	c.OnExit = "remove"
	c.Interfaces = Interfaces{TUN: "gv0", DataPath: DataPathAuto, Fragmentation: FragmentBefore, DFBit: DFCopy}
	d.object(v, append(d.common(&c.Common, false),
		must("local", func(v *value) {
			d.endpoints(&c.Local)(v)
			for _, e := range c.Local {
				if e.Addr().IsUnspecified() {
					d.fail(v, "name one address: it is what key servers know this member by")
					return
				}
			}
			d.spokenFor(v, c.Identity, c.Local)
		}),
		must("interfaces", func(v *value) {
			d.object(v,
				opt("lan", d.list(func(v *value) {
					var name string
					d.ifname(&name)(v)
					c.Interfaces.LAN = append(c.Interfaces.LAN, name)
				})),
				must("wan", d.ifname(&c.Interfaces.WAN)),
				opt("tun", d.ifname(&c.Interfaces.TUN)),
				opt("mtu", d.integer(&c.Interfaces.MTU, minMTU, maxMTU)),
				opt("data-path", d.oneOf(&c.Interfaces.DataPath, DataPathAuto, DataPathXDP, DataPathPacket, DataPathRaw, DataPathWater)),
				opt("workers", d.integer(&c.Interfaces.Workers, 1, maxWorkers)),
				opt("fragmentation", d.oneOf(&c.Interfaces.Fragmentation, FragmentBefore, FragmentAfter, FragmentNever)),
				opt("df-bit", d.oneOf(&c.Interfaces.DFBit, DFCopy, DFClear, DFSet)))
			if c.Interfaces.Fragmentation == FragmentAfter && c.Interfaces.DFBit == DFSet {
				d.fail(v, "df-bit: set forbids what fragmentation: after wants, to cut ESP packets; use fragmentation: before, or df-bit: copy or clear")
			}
			if c.Interfaces.DataPath == DataPathWater && c.Interfaces.Workers > 1 {
				d.fail(v, "data-path: water has one worker, not %d: its TUN has one queue; leave out workers, or use another data-path", c.Interfaces.Workers)
			}
		}),
		opt("on-exit", d.oneOf(&c.OnExit, "remove", "keep")),
		must("groups", func(v *value) {
			seen := map[string]bool{}
			d.list(func(v *value) {
				g := d.gmGroup(v, c)
				d.sameSecrets(v, c.Groups, g)
				d.uniqueGroups(seen, v, g.Name, g.ID)
				d.overlaps(v, c.Groups, g)
				c.Groups = append(c.Groups, g)
			})(v)
			if v.kind == sequence && len(v.items) == 0 {
				d.fail(v, "no group")
			}
		}))...)
	if c.Custody != nil && !c.Certificates.InToken() {
		d.warn(v, "custody is not used: what a member keeps in a token are keys of certificates; write certificates: {own: [{file: PATH, key: 'pkcs11:object=LABEL'}]}, or remove it")
	}
	psk := false
	for _, g := range c.Groups {
		for _, k := range g.KeyServers {
			psk = psk || k.Secret != nil
		}
	}
	if v.kind == mapping {
		d.authentication(v, &c.Common, psk)
	}
}

func (d *decoder) ifname(into *string) func(*value) {
	return func(v *value) {
		d.name(into)(v)
		if len(*into) > maxIfName {
			d.fail(v, "%q is longer than an interface name can be (%d)", *into, maxIfName)
		}
	}
}

func (d *decoder) gmGroup(v *value, c *GM) GMGroup {
	g := GMGroup{ReplayWindow: defaultWindow}
	fail, order := "closed", "listed"
	d.object(v,
		must("name", d.name(&g.Name)),
		must("id", d.groupID(&g.ID)),
		must("key-servers", func(v *value) {
			d.list(func(v *value) {
				var (
					k KeyServer
					s secretText
				)
				d.object(v, append(d.secretFields(&s), must("address", d.endpoint(&k.Address)), opt("preferred", d.boolean(&k.Preferred)))...)
				if v.kind == mapping && (s.at != nil || c.Certificates == nil) {
					k.Secret = d.secret(v, s)
				}
				if a := k.Address.Addr(); a.IsValid() && len(c.Local) > 0 && !c.Local.Of(a).IsValid() {
					d.fail(v, "key server %s cannot be reached from %s; write an address of its family too, local: [10.1.0.1, 2001:db8:1::1], and in identity.address", a, c.Local)
				}
				if slices.ContainsFunc(g.KeyServers, func(o KeyServer) bool { return k.Address.IsValid() && o.Address == k.Address }) {
					d.fail(v, "key server %s is listed twice", k.Address)
				}
				g.KeyServers = append(g.KeyServers, k)
			})(v)
			if v.kind == sequence && len(v.items) == 0 {
				d.fail(v, "no key server")
			}
		}),
		opt("key-server-order", d.oneOf(&order, "listed", "spread")),
		opt("fail", d.oneOf(&fail, "closed", "open")),
		opt("mode", func(v *value) {
			g.Mode = new(gdoi.Mode)
			word(d, g.Mode, gdoi.ParseMode)(v)
		}),
		opt("clear", func(v *value) {
			d.rules(&g.Clear)(v)
			for _, i := range v.items {
				g.ClearLines = append(g.ClearLines, i.line)
			}
			for i, r := range g.Clear {
				if r.Action != policy.Deny && i < len(v.items) {
					d.fail(v.items[min(i, len(v.items)-1)], "%s: only deny rules may be local; a permit belongs into the group's policy on the key server", r)
				}
			}
		}),
		opt("suites", func(v *value) {
			d.list(func(v *value) {
				var e suite.ESP
				d.tekSuite(&e)(v)
				g.Suites = append(g.Suites, e)
			})(v)
			if v.kind == sequence && len(v.items) == 0 {
				d.fail(v, "no suite: leave it out for all modern ones")
			}
		}),
		opt("destination-only", func(v *value) {
			if d.boolean(&g.DestinationOnly)(v); g.DestinationOnly {
				d.warn(v, "destination-only: what members of old key servers send with their gateways' addresses as source is dropped here")
			}
		}),
		opt("replay-window", word(d, &g.ReplayWindow, func(t string) (int, error) {
			n, err := strconv.Atoi(t)
			if err != nil || n < minWindow || n > maxWindow || n&(n-1) != 0 {
				return 0, fmt.Errorf("%q is not a window; use a power of two from %d to %d", t, minWindow, maxWindow)
			}
			return n, nil
		})),
		opt("mss-clamp", word(d, &g.MSSClamp, parseMSS)),
		opt("protect", d.list(func(v *value) {
			var p netip.Prefix
			d.prefix(&p)(v)
			if p.IsValid() {
				g.Protect = append(g.Protect, p)
			}
		})))
	g.FailOpen, g.Spread = fail == "open", order == "spread"
	if !g.FailOpen && len(g.Protect) == 0 && v.kind == mapping {
		d.warn(v, "protect is empty: while this member has no keys nothing is held back; write the group's address range")
	}
	return g
}

// overlaps: two groups may guard the same addresses, but then neither opens them for the other.
func (d *decoder) overlaps(v *value, others []GMGroup, g GMGroup) {
	for _, o := range others {
		for _, a := range o.Protect {
			for _, b := range g.Protect {
				if !o.FailOpen && !g.FailOpen && a.Overlaps(b) {
					d.warn(v, "groups %s and %s both protect %s: until both have keys, it is held back unless %s, which comes first, encrypts it; an address range belongs to one group",
						o.Name, g.Name, narrower(a, b), o.Name)
				}
			}
		}
	}
}

func narrower(a, b netip.Prefix) netip.Prefix {
	if a.Bits() > b.Bits() {
		return a
	}
	return b
}

// sameSecrets: phase 1 with a key server is one session for all groups, so there is one secret.
func (d *decoder) sameSecrets(v *value, others []GMGroup, g GMGroup) {
	for _, o := range others {
		for _, a := range o.KeyServers {
			for _, b := range g.KeyServers {
				if a.Address.Addr() == b.Address.Addr() && a.Secret != nil && b.Secret != nil && !a.Secret.Equal(b.Secret) {
					d.fail(v, "group %s has another secret for key server %s; there is one for all groups", o.Name, b.Address.Addr())
				}
			}
		}
	}
}

func parseMSS(s string) (MSSClamp, error) {
	switch s {
	case "auto":
		return MSSClamp{}, nil
	case "off":
		return MSSClamp{Off: true}, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 64 || n > 65495 {
		return MSSClamp{}, errMSS(s)
	}
	return MSSClamp{Value: n}, nil
}

type errMSS string

func (e errMSS) Error() string {
	return strconv.Quote(string(e)) + " is not a maximum segment size; use auto, off or 64 to 65495"
}
