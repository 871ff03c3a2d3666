package spd

import (
	"math/bits"
	"slices"

	"github.com/getvpn/getvpn/esp/packet"
)

// dimension6 is a dimension of IPv6 addresses.
type dimension6 struct {
	starts []packet.Addr
	sets
}

type span6 struct {
	lo, hi packet.Addr
	rule   int
}

// last is the last address of a network.
func last(net, mask packet.Addr) packet.Addr {
	return packet.Addr{Hi: net.Hi | ^mask.Hi, Lo: net.Lo | ^mask.Lo}
}

func (x *index) dimension6(spans []span6) dimension6 {
	d := dimension6{starts: []packet.Addr{{}}}
	for _, s := range spans {
		d.starts = append(d.starts, s.lo)
		if next := (packet.Addr{Hi: s.hi.Hi, Lo: s.hi.Lo + 1}); next.Lo != 0 {
			d.starts = append(d.starts, next)
		} else if next.Hi++; next.Hi != 0 { // else it was the last address of all
			d.starts = append(d.starts, next)
		}
	}
	slices.SortFunc(d.starts, compare)
	d.starts = slices.Compact(d.starts)
	all := make([]bitset, len(d.starts))
	for i := range all {
		all[i] = x.bitset()
	}
	for _, s := range spans {
		i, _ := slices.BinarySearchFunc(d.starts, s.lo, compare)
		for ; i < len(d.starts) && !above(d.starts[i], s.hi); i++ {
			all[i].set(s.rule, x.shift)
		}
	}
	d.sets = x.packAll(all)
	return d
}

func above(a, b packet.Addr) bool { return a.Hi > b.Hi || a.Hi == b.Hi && a.Lo > b.Lo }

func compare(a, b packet.Addr) int {
	switch {
	case a == b:
		return 0
	case above(a, b):
		return 1
	}
	return -1
}

// find is that of dimension.
func (d *dimension6) find(v packet.Addr) bitset {
	starts, at := d.starts, 0
	for n := len(starts); n > 1; {
		half := n / 2
		s := &starts[at+half]
		_, below := bits.Sub64(v.Lo, s.Lo, 0)
		_, below = bits.Sub64(v.Hi, s.Hi, below)
		at += half & (int(below) - 1)
		n -= half
	}
	return d.bits[d.at[at]:]
}
