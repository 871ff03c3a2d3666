package spd

import (
	"math/bits"
	"slices"
	"sort"

	"github.com/getvpn/getvpn/esp/packet"
)

// index finds the first rule of one IP version that matches without looking at each: for every selector it knows, per interval in which
// the answer cannot change, the set of rules that agree there. The first bit that all five sets share is the rule.
type index struct {
	words            int
	src, dst         dimension  // of IPv4
	src6, dst6       dimension6 // of IPv6
	srcPort, dstPort dimension
	proto            [256][]uint64
	portless         []uint64 // rules that match a packet of a protocol without ports
	portsUnknown     []uint64 // rules that match a packet whose ports cannot be seen
	protoUnknown     []uint64 // rules that match a packet whose protocol cannot be seen
}

// dimension is one selector cut into intervals; interval i runs from starts[i] to starts[i+1]-1.
type dimension struct {
	starts []uint64
	sets   []uint64 // words per interval
}

type span struct {
	lo, hi uint64
	rule   int
}

func newIndex(rules []compiled, v6 bool) *index {
	x := &index{words: (len(rules) + 63) / 64}
	var src, dst, srcPort, dstPort []span
	var src6, dst6 []span6
	x.portless, x.portsUnknown, x.protoUnknown = make([]uint64, x.words), make([]uint64, x.words), make([]uint64, x.words)
	anyProto := make([]uint64, x.words)
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
			set(anyProto, i)
		}
		if r.anyPorts {
			set(x.portless, i)
		}
		if r.anyPorts || r.permit {
			set(x.portsUnknown, i)
		}
		if r.proto == 0 || r.permit {
			set(x.protoUnknown, i)
		}
	}
	x.src, x.dst = newDimension(src, x.words), newDimension(dst, x.words)
	x.src6, x.dst6 = newDimension6(src6, x.words), newDimension6(dst6, x.words)
	x.srcPort, x.dstPort = newDimension(srcPort, x.words), newDimension(dstPort, x.words)
	for p := range x.proto {
		x.proto[p] = anyProto
	}
	for i := range rules {
		if p := rules[i].proto; p != 0 && rules[i].v6 == v6 {
			if &x.proto[p][0] == &anyProto[0] {
				x.proto[p] = slices.Clone(anyProto)
			}
			set(x.proto[p], i)
		}
	}
	return x
}

func set(s []uint64, i int) { s[i/64] |= 1 << (i % 64) }

func newDimension(spans []span, words int) dimension {
	d := dimension{starts: []uint64{0}}
	for _, s := range spans {
		d.starts = append(d.starts, s.lo, s.hi+1)
	}
	slices.Sort(d.starts)
	d.starts = slices.Compact(d.starts)
	d.sets = make([]uint64, len(d.starts)*words)
	for _, s := range spans {
		for i := sort.Search(len(d.starts), func(i int) bool { return d.starts[i] >= s.lo }); i < len(d.starts) && d.starts[i] <= s.hi; i++ {
			set(d.sets[i*words:], s.rule)
		}
	}
	return d
}

// at returns the rules that agree with v.
func (d *dimension) at(v uint64, words int) []uint64 {
	lo, hi := 0, len(d.starts)
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; d.starts[mid] <= v {
			lo = mid
		} else {
			hi = mid
		}
	}
	return d.sets[lo*words : (lo+1)*words]
}

func (x *index) match(f *packet.Flow) int {
	var src, dst []uint64
	if f.V6 {
		src, dst = x.src6.at(f.Src, x.words), x.dst6.at(f.Dst, x.words)
	} else {
		src, dst = x.src.at(f.Src.Lo, x.words), x.dst.at(f.Dst.Lo, x.words)
	}
	proto := x.proto[f.Proto]
	var srcPort, dstPort []uint64
	switch f.Ports {
	case packet.PortsKnown:
		srcPort = x.srcPort.at(uint64(f.SrcPort), x.words)
		dstPort = x.dstPort.at(uint64(f.DstPort), x.words)
	case packet.PortsUnknown:
		srcPort, dstPort = x.portsUnknown, x.portsUnknown
	case packet.ProtoUnknown:
		proto, srcPort, dstPort = x.protoUnknown, x.portsUnknown, x.portsUnknown
	default:
		srcPort, dstPort = x.portless, x.portless
	}
	for i := range src {
		if both := src[i] & dst[i] & proto[i] & srcPort[i] & dstPort[i]; both != 0 {
			return i*64 + bits.TrailingZeros64(both)
		}
	}
	return -1
}
