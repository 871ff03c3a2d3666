package coop

import (
	"bytes"
	"fmt"
	"maps"
	mrand "math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// world is some cells, without keys and members, on a network that delays, loses and splits.
type world struct {
	t      testing.TB
	rng    *mrand.Rand
	now    machine.Instant
	nodes  []*testNode // by id - 1
	queue  []packet
	cut    map[[2]ID]bool // one way each
	terms  map[uint64]ID  // every primary that ever was
	trace  []string
	loss   float64
	slow   time.Duration // what all packets take longer
	window time.Duration
}

// packet is under way, or waits for a way.
type packet struct {
	from, to  ID
	at        machine.Instant
	body      []byte
	announce  bool
	wantReply bool
	seq       uint64
	restarted bool
}

// testNode is a key server process; facts stand for the group's state.
type testNode struct {
	w       *world
	id      ID
	timers  Timers
	prio    int
	cell    *Cell
	up      bool
	paused  bool
	boots   int
	disk    map[string][]byte
	pending machine.Effects // held back while it is paused
	seq     uint64
	stream  map[ID]int // grows whenever the stream with a peer begins anew

	// the group
	active   bool
	facts    map[string]uint64 // and the number of the change that brought it
	head     uint64
	ready    bool
	released uint64
	own      []string // to be reported
	reports  uint64
	digest   byte
	off      time.Duration // how far its time is from that of the others

	// the key custody
	transports map[ID]string // that it was told
	unusable   string
	full       string
}

var at0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newCells(t testing.TB, seed uint64, timers Timers, priorities ...int) *world {
	w := &world{t: t, rng: mrand.New(mrand.NewPCG(seed, 1)), cut: map[[2]ID]bool{}, terms: map[uint64]ID{}}
	for i, p := range priorities {
		w.nodes = append(w.nodes, &testNode{w: w, id: ID(i + 1), timers: timers, prio: p, disk: map[string][]byte{}, stream: map[ID]int{}})
	}
	return w
}

func (w *world) clock() machine.Now {
	return machine.Now{Mono: w.now, Wall: at0.Add(time.Duration(w.now))}
}

func (w *world) addr(id ID) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(id)}), 848)
}

// boot starts a process from its disk.
func (n *testNode) boot() {
	n.boots++
	n.up, n.paused, n.active, n.ready, n.head, n.own, n.reports, n.released = true, false, false, false, 0, nil, 0, 0
	n.facts, n.pending, n.transports, n.unusable, n.full = map[string]uint64{}, nil, map[ID]string{}, "", ""
	var stored []machine.Record
	for k, v := range n.disk {
		if k == stateKey {
			stored = append(stored, machine.Record{Bucket: Bucket("blue"), Key: k, Value: v})
		} else {
			n.facts[k] = 0
		}
	}
	cfg := Config{Name: "blue", Group: "1234", ID: n.id, Addr: n.w.addr(n.id), Priority: n.prio, Timers: n.timers, Transport: []byte{byte(n.id)}}
	for _, o := range n.w.nodes {
		if o != n {
			cfg.Peers = append(cfg.Peers, Peer{ID: o.id, Addr: n.w.addr(o.id), Link: &testLink{n, o}})
			n.restartStream(o)
		}
	}
	env := machine.NewEnv(mrand.NewChaCha8([32]byte{byte(n.id), byte(n.boots)}))
	n.cell = New(env, cfg, n, stored, len(n.facts) > 0)
	n.step(func(now machine.Now, out machine.Effects) machine.Effects { return n.cell.Start(now, out) })
}

// restartStream begins the stream of a pair anew: the other side hears of it first of all, and so does this one.
func (n *testNode) restartStream(o *testNode) {
	n.stream[o.id]++
	o.stream[n.id]++
	w := n.w
	w.queue = slices.DeleteFunc(w.queue, func(p packet) bool {
		return p.from == n.id && p.to == o.id || p.from == o.id && p.to == n.id
	})
	for _, p := range []packet{{from: n.id, to: o.id}, {from: o.id, to: n.id}} {
		p.restarted = true
		p.at = w.now.Add(w.delay())
		w.queue = append(w.queue, p)
	}
}

func (w *world) delay() time.Duration {
	return w.slow + time.Duration(1+w.rng.IntN(8))*time.Millisecond
}

func (n *testNode) crash() {
	n.up = false
	n.w.queue = slices.DeleteFunc(n.w.queue, func(p packet) bool { return p.from == n.id || p.to == n.id })
}

