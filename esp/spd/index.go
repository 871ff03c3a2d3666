package spd

import (
	"math/bits"
	"slices"
	"sort"

	"github.com/getvpn/getvpn/esp/packet"
)

// index finds the first rule of one IP version that matches without looking at each: for every selector it knows, per
// interval in which the answer cannot change, the set of rules that agree there. The first bit that all five sets share
// is the rule. A set has a summary, of which a bit stands for some of its words, and only words that are not empty: most sets
// of a long list have one rule or two, so that a thousand intervals fit the processor's first cache, and what is looked at
// is what all five have.
type index struct {
	words, shift     int        // of a set; log2 of the words that a bit of a summary stands for
	src, dst         dimension  // of IPv4
	src6, dst6       dimension6 // of IPv6
	srcPort, dstPort dimension
	proto            [256]bitset
	portless         bitset // rules that match a packet of a protocol without ports
	portsUnknown     bitset // rules that match a packet whose ports cannot be seen
	protoUnknown     bitset // rules that match a packet whose protocol cannot be seen
}

// bitset is a set of rules while it is made: its summary, then all words. When it is packed, the words follow of which the
// summary says that there are some.
type bitset []uint64

// dimension is one selector cut into intervals; interval i runs from starts[i] to starts[i+1]-1.
type dimension struct {
	starts []uint64
	sets
}

// sets are the packed sets of intervals.
type sets struct {
	at   []uint32 // where the set of an interval begins
	bits []uint64
}

type span struct {
	lo, hi uint64
	rule   int
}

func newIndex(rules []compiled, v6 bool) *index {
	x := &index{words: (len(rules) + 63) / 64}
	for x.words > 64<<x.shift {
		x.shift++
	}
	var src, dst, srcPort, dstPort []span
	var src6, dst6 []span6
	x.portless, x.portsUnknown, x.protoUnknown = x.bitset(), x.bitset(), x.bitset()
	anyProto := x.bitset()
	for i := range rules {
		r := &rules[i]
		switch {
		case r.v6 != v6:
			continue
		case v6:
			src6 = append(src6, span6{r.src, last(r.src, r.srcMask), i})
			dst6 = append(dst6, span6{r.dst, last(r.dst, r.dstMask), i})
		default:
			src = append(src, span{r.src.Lo, r.src.Lo | ^r.srcMask.Lo&0xffffffff, i})
			dst = append(dst, span{r.dst.Lo, r.dst.Lo | ^r.dstMask.Lo&0xffffffff, i})
		}
		srcPort = append(srcPort, span{uint64(r.srcPorts.Lo), uint64(r.srcPorts.Hi), i})
		dstPort = append(dstPort, span{uint64(r.dstPorts.Lo), uint64(r.dstPorts.Hi), i})
		if r.proto == 0 {
			anyProto.set(i, x.shift)
		}
		if r.anyPorts {
			x.portless.set(i, x.shift)
		}
		if r.anyPorts || r.permit {
			x.portsUnknown.set(i, x.shift)
		}
		if r.proto == 0 || r.permit {
			x.protoUnknown.set(i, x.shift)
		}
	}
	x.portless, x.portsUnknown, x.protoUnknown = x.pack(nil, x.portless), x.pack(nil, x.portsUnknown), x.pack(nil, x.protoUnknown)
	x.src, x.dst = x.dimension(src, 1<<32-1), x.dimension(dst, 1<<32-1)
	x.src6, x.dst6 = x.dimension6(src6), x.dimension6(dst6)
	x.srcPort, x.dstPort = x.dimension(srcPort, 1<<16-1), x.dimension(dstPort, 1<<16-1)
	for p := range x.proto {
		x.proto[p] = anyProto
	}
	for i := range rules {
		if p := rules[i].proto; p != 0 && rules[i].v6 == v6 {
			if &x.proto[p][0] == &anyProto[0] {
				x.proto[p] = slices.Clone(anyProto)
			}
			x.proto[p].set(i, x.shift)
		}
	}
	packed := x.pack(nil, anyProto)
	for p := range x.proto {
		if &x.proto[p][0] == &anyProto[0] {
			x.proto[p] = packed
		} else {
			x.proto[p] = x.pack(nil, x.proto[p])
		}
	}
	return x
}

