package policy

import (
	"encoding/binary"
	"net/netip"
)

// box is the set of packets that a rule matches: a range in each of five dimensions.
type box struct {
	v6  bool
	dim [5]interval // protocol, source, destination, source port, destination port
}

// interval is an inclusive range of 128-bit numbers.
type interval struct{ lo, hi number }

type number struct{ hi, lo uint64 }

func (n number) less(o number) bool { return n.hi < o.hi || n.hi == o.hi && n.lo < o.lo }

func (n number) next() number {
	if n.lo++; n.lo == 0 {
		n.hi++
	}
	return n
}

func (n number) prev() number {
	if n.lo == 0 {
		n.hi--
	}
	n.lo--
	return n
}

func addrNumber(a netip.Addr) number {
	b := a.As16()
	return number{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// prefixInterval counts IPv4 as mapped into IPv6; box.v6 keeps the families apart.
func prefixInterval(p netip.Prefix) interval {
	host := 128 - p.Bits()
	if p.Addr().Is4() {
		host = 32 - p.Bits()
	}
	lo := addrNumber(p.Addr())
	hi := lo
	switch {
	case host >= 128:
		hi = number{^uint64(0), ^uint64(0)}
	case host >= 64:
		hi = number{lo.hi | (1<<(host-64) - 1), ^uint64(0)}
	default:
		hi.lo |= 1<<host - 1
	}
	return interval{lo, hi}
}

func portInterval(r PortRange) interval {
	return interval{number{0, uint64(r.Lo)}, number{0, uint64(r.Hi)}}
}

func (r Rule) box() box {
	proto := interval{number{}, number{0, 255}}
	if r.Proto != 0 {
		proto = interval{number{0, uint64(r.Proto)}, number{0, uint64(r.Proto)}}
	}
	return box{
		v6:  !r.Src.Addr().Is4(),
		dim: [5]interval{proto, prefixInterval(r.Src), prefixInterval(r.Dst), portInterval(r.SrcPorts), portInterval(r.DstPorts)},
	}
}

// and is what both match; false: nothing.
func (b box) and(o box) (box, bool) {
	if b.v6 != o.v6 {
		return box{}, false
	}
	for i, x := range o.dim {
		d := &b.dim[i]
		if d.lo.less(x.lo) {
			d.lo = x.lo
		}
		if x.hi.less(d.hi) {
			d.hi = x.hi
		}
		if d.hi.less(d.lo) {
			return box{}, false
		}
	}
	return b, true
}

// minus appends to out what is left of b without o: at most two boxes a dimension.
func (b box) minus(o box, out []box) []box {
	common, ok := b.and(o)
	if !ok {
		return append(out, b)
	}
	for i, c := range common.dim {
		if b.dim[i].lo.less(c.lo) {
			piece := b
			piece.dim[i].hi = c.lo.prev()
			out = append(out, piece)
		}
		if c.hi.less(b.dim[i].hi) {
			piece := b
			piece.dim[i].lo = c.hi.next()
			out = append(out, piece)
		}
		b.dim[i] = c
	}
	return out
}

// maxPieces is where subtraction gives up: a rule that the union of so many pieces hides is not found.
const maxPieces = 2048

// left is what remains of b after all rules took theirs, as disjoint boxes. When that gets too many pieces, b itself
// remains: nothing wrong is said about it then.
func (b box) left(rules List) []box {
	rest := []box{b}
	for _, r := range rules {
		var next []box
		o := r.box()
		for _, piece := range rest {
			next = piece.minus(o, next)
		}
		if rest = next; len(rest) == 0 {
			return nil
		}
		if len(rest) > maxPieces {
			return []box{b}
		}
	}
	return rest
}

// overlaps says whether some packet is matched by both rules.
func (r Rule) overlaps(o Rule) bool {
	_, ok := r.box().and(o.box())
	return ok
}

// reaches says whether some packet that both r and o match is matched by none of before.
func (r Rule) reaches(o Rule, before List) bool {
	b, ok := r.box().and(o.box())
	return ok && len(b.left(before)) > 0
}
