package sim

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// uses says whether the policy in force sends a class at all, and encrypts it.
func (p *plane) uses(class int) bool {
	if p.policy.Mode == gdoi.ModeReceiveOnly {
		return false
	}
	if p.policy.Classes == nil {
		return class == 0
	}
	for i, c := range p.policy.Classes {
		if c == class && p.policy.Policy[i].Action == policy.Permit {
			return true
		}
	}
	return false
}

// mute says why a registered member cannot send something that it has to encrypt.
func (p *plane) mute() string {
	if !p.registered {
		return ""
	}
	for i, r := range p.policy.Policy {
		if r.Action == policy.Permit && p.sending[p.class(i)] == 0 {
			return fmt.Sprintf("has no key to send %q with", r)
		}
	}
	return ""
}

func (p *plane) class(rule int) int {
	if p.policy.Classes == nil {
		return 0
	}
	return p.policy.Classes[rule]
}

// protects says whether an SA is for what a rule permits.
func protects(s *sa, r policy.Rule) bool { return slices.Contains(s.selectors, r) }

// send is what a member does with a packet from its network: it goes out under an SPI, or in clear, or not at all.
func (p *plane) send(f policy.Packet) (spi gdoi.SPI, clear, ok bool) {
	action, i := p.policy.Policy.Lookup(f)
	if action == policy.Deny || p.policy.Mode == gdoi.ModeReceiveOnly {
		return 0, true, true
	}
	spi = p.sending[p.class(i)]
	return spi, false, spi != 0
}

// takesClear says whether a member lets a packet in that arrives in clear.
func (p *plane) takesClear(f policy.Packet) bool {
	if p.policy.Mode != gdoi.ModeFull {
		return true
	}
	for _, l := range append([]policy.List{p.policy.Policy}, p.policy.Also...) {
		if action, _ := l.Lookup(f); action == policy.Deny {
			return true
		}
	}
	return false
}

// takes says whether a member lets a packet in that arrives under an SPI.
func (p *plane) takes(spi gdoi.SPI, f policy.Packet) bool {
	s, ok := p.sas[spi]
	if !ok {
		return false
	}
	for _, sel := range s.selectors {
		if sel.Match(f) || sel.Mirror().Match(f) {
			return true
		}
	}
	return s.selectors == nil
}

// lossy says whether any flow between two registered members would lose packets now.
func (c *Checker) lossy() bool {
	lossy := false
	for _, f := range c.s.cfg.Flows {
		for _, from := range c.s.nodes[1:] {
			p := c.plane[from]
			if p == nil || !p.registered {
				continue
			}
			spi, clear, ok := p.send(f)
			for _, to := range c.s.nodes[1:] {
				q := c.plane[to]
				if to == from || q == nil || !q.registered || ok && (clear && q.takesClear(f) || !clear && q.takes(spi, f)) {
					continue
				}
				lossy = true
				if c.lost == "" {
					c.lost = fmt.Sprintf("%v: %s sends %+v (SPI %v, clear %t, sent %t), and %s drops it", c.s.Now(), from.Name, f, spi, clear, ok, to.Name)
				}
			}
		}
	}
	return lossy
}

// Lost describes the first loss that was found; empty if there was none.
func (c *Checker) Lost() string { return c.lost }
