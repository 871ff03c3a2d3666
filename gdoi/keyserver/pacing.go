package keyserver

import (
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Limits of what one address can do to a group; not configurable. They count addresses and not identities, because with
// a pre-shared key a peer may call itself by any name.
const (
	// registerBurst registrations at once, then one each registerEvery: every one uses up sender ids. A member that is
	// restarted over and over, or loses half of its datagrams, stays far below.
	registerBurst = 20
	registerEvery = 15 * time.Second
	// maxPerAddress members at one address; the oldest gives way.
	maxPerAddress = 4
	// maxSIDRequest sender ids for one registration, and no more than this part of the whole space (RFC 6407 §3.5 sets no
	// limit), so that no member can use up the space alone: the group would be reset again and again.
	maxSIDRequest = 256
	sidFraction   = 64
)

// pacing is how often addresses have registered.
type pacing struct {
	of      map[netip.Addr]*machine.Bucket
	sweepAt int // number of addresses
}

// allows says whether a may register now.
func (p *pacing) allows(now machine.Now, a netip.Addr) bool {
	b := p.of[a]
	return b == nil || b.Has(now.Mono, registerBurst, registerEvery)
}

// take counts a registration; false means that it is one too many.
func (p *pacing) take(now machine.Now, a netip.Addr) bool {
	b := p.of[a]
	if b == nil {
		p.sweep(now)
		b = &machine.Bucket{}
		p.of[a] = b
	}
	return b.Take(now.Mono, registerBurst, registerEvery)
}

// sweep forgets addresses that have been quiet for long enough, whenever their number has doubled.
func (p *pacing) sweep(now machine.Now) {
	if p.of == nil {
		p.of = map[netip.Addr]*machine.Bucket{}
	}
	if len(p.of) < p.sweepAt {
		return
	}
	for a, b := range p.of {
		if b.Full(now.Mono) {
			delete(p.of, a)
		}
	}
	p.sweepAt = max(1024, 2*len(p.of))
}

// sidLimit is how many sender ids one registration gets at most.
func (c *Config) sidLimit() uint64 {
	return min(maxSIDRequest, max(1, c.SIDCount/sidFraction))
}