// step runs something in the process and carries out its effects.
func (n *testNode) step(f func(machine.Now, machine.Effects) machine.Effects) {
	now := n.w.clock()
	out := n.cell.Woken(now, nil)
	out = f(now, out)
	n.effects(n.cell.Pump(now, out))
}

func (n *testNode) effects(out machine.Effects) {
	for _, e := range out {
		switch e := e.(type) {
		case machine.Note:
			n.w.log("%d: %s %s", n.id, e.Name, e.Text)
		case machine.Persist:
			for _, r := range e.Records {
				if r.Value == nil {
					delete(n.disk, r.Key)
				} else {
					n.disk[r.Key] = bytes.Clone(r.Value)
				}
			}
			n.step(func(now machine.Now, out machine.Effects) machine.Effects {
				return n.cell.Persisted(now, machine.Persisted{ID: e.ID}, out)
			})
		}
	}
}

func (w *world) log(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%8.3f ", time.Duration(w.now).Seconds())+fmt.Sprintf(format, args...))
}

// run lets time pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	var last machine.Instant
	turns := 0
	for {
		next, do := end, func() {}
		for _, n := range w.nodes {
			if !n.up || n.paused {
				continue
			}
			if at, ok := n.cell.Deadline(); ok && at < next {
				next, do = at, func() {
					n.step(n.cell.Timeout)
				}
			}
		}
		for i, p := range w.queue {
			to := w.nodes[p.to-1]
			if p.at < next && (!to.paused) && (!w.cut[[2]ID{p.from, p.to}] || p.announce) {
				next, do = p.at, func() {
					w.queue = slices.Delete(w.queue, i, i+1)
					w.deliver(p)
				}
			}
		}
		if next >= end {
			w.now = max(w.now, end)
			return
		}
		w.now = max(w.now, next)
		if do(); next == last {
			if turns++; turns > 10000 {
				w.fatal("time stands still: %s", w.dump())
			}
		} else {
			last, turns = next, 0
		}
	}
}

func (w *world) deliver(p packet) {
	to := w.nodes[p.to-1]
	if !to.up || p.announce && w.cut[[2]ID{p.from, p.to}] {
		return
	}
	to.step(func(now machine.Now, out machine.Effects) machine.Effects {
		if p.restarted {
			return to.cell.Restarted(now, p.from, out)
		}
		out, err := to.cell.Receive(now, p.from, p.body, p.announce, p.wantReply, p.seq, out)
		if err != nil {
			w.t.Errorf("%d, from %d: %v", p.to, p.from, err)
		}
		return out
	})
}

// testLink is the way from one to another: in order and reliable, or by luck.
type testLink struct{ n, o *testNode }

func (l *testLink) put(p packet) {
	w := l.n.w
	p.from, p.to = l.n.id, l.o.id
	l.n.seq++
	p.seq, p.at = l.n.seq, w.now.Add(w.delay())
	if !p.announce {
		for _, q := range w.queue {
			if q.from == p.from && q.to == p.to && !q.announce {
				p.at = max(p.at, q.at+1)
			}
		}
	}
	w.queue = append(w.queue, p)
}

func (l *testLink) Send(_ machine.Now, msg []byte, out machine.Effects) (machine.Effects, error) {
	if l.o.up {
		l.put(packet{body: msg})
	}
	return out, nil
}

func (l *testLink) Announce(_ machine.Now, msg []byte, wantReply bool, out machine.Effects) (machine.Effects, error) {
	if w := l.n.w; !w.cut[[2]ID{l.n.id, l.o.id}] && w.rng.Float64() >= w.loss {
		l.put(packet{body: msg, announce: true, wantReply: wantReply})
	}
	return out, nil
}

func (l *testLink) Ahead(machine.Now) (time.Duration, bool) { return 0, true }

func (l *testLink) Flight(machine.Now) (flight, doubt time.Duration, ok bool) {
	return l.n.w.slow + 4*time.Millisecond, 4 * time.Millisecond, true
}

// The group of a testNode: facts, which the primary makes and secondaries report.

