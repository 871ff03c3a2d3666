package config

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// printer writes indented "key: value" lines.
type printer struct {
	b     strings.Builder
	depth int
}

func (p *printer) line(format string, args ...any) {
	p.b.WriteString(strings.Repeat("  ", p.depth))
	fmt.Fprintf(&p.b, format+"\n", args...)
}

func (p *printer) in(title string, f func()) {
	p.line("%s:", title)
	p.depth++
	f()
	p.depth--
}

func (p *printer) common(c *Common) {
	p.line("name: %s", c.Name)
	p.line("control: %s", c.Control)
	p.line("state: %s", c.State)
	p.line("log: {level: %s, format: %s}", c.Log.Level, c.Log.Format)
	if c.Metrics != nil {
		p.line("metrics: %s", c.Metrics)
	}
	p.line("identity: %s", c.Identity)
	if c.Certificates != nil {
		p.in("certificates", func() { p.certificates(c.Certificates) })
	}
	var suites []string
	for _, s := range c.Phase1.Suites {
		suites = append(suites, s.String())
	}
	var old []string
	for _, s := range c.Phase1.Allow {
		old = append(old, s.String())
	}
	p.line("phase1: {suites: [%s], lifetime: %s, dpd: %s, allow-sha1: %t, allow: [%s]}", strings.Join(suites, ", "),
		short(c.Phase1.Lifetime), short(c.Phase1.DPD), c.Phase1.AllowSHA1, strings.Join(old, ", "))
}

// Effective is what the file means, defaults included and secrets left out.
func (c *KS) Effective() string {
	p := new(printer)
	p.fixed(c)
	if c.Faults != (Faults{}) {
		p.line("faults: %s", c.Faults)
	}
	p.in("pre-shared-keys", func() {
		for _, k := range c.PSKs {
			p.line("- {peer: %s, secret: %s}", k.Peer, secretSize(k.Secret))
		}
	})
	p.in("groups", func() {
		for i := range c.Groups {
			p.ksGroup(&c.Groups[i])
		}
	})
	return p.b.String()
}

func (p *printer) ksGroup(g *KSGroup) {
	p.line("- name: %s", g.Name)
	p.depth++
	p.line("id: %s", g.ID.Text)
	p.in("authorise", func() {
		for _, a := range g.Authorise {
			var parts []string
			if a.Prefix.IsValid() {
				parts = append(parts, "address: "+a.Prefix.String())
			}
			if a.ID != "" {
				parts = append(parts, "identity: "+a.ID)
			}
			parts = append(parts, certRule(a.Cert)...)
			p.line("- {%s}", strings.Join(parts, ", "))
		}
	})
	if len(g.SAs) == 0 {
		p.rules("policy", g.Policy)
		p.line("tek: {suite: %s, lifetime: %s}", g.TEK.Suite, short(g.TEK.Lifetime))
	} else {
		p.in("sas", func() { p.sas(g.SAs) })
	}
	p.line("mode: %s", g.Mode)
	p.line("kek: %s", g.KEK)
	p.line("rekey: %s", g.Rekey)
	p.line("anti-replay: %s", g.AntiReplay)
	p.line("sender-ids: {bits: %d, first: %d, count: %d}", g.SenderIDs.Bits, g.SenderIDs.First, g.SenderIDs.Count)
	if g.Priority != 0 {
		p.line("priority: %d", g.Priority)
	}
	p.depth--
}

// Fixed is the part of Effective that a running key server cannot change.
func (c *KS) Fixed() string {
	p := new(printer)
	p.fixed(c)
	return p.b.String()
}

func (p *printer) fixed(c *KS) {
	p.common(&c.Common)
	if c.Custody != nil {
		p.line("custody: %s", c.Custody.serverString())
	}
	p.line("listen: %s", c.Listen.yaml())
	if c.Cooperation != nil {
		p.line("cooperation: %s", c.Cooperation)
	}
}

// String is the flow mapping of the file.
func (f Faults) String() string {
	return fmt.Sprintf("{store-delay: %s, store-fails: %t, token-delay: %s, token-gone: %t, token-full: %t}",
		short(f.StoreDelay), f.StoreFails, short(f.TokenDelay), f.TokenGone, f.TokenFull)
}

