package keyserver

import (
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// While a key server is out of reach, the other side would never hear of SAs that an operator brings in.
func TestAnotherPolicyWaitsForAllKeyServers(t *testing.T) {
	for _, split := range []coop.Split{coop.Fork, coop.Continue} {
		p := newServers(t, 0, func(c *Config) { c.Coop.Split = split })[0]
		cfg := p.g.cfg
		cfg.TEK = suite.ESPAES128GCM16
		p.g.SetInStep(p.now, 1)
		_, err := p.g.Compare(p.now, cfg, false)
		if refused := err != nil && strings.Contains(err.Error(), "out of reach"); refused != (split == coop.Continue) {
			t.Errorf("%v, one key server out of reach: %v", split, err)
		}
		lives := p.g.cfg
		lives.TEKLifetime *= 2
		if _, err := p.g.Compare(p.now, lives, false); (err != nil) != (split == coop.Continue) {
			t.Errorf("%v, another lifetime: %v", split, err)
		}
		lets := p.g.cfg
		lets.Authorise = nil
		if _, err := p.g.Compare(p.now, lets, false); err != nil {
			t.Errorf("%v, who may join: %v", split, err)
		}
		p.g.SetInStep(p.now, 2)
		_, out, err := p.g.Reconfigure(p.now, cfg, false, nil)
		p.do(out)
		if err != nil || p.g.cfg.TEK != suite.ESPAES128GCM16 {
			t.Errorf("%v, all there: %v", split, err)
		}
	}
}
