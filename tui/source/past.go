package source

import (
	"runtime"
	"slices"
	"sort"
	"sync"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/record"
)

const (
	stillEvery = 256      // frames between states that are kept
	stillBytes = 64 << 20 // octets of the recording that kept states may stand for; they need about three times as much memory
	eventChunk = 256      // events that are read together
	eventKeep  = 64       // chunks of them that are kept
)

// past finds what was known after any number of a recording's frames.
//
// A node's state depends on its last snapshots, as many as its sparklines have values, and on nothing older. So a state is made of what
// each node has said lately, or of an earlier state and what was said since, whichever is less to read; and both come to the same.
// States that were made are kept, some way apart, so that going back step by step is as quick as going on.
type past struct {
	rec     *record.Recording
	byNode  [][]int32 // its frames
	labs    []int32
	courses []int32

	mu     sync.Mutex
	stills []*still // that are kept, by frame
	last   *still   // that was made last
	used   int      // counts uses
}

// still is what was known after some frames.
type still struct {
	frame  int
	nodes  []Node // by the recording's numbers; one without a name has not been told of
	lab    *LabState
	course *Course

	labAt, courseAt int32 // the frames that told
	cost, used      int
}

func newPast(rec *record.Recording) *past {
	p := &past{rec: rec, byNode: make([][]int32, len(rec.Nodes()))}
	for i := range rec.Len() {
		switch rec.Kind(i) {
		case record.Lab:
			p.labs = append(p.labs, int32(i))
		case record.Course:
			p.courses = append(p.courses, int32(i))
		case record.End:
		default:
			n := rec.Node(i)
			p.byNode[n] = append(p.byNode[n], int32(i))
		}
	}
	return p
}

// until is those of some frames that are among the first n.
func until(frames []int32, n int) []int32 {
	return frames[:sort.Search(len(frames), func(i int) bool { return int(frames[i]) >= n })]
}

// at is what was known after so many frames.
func (p *past) at(frame int) *still {
	p.mu.Lock()
	defer p.mu.Unlock()
	base := p.before(frame)
	if grid := frame - frame%stillEvery; base.frame < grid {
		base = p.make(base, grid)
		p.keep(base)
	}
	if base.frame < frame {
		base = p.make(base, frame)
	}
	p.last = base
	return base
}

// before is the latest state that there is, up to a frame.
func (p *past) before(frame int) *still {
	best := &still{nodes: make([]Node, len(p.byNode)), labAt: -1, courseAt: -1}
	if i := sort.Search(len(p.stills), func(i int) bool { return p.stills[i].frame > frame }); i > 0 {
		best = p.stills[i-1]
		p.used++
		best.used = p.used
	}
	if p.last != nil && p.last.frame <= frame && p.last.frame > best.frame {
		best = p.last
	}
	return best
}

// make reads what was said between an earlier state and a frame. Nodes do not depend on each other.
func (p *past) make(base *still, frame int) *still {
	s := &still{frame: frame, nodes: slices.Clone(base.nodes), lab: base.lab, course: base.course, labAt: base.labAt, courseAt: base.courseAt}
	var wg sync.WaitGroup
	room := make(chan struct{}, runtime.GOMAXPROCS(0))
	for n := range p.byNode {
		all := until(p.byNode[n], frame)
		first := len(until(all, base.frame))
		if first == len(all) {
			continue
		}
		room <- struct{}{}
		wg.Go(func() {
			s.nodes[n] = p.node(&base.nodes[n], all, first)
			<-room
		})
	}
	p.told(s, frame)
	wg.Wait()
	return s
}

// told reads what a lab and its course were.
func (p *past) told(s *still, frame int) {
	last := func(frames []int32, known *int32, parse func(f record.Frame) error) {
		frames = until(frames, frame)
		for len(frames) > 0 && frames[len(frames)-1] > *known {
			at := frames[len(frames)-1]
			if f, err := p.rec.Frame(int(at)); err == nil && parse(f) == nil {
				*known = at
				return
			}
			frames = frames[:len(frames)-1] // it makes no sense: what was before stays
		}
	}
	last(p.labs, &s.labAt, func(f record.Frame) error {
		l, err := ParseLab(f.Lab)
		if err == nil {
			s.lab = l
		}
		return err
	})
	last(p.courses, &s.courseAt, func(f record.Frame) error {
		c, err := ParseCourse(f.Course)
		if err == nil {
			s.course = c
		}
		return err
	})
}

// node is what a node was after frames, of which those before first are in base already. Who has no sparklines is told by its last
// snapshot; who has is told by as many as give all their values, or by all that there are.
func (p *past) node(base *Node, frames []int32, first int) Node {
	for want := 1; ; want = max(2*want, keepRates+1) {
		from := p.back(frames, want)
		n := Node{}
		if from <= first {
			from, n = first, *base
		}
		for _, i := range frames[from:] {
			p.tell(&n, int(i))
		}
		if from == first || n.Snap != nil && (n.Snap.GM == nil || len(n.In) >= keepRates) {
			return n
		}
	}
}

// back is the place of the want-th snapshot before the end; 0: there are not so many.
func (p *past) back(frames []int32, want int) int {
	for i := len(frames) - 1; i >= 0; i-- {
		if p.rec.Kind(int(frames[i])) != record.Snapshot {
			continue
		}
		if want--; want == 0 {
			return i
		}
	}
	return 0
}

// tell lets a node hear a frame.
func (p *past) tell(n *Node, i int) {
	if n.Name == "" {
		n.Name = p.rec.Nodes()[p.rec.Node(i)]
	}
	if p.rec.Kind(i) == record.Event { // which is kept elsewhere; here it is a sign of life
		n.hear(control.Watch{}, p.rec.At(i))
		return
	}
	f, err := p.rec.Frame(i)
	if err != nil {
		return // as if it had not been said
	}
	if f.Role != "" {
		n.Role = f.Role
	}
	if f.Gone != "" {
		n.miss(f.Gone)
		return
	}
	n.hear(*f.Watch, f.At)
}

// keep puts a state among those that are kept, and drops what was not used for long when they are too large.
func (p *past) keep(s *still) {
	for n := range s.nodes {
		if all := until(p.byNode[n], s.frame); len(all) > 0 {
			s.cost += p.rec.Size(int(all[len(all)-1]))
		}
	}
	p.used++
	s.used = p.used
	at, _ := slices.BinarySearchFunc(p.stills, s.frame, func(o *still, frame int) int { return o.frame - frame })
	p.stills = slices.Insert(p.stills, at, s)
	total, oldest := 0, 0
	for i, o := range p.stills {
		total += o.cost
		if o.used < p.stills[oldest].used {
			oldest = i
		}
	}
	if total > stillBytes && len(p.stills) > 2 {
		p.stills = slices.Delete(p.stills, oldest, oldest+1)
	}
}