// Effective is what the file means, defaults included and secrets left out.
func (c *GM) Effective() string {
	p := new(printer)
	p.common(&c.Common)
	if c.Custody != nil {
		p.line("custody: %s", c.Custody)
	}
	p.line("local: %s", c.Local.yaml())
	mtu := "follows " + c.Interfaces.WAN
	if c.Interfaces.MTU != 0 {
		mtu = fmt.Sprint(c.Interfaces.MTU)
	}
	p.line("interfaces: {lan: [%s], wan: %s, tun: %s, mtu: %s, data-path: %s, workers: %d, fragmentation: %s, df-bit: %s}",
		strings.Join(c.Interfaces.LAN, ", "), c.Interfaces.WAN, c.Interfaces.TUN, mtu, c.Interfaces.DataPath, max(1, c.Interfaces.Workers),
		c.Interfaces.Fragmentation, c.Interfaces.DFBit)
	p.line("on-exit: %s", c.OnExit)
	p.in("groups", func() {
		for i := range c.Groups {
			p.gmGroup(&c.Groups[i])
		}
	})
	return p.b.String()
}

func (p *printer) gmGroup(g *GMGroup) {
	p.line("- name: %s", g.Name)
	p.depth++
	p.line("id: %s", g.ID.Text)
	p.in("key-servers", func() {
		for _, k := range g.KeyServers {
			p.line("- {address: %s, secret: %s, preferred: %t}", k.Address, secretSize(k.Secret), k.Preferred)
		}
	})
	order := "listed"
	if g.Spread {
		order = "spread"
	}
	p.line("key-server-order: %s", order)
	fail := "closed"
	if g.FailOpen {
		fail = "open"
	}
	p.line("fail: %s", fail)
	if g.Mode != nil {
		p.line("mode: %s", *g.Mode)
	}
	p.rules("clear", g.Clear)
	suites := "modern"
	if g.Suites != nil {
		var names []string
		for _, e := range g.Suites {
			names = append(names, e.String())
		}
		suites = "[" + strings.Join(names, ", ") + "]"
	}
	p.line("suites: %s", suites)
	p.line("destination-only: %t", g.DestinationOnly)
	p.line("replay-window: %d", g.ReplayWindow)
	p.line("mss-clamp: %s", g.MSSClamp)
	p.line("protect: [%s]", join(g.Protect))
	p.depth--
}

// yaml is how the file says it.
func (e Endpoints) yaml() string {
	if len(e) == 1 {
		return e.String()
	}
	return "[" + e.String() + "]"
}

func (p *printer) rules(title string, l policy.List) {
	p.in(title, func() {
		for _, r := range l {
			p.line("- %q", r.String())
		}
	})
}

func (p *printer) sas(list []SA) {
	for _, s := range list {
		p.line("- name: %s", s.Name)
		p.depth++
		p.rules("match", s.Match)
		p.line("tek: {suite: %s, lifetime: %s}", s.TEK.Suite, short(s.TEK.Lifetime))
		p.line("spi: %s", map[bool]string{false: "shared", true: "per-selector"}[s.PerSelector])
		p.depth--
	}
}

// String is the word that the file has for it.
func (m MSSClamp) String() string {
	switch {
	case m.Off:
		return "off"
	case m.Value == 0:
		return "auto"
	default:
		return fmt.Sprint(m.Value)
	}
}

func (p *printer) certificates(c *Certificates) {
	p.in("own", func() {
		for _, o := range c.Own {
			leaf := o.Chain[0]
			key := "key-file: " + o.KeyFile
			if o.KeyFile == "" {
				key = fmt.Sprintf("key: %q", o.TokenKey)
			}
			p.line("- {file: %s, %s, subject: %q, issuer: %q, method: %s, expires: %s, chain: %d}", o.File, key,
				pki.NameString(leaf.RawSubject), pki.NameString(leaf.RawIssuer), suite.AuthName(o.Method), leaf.NotAfter.UTC().Format(time.DateOnly), len(o.Chain)-1)
		}
	})
	p.line("ca: [%s]", strings.Join(c.CAFiles, ", "))
	strict, revocation := "warn", "remove"
	if c.StrictCRL {
		strict = "strict"
	}
	if c.RevokeRefuse {
		revocation = "refuse"
	}
	p.line("crl: [%s]", strings.Join(c.CRLFiles, ", "))
	p.line("crl-policy: %s", strict)
	p.line("on-revocation: %s", revocation)
	p.line("fragmentation: %t", c.Fragmentation)
}

func certRule(r policy.CertRule) []string {
	var parts []string
	for _, f := range []struct{ key, value string }{
		{"subject", r.Subject}, {"issuer", r.Issuer}, {"o", r.O}, {"ou", r.OU}, {"cn", r.CN}, {"san", r.SAN},
	} {
		if f.value != "" {
			parts = append(parts, fmt.Sprintf("%s: %q", f.key, f.value))
		}
	}
	if parts == nil {
		return nil
	}
	return []string{"certificate: {" + strings.Join(parts, ", ") + "}"}
}

func secretSize(s *machine.Secret) string { return fmt.Sprintf("(%d octets)", s.Len()) }

func join(ps []netip.Prefix) string {
	var s []string
	for _, p := range ps {
		s = append(s, p.String())
	}
	return strings.Join(s, ", ")
}
