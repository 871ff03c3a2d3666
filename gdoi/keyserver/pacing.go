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
	// siteBits is the prefix that an IPv6 site has to itself (RFC 4291 §2.5.1): one member there can speak from as many addresses
	// as it likes, where its key allows them. A link with many gateways may be one prefix, too, so the prefix has the part of
	// siteShare addresses, and each address in it that of one.
	siteBits  = 64
	siteShare = 16
	// maxPerAddress members at one address; the oldest gives way.
	maxPerAddress = 4
	// maxSIDRequest sender ids for one registration, and no more than this part of the whole space (RFC 6407 §3.5 sets no
	// limit), so that no member can use up the space alone: the group would be reset again and again.
	maxSIDRequest = 256
	sidFraction   = 64
)

// pacing is how often addresses, and the /64 prefixes of IPv6 addresses, have registered.
type pacing struct {
	of      map[netip.Prefix]*machine.Bucket
	sweepAt int // number of prefixes
}

// allowance is how often one prefix may register.
type allowance struct {
	of    netip.Prefix
	burst int
	every time.Duration
}

// Site is whom an address may stand for: itself, and of IPv6 the /64 prefix that it is in, because a host there has 2^64
// addresses to speak from (RFC 4291 §2.5.1).
func Site(a netip.Addr) netip.Prefix {
	if a = a.Unmap().WithZone(""); a.Is4() {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.PrefixFrom(a, siteBits).Masked()
}

// allowances are those that an address is counted under.
func allowances(a netip.Addr) []allowance {
	a = a.Unmap().WithZone("")
	out := []allowance{{netip.PrefixFrom(a, a.BitLen()), registerBurst, registerEvery}}
	if a.Is6() {
		out = append(out, allowance{Site(a), siteShare * registerBurst, registerEvery / siteShare})
	}
	return out
}

// allows says whether a may register now.
func (p *pacing) allows(now machine.Now, a netip.Addr) bool {
	for _, l := range allowances(a) {
		if b := p.of[l.of]; b != nil && !b.Has(now.Mono, l.burst, l.every) {
			return false
		}
	}
	return true
}

// take counts a registration; false means that it is one too many, and was not counted.
func (p *pacing) take(now machine.Now, a netip.Addr) bool {
	if !p.allows(now, a) {
		return false
	}
	for _, l := range allowances(a) {
		b := p.of[l.of]
		if b == nil {
			p.sweep(now)
			b = &machine.Bucket{}
			p.of[l.of] = b
		}
		b.Take(now.Mono, l.burst, l.every)
	}
	return true
}

// sweep forgets addresses that have been quiet for long enough, whenever their number has doubled.
func (p *pacing) sweep(now machine.Now) {
	if p.of == nil {
		p.of = map[netip.Prefix]*machine.Bucket{}
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