func (x *index) bitset() bitset { return make(bitset, 1+x.words) }

func (s bitset) set(i, shift int) {
	s[1+i/64] |= 1 << (i % 64)
	s[0] |= 1 << (i / 64 >> shift)
}

// dimension cuts the values up to most.
func (x *index) dimension(spans []span, most uint64) dimension {
	d := dimension{starts: []uint64{0}}
	for _, s := range spans {
		if d.starts = append(d.starts, s.lo); s.hi < most {
			d.starts = append(d.starts, s.hi+1)
		}
	}
	slices.Sort(d.starts)
	d.starts = slices.Compact(d.starts)
	all := make([]bitset, len(d.starts))
	for i := range all {
		all[i] = x.bitset()
	}
	for _, s := range spans {
		for i := sort.Search(len(d.starts), func(i int) bool { return d.starts[i] >= s.lo }); i < len(d.starts) && d.starts[i] <= s.hi; i++ {
			all[i].set(s.rule, x.shift)
		}
	}
	d.sets = x.packAll(all)
	return d
}

// pack appends a set without its empty words.
func (x *index) pack(to []uint64, s bitset) []uint64 {
	to = append(to, s[0])
	for some := s[0]; some != 0; some &= some - 1 {
		first := 1 + bits.TrailingZeros64(some)<<x.shift
		for i := first; i < first+1<<x.shift; i++ {
			if i < len(s) {
				to = append(to, s[i])
			} else {
				to = append(to, 0)
			}
		}
	}
	return to
}

func (x *index) packAll(all []bitset) (out sets) {
	for i, s := range all {
		if i > 0 && slices.Equal(s, all[i-1]) {
			out.at = append(out.at, out.at[i-1])
			continue
		}
		out.at = append(out.at, uint32(len(out.bits)))
		out.bits = x.pack(out.bits, s)
	}
	return out
}

// find returns the rules that agree with v. The search has no branch that depends on v: among a thousand intervals it
// would be ten guesses, half of them wrong.
func (d *dimension) find(v uint64) bitset {
	starts, at := d.starts, 0
	for n := len(starts); n > 1; {
		half := n / 2
		_, below := bits.Sub64(v, starts[at+half], 0)
		at += half & (int(below) - 1)
		n -= half
	}
	return d.bits[d.at[at]:]
}

func (x *index) match(f *packet.Flow) int {
	var src, dst bitset
	if f.V6 {
		src, dst = x.src6.find(f.Src), x.dst6.find(f.Dst)
	} else {
		src, dst = x.src.find(f.Src.Lo), x.dst.find(f.Dst.Lo)
	}
	proto := x.proto[f.Proto]
	var srcPort, dstPort bitset
	switch f.Ports {
	case packet.PortsKnown:
		srcPort = x.srcPort.find(uint64(f.SrcPort))
		dstPort = x.dstPort.find(uint64(f.DstPort))
	case packet.PortsUnknown:
		srcPort, dstPort = x.portsUnknown, x.portsUnknown
	case packet.ProtoUnknown:
		proto, srcPort, dstPort = x.protoUnknown, x.portsUnknown, x.portsUnknown
	default:
		srcPort, dstPort = x.portless, x.portless
	}
	for some := src[0] & dst[0] & proto[0] & srcPort[0] & dstPort[0]; some != 0; some &= some - 1 {
		bit := some & -some
		i, j, k, l, m := src.word(bit, x.shift), dst.word(bit, x.shift), proto.word(bit, x.shift), srcPort.word(bit, x.shift), dstPort.word(bit, x.shift)
		for n := range 1 << x.shift {
			if all := src[i+n] & dst[j+n] & proto[k+n] & srcPort[l+n] & dstPort[m+n]; all != 0 {
				return (bits.TrailingZeros64(bit)<<x.shift+n)*64 + bits.TrailingZeros64(all)
			}
		}
	}
	return -1
}

// word is where the words are that a bit of the summary stands for.
func (s bitset) word(bit uint64, shift int) int { return 1 + bits.OnesCount64(s[0]&(bit-1))<<shift }
