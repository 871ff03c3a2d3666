package sim

import "strings"

// way is from one node to another, by index.
type way struct{ from, to int }

// cut stops what passes between sides; it returns what ends that. Cuts may overlap: what several of them stop passes when
// the last has ended.
func (s *Sim) cut(sides string, data bool) func() {
	var ways []way
	both := !strings.Contains(sides, ">")
	groups := strings.FieldsFunc(sides, func(r rune) bool { return r == '|' || r == '>' })
	for i, left := range groups {
		for _, right := range groups[i+1:] {
			for _, a := range s.named(left) {
				for _, b := range s.named(right) {
					ways = append(ways, way{a.index, b.index})
					if both {
						ways = append(ways, way{b.index, a.index})
					}
				}
			}
		}
	}
	change := func(d int) {
		for _, w := range ways {
			s.cuts[w] = max(0, s.cuts[w]+d) // Heal may have been before the end
			if data {
				s.splits[w] = max(0, s.splits[w]+d)
			}
		}
	}
	change(+1)
	return func() { change(-1) }
}

// named lists the nodes of a list of names.
func (s *Sim) named(list string) (out []*Node) {
	for name := range strings.SplitSeq(list, ",") {
		if n := s.Node(name); n != nil {
			out = append(out, n)
		}
	}
	return out
}

// passes says whether the network brings control-plane datagrams from one node to another at all.
func (s *Sim) passes(from, to *Node) bool {
	return from.island == to.island && s.cuts[way{from.index, to.index}] == 0
}

// carries says whether it brings what members send each other.
func (s *Sim) carries(from, to *Node) bool {
	return from.island == to.island && s.splits[way{from.index, to.index}] == 0
}

// reach says that two nodes hear each other.
func (s *Sim) reach(a, b *Node) bool { return s.passes(a, b) && s.passes(b, a) }