func (n *testNode) SetReady(ready bool, _ string) { n.ready = ready }
func (n *testNode) SetInStep(machine.Now, int)    {}
func (n *testNode) Epoch() uint64                 { return 0 }
func (n *testNode) MemberCount() int              { return len(n.facts) }
func (n *testNode) Head() uint64                  { return n.head }
func (n *testNode) Reaches(uint64) bool           { return true }
func (n *testNode) Pseudotime(now machine.Now) (is, window time.Duration) {
	if n.w.window == 0 {
		return 0, 0
	}
	return time.Duration(now.Wall.UnixNano()) + n.off, n.w.window
}
func (n *testNode) Digest() [32]byte     { return [32]byte{1, n.digest} }
func (n *testNode) PolicyText() []string { return []string{"same", fmt.Sprint("policy ", n.digest)} }

func (n *testNode) TakeOver(_ machine.Now, term uint64, out machine.Effects) machine.Effects {
	if n.active {
		n.w.t.Errorf("%d takes over twice", n.id)
	}
	if id, ok := n.w.terms[term]; ok {
		n.w.t.Errorf("%d takes over in term %d, which was that of %d", n.id, term, id)
	}
	n.w.terms[term] = n.id
	n.active = true
	return n.make(fmt.Sprintf("k%d", term), out)
}

func (n *testNode) StandDown(_ machine.Now, out machine.Effects) machine.Effects {
	if !n.active {
		n.w.t.Errorf("%d stands down twice", n.id)
	}
	n.active = false
	return out
}

// make is a change by the primary.
func (n *testNode) make(fact string, out machine.Effects) machine.Effects {
	n.head++
	n.facts[fact] = n.head
	return append(out, machine.Persist{ID: n.cell.env.NextPersist(), Records: []machine.Record{{Key: fact, Value: []byte{1}}}})
}

func (n *testNode) Since(_ machine.Now, from uint64) (out []machine.Record) {
	for _, k := range slices.Sorted(maps.Keys(n.facts)) {
		if from == 0 || n.facts[k] > from {
			out = append(out, machine.Record{Key: k, Value: []byte{1}})
		}
	}
	return out
}

func (n *testNode) Replicated(_ machine.Now, r uint64, out machine.Effects) machine.Effects {
	n.released = min(r, n.head)
	return out
}

func (n *testNode) Apply(_ machine.Now, _ time.Duration, records []machine.Record, full bool, out machine.Effects) (machine.Effects, machine.PersistID, error) {
	if n.active {
		n.w.t.Errorf("%d is primary and applies", n.id)
	}
	var write []machine.Record
	if full {
		n.off = 0 // the time is part of the state
		for k := range n.facts {
			write = append(write, machine.Record{Key: k})
		}
		clear(n.facts)
		for _, k := range n.own {
			records = append(records, machine.Record{Key: k, Value: []byte{1}})
		}
	}
	for _, r := range records {
		n.facts[r.Key] = 0
		write = append(write, machine.Record{Key: r.Key, Value: []byte{1}})
	}
	id := n.cell.env.NextPersist()
	return append(out, machine.Persist{ID: id, Records: write}), id, nil
}

func (n *testNode) Reports(machine.Now) (out []machine.Record, _ uint64) {
	for _, k := range n.own {
		out = append(out, machine.Record{Key: k, Value: []byte{1}})
	}
	return out, n.reports
}

func (n *testNode) Reported(r uint64) {
	if done := int(r) - (int(n.reports) - len(n.own)); done > 0 {
		n.own = n.own[done:]
	}
}

func (n *testNode) Adopt(now machine.Now, _ time.Duration, _ ID, records []machine.Record, out machine.Effects) (machine.Effects, error) {
	if !n.active {
		n.w.t.Errorf("%d is secondary and adopts", n.id)
	}
	for _, r := range records {
		out = n.make(r.Key, out)
	}
	return out, nil
}

func (n *testNode) Merge(now machine.Now, _ time.Duration, from ID, records []machine.Record, out machine.Effects) (bool, machine.Effects, error) {
	fresh := false
	for _, r := range records {
		if _, ok := n.facts[r.Key]; !ok {
			fresh, out = true, n.make(r.Key, out)
		}
	}
	return fresh, out, nil
}

func (n *testNode) Trust(_ machine.Now, _ ID, _ []byte, out machine.Effects) machine.Effects {
	return out
}

func (n *testNode) TrustTransport(_ machine.Now, id ID, key []byte, out machine.Effects) machine.Effects {
	n.transports[id] = string(key)
	return out
}

func (n *testNode) Unusable() string    { return n.unusable }
func (n *testNode) Unrenewable() string { return n.full }
