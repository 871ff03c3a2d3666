package keyserver

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// What no two key servers may give twice under one key is divided among them by their ids, so that it holds while they do
// not hear of each other:
//
//	sender ids            an eighth of the space each
//	SPIs of TEKs          the low four bits are the id
//	rekey sequence        windows of 2^16 numbers; window w is that of the key server with w mod 8 = id mod 8
//
// A key server that lost its records asks the others how far it was, and leaves a gap for what they cannot know.
const (
	windowBits = 16
	lastWindow = 1<<(32-windowBits) - 1
	// gapPart of its sender ids, and of all windows, a key server without records leaves out; and no more than this part of its
	// ids does it give without another key server knowing.
	gapPart = 16
	// gapBits is the width from which ids are so many that a gap costs nothing. Narrower ones are not given until nobody can
	// have one of before any more.
	gapBits    = 16
	plentyBits = 24
	// spiBits is how many bits of an SPI say who made it.
	spiBits = 4
)

// sidRange is a range of sender ids.
type sidRange struct{ first, count uint64 }

func (r sidRange) end() uint64 { return r.first + r.count }

// of is the part of one key server.
func (r sidRange) of(id coop.ID) sidRange {
	n := r.count / coop.MaxKeyServers
	return sidRange{r.first + uint64(id-1)*n, n}
}

// validate says what is wrong with the cooperation of a group.
func (c *Cooperation) validate() error {
	last := coop.ID(0)
	for _, id := range c.IDs {
		if id <= last || id > coop.MaxKeyServers {
			return fmt.Errorf("key servers %v: use different numbers from 1 to %d, ascending", c.IDs, coop.MaxKeyServers)
		}
		last = id
	}
	if !slices.Contains(c.IDs, c.ID) {
		return fmt.Errorf("key server %d is not among the key servers %v", c.ID, c.IDs)
	}
	return nil
}

// effective is the configuration with defaults and, of the sender ids, the part of this key server.
func (c Config) effective() Config {
	c = c.withDefaults()
	c.space = sidRange{c.SIDFirst, c.SIDCount}
	if c.Coop != nil {
		own := c.space.of(c.Coop.ID)
		c.SIDFirst, c.SIDCount = own.first, own.count
	}
	return c
}

// nextSeq is the next sequence number under a KEK. Where a window is used up, it goes on in the next one of this key server.
func (g *Group) nextSeq(k *kek) uint32 {
	if g.cfg.Coop != nil && k.seq&(1<<windowBits-1) == 1<<windowBits-1 {
		g.openWindow(k)
	}
	k.seq++
	return k.seq
}

// openWindow moves a KEK to the next window of sequence numbers of this key server: another one may have used numbers that
// are not known here.
func (g *Group) openWindow(k *kek) {
	w := max(k.seq>>windowBits+1, k.floor)
	k.floor = 0
	for w%coop.MaxKeyServers != uint32(g.cfg.Coop.ID)%coop.MaxKeyServers {
		w++
	}
	if w > lastWindow {
		k.seq = 1<<32 - 1
	} else {
		k.seq = w << windowBits
	}
	g.durable.kek(k)
}

// floorOf is the window from which this key server has used none under a KEK that it hears of from another one: 0, unless
// the KEK is older than our records. Windows are used one after the other in a KEK's life, and never so many as there are:
// so what is left out follows from the time, and a key server that loses its records once more goes on above all that it
// has used since the first loss, too.
func (g *Group) floorOf(now machine.Now, k *kek) uint32 {
	if !g.replica.anew || k.created > g.replica.anewAt {
		return 0
	}
	const gap = (lastWindow + 1) / gapPart
	passed := min(1, float64(now.Mono.Sub(k.created))/float64(g.cfg.KEKLifetime))
	return gap + uint32(passed*(lastWindow+1-2*gap))
}

// spent says that there are hardly any sequence numbers left under a KEK.
func (g *Group) spent(k *kek) bool {
	return g.cfg.Coop != nil && k.seq >= 1<<32-16
}

// ownSPI gives an SPI the number of this key server.
func (g *Group) ownSPI(s gdoi.SPI) gdoi.SPI {
	if g.cfg.Coop == nil {
		return s
	}
	return s<<spiBits | gdoi.SPI(g.cfg.Coop.ID)
}

func (r sidRange) has(sid uint64) bool { return sid >= r.first && sid < r.end() }

// coopRecords are those of key servers that have changed.
func (g *Group) coopRecords(now machine.Now) (out []machine.Record) {
	for id := coop.ID(1); id <= coop.MaxKeyServers; id++ {
		if g.durable.sids[id] {
			out = append(out, g.record(sidsKey(id), g.encodeKey(now, sidsKey(id))))
		}
		if g.durable.transports[id] {
			out = append(out, g.record(transportName(id), g.encodeTransport(id)))
		}
		if g.durable.trust[id] {
			out = append(out, g.record(trustKey(id), g.encodeTrust(id)))
		}
	}
	return out
}
