package keyserver

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/gdoi/suite"
)

// Digest names what all key servers of a group must agree on; PolicyText says it in lines.
func (g *Group) Digest() [32]byte {
	if g.digest == ([32]byte{}) { // until the configuration changes; every announcement holds it
		g.digest = sha256.Sum256([]byte(strings.Join(g.PolicyText(), "\n")))
	}
	return g.digest
}

// PolicyText is what Digest is about, a line for each setting.
func (g *Group) PolicyText() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	c := &g.cfg
	say("group id %v", c.ID)
	say("mode %v", c.Mode)
	for _, s := range c.sas() {
		say("sa %q suite %v lifetime %v spi per selector %v", s.Name, s.TEK, s.Lifetime, s.PerSelector)
		for _, r := range s.Policy.Strings() {
			say("sa %q rule %s", s.Name, r)
		}
	}
	say("kek %v lifetime %v", c.KEK, c.KEKLifetime)
	if c.Custody {
		say("kek custody token")
	}
	if s := c.signature(); s == suite.SignatureRSA {
		say("signature hash %s form %d", suite.HashName(c.SignHash), c.SignForm)
	} else {
		say("signature %v", s)
	}
	say("activation-delay %v", c.ActivationDelay)
	say("acknowledgement %v", c.Ack)
	say("rekey transport %s", transport(c))
	say("anti-replay time %v demand %v", c.AntiReplay.Window, c.AntiReplay.Demand)
	say("sender-ids bits %d first %d count %d", c.SIDBits, c.space.first, c.space.count)
	for _, r := range c.Authorise {
		say("authorise %+v", r)
	}
	if c.Coop != nil {
		say("split %v", c.Coop.Split)
	}
	return out
}
