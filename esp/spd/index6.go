package spd

import (
	"slices"

	"github.com/getvpn/getvpn/esp/packet"
)

// dimension6 is a dimension of IPv6 addresses.
type dimension6 struct {
	starts []packet.Addr
	sets   []uint64 // words per interval
}

type span6 struct {
	lo, hi packet.Addr
	rule   int
}

// last is the last address of a network.
func last(net, mask packet.Addr) packet.Addr {
	return packet.Addr{Hi: net.Hi | ^mask.Hi, Lo: net.Lo | ^mask.Lo}
}

func newDimension6(spans []span6, words int) dimension6 {
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
	d.sets = make([]uint64, len(d.starts)*words)
	for _, s := range spans {
		i, _ := slices.BinarySearchFunc(d.starts, s.lo, compare)
		for ; i < len(d.starts) && !above(d.starts[i], s.hi); i++ {
			set(d.sets[i*words:], s.rule)
		}
	}
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

// at returns the rules that agree with v.
func (d *dimension6) at(v packet.Addr, words int) []uint64 {
	lo, hi := 0, len(d.starts)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; !above(d.starts[mid], v) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return d.sets[lo*words : (lo+1)*words]
}
