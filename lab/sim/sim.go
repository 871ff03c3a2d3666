package sim

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Sim is a run.
type Sim struct {
	cfg     Config
	rng     *rand.Rand
	now     machine.Instant
	queue   queue
	seq     uint64
	trace   hash.Hash
	nodes   []*Node // the key server, then the members
	spares  []*Node // further key servers; their indices are negative
	byAddr  map[netip.AddrPort]*Node
	Check   *Checker
	checks  []*Checker // of all groups; Check is the first
	tells   *Checker   // of the group of the last rekey that was announced
	network Network
	// cuts and splits count the faults that stop control-plane datagrams, and packets of members.
	cuts, splits map[way]int
	stats        Stats
	violations   []Violation
	// Log, if set, is told everything that happens, in words.
	Log func(Entry)
	// Tap, if set, sees every datagram that is sent.
	Tap func(from, to netip.AddrPort, b []byte)
	// Journal, if set, is told what nodes write into their journals, and Answer what they say to commands.
	Journal func(n *Node, now machine.Now, e machine.Note)
	Answer  func(n *Node, e gdoi.CommandResult)
	// Keys, if set, is told the keys of every phase-1 SA, and Arrive what becomes of every copy of a datagram: "receive", "lost" or
	// "unreachable".
	Keys    func(i, r isakmp.Cookie, p suite.Phase1, k *suite.Phase1Keys)
	Arrive  func(what string, from, to *Node, b []byte)
	done    uint64 // events of the queue that have happened
	onlooks []*onlook
	chat    *chat
	atOnce  int // of them at this instant
}

// Stats count what happened.
type Stats struct {
	Steps, Sent, Lost, Delivered uint64
	// Notes counts journal events by name.
	Notes map[string]uint64
}

// New builds a run: the key server starts at 0, members within StartSpread.
func New(cfg Config) *Sim {
	if c := cfg.Cast; c != nil { // files may change, see Recast
		cfg.Cast = &Cast{KeyServers: slices.Clone(c.KeyServers), Members: slices.Clone(c.Members)}
	}
	s := &Sim{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x6765747670_6e)), trace: sha256.New(), byAddr: map[netip.AddrPort]*Node{},
		network: cfg.Network, stats: Stats{Notes: map[string]uint64{}}, cuts: map[way]int{}, splits: map[way]int{},
	}
	s.Check = s.checkOf(cfg.group())
	s.tells = s.Check
	for i := range cfg.Members + 1 {
		n := &Node{s: s, index: i, disk: map[diskKey][]byte{}, crashIn: -1}
		n.Name, n.Addr, n.other = cfg.place(i)
		if i == 0 {
			n.token = s.tokenOf(n)
		}
		s.nodes = append(s.nodes, n)
		s.listens(n)
		at := time.Duration(0)
		if i > 0 && cfg.StartSpread > 0 {
			at = cfg.StartAfter + time.Duration(s.rng.Int64N(int64(cfg.StartSpread)))
		}
		if !cfg.manual(i) {
			s.After(at, n.Start)
		}
	}
	for i := range cfg.spares() {
		n := &Node{s: s, index: -1 - i, disk: map[diskKey][]byte{}, crashIn: -1}
		n.Name, n.Addr, n.other = cfg.place(n.index)
		n.token = s.tokenOf(n)
		s.spares = append(s.spares, n)
		s.listens(n)
		if !cfg.manual(n.index) {
			s.After(0, n.Start)
		}
	}
	if cfg.Coop != nil {
		s.After(time.Second, s.watch)
	}
	return s
}

// listens makes a node reachable; a key server over both families, if the run has them.
func (s *Sim) listens(n *Node) {
	s.byAddr[n.Addr] = n
	if n.other.IsValid() {
		s.byAddr[n.other] = n
	}
}

// from is the address that a node sends from.
func (n *Node) from(to netip.AddrPort) netip.AddrPort {
	if n.other.IsValid() && n.Addr.Addr().Is4() != to.Addr().Is4() {
		return n.other
	}
	return n.Addr
}

// KS is the key server.
func (s *Sim) KS() *Node { return s.nodes[0] }

// KeyServers are all key servers.
func (s *Sim) KeyServers() []*Node { return append([]*Node{s.nodes[0]}, s.spares...) }

// Spare is spare key server i, from 1.
func (s *Sim) Spare(i int) *Node { return s.spares[i-1] }

// GM is member i, from 1.
func (s *Sim) GM(i int) *Node { return s.nodes[i] }

// Members are all members.
func (s *Sim) Members() []*Node { return s.nodes[1:] }

// Stats returns the counts so far.
func (s *Sim) Stats() Stats { return s.stats }

// Now is the current instant; runs begin at 0.
func (s *Sim) Now() time.Duration { return time.Duration(s.now) }

func (s *Sim) clock() machine.Now {
	return machine.Now{Mono: s.now, Wall: s.cfg.epoch().Add(time.Duration(s.now))}
}

// TraceHash is a digest of everything that has happened.
func (s *Sim) TraceHash() [32]byte { return [32]byte(s.trace.Sum(nil)) }

// record adds to the trace.
func (s *Sim) record(kind string, node int, b []byte) {
	var h [24]byte
	binary.BigEndian.PutUint64(h[:], uint64(s.now))
	binary.BigEndian.PutUint64(h[8:], uint64(node))
	binary.BigEndian.PutUint64(h[16:], uint64(len(b)))
	s.trace.Write(h[:])
	s.trace.Write([]byte(kind))
	s.trace.Write(b)
}

// After calls f when d has passed.
func (s *Sim) After(d time.Duration, f func()) {
	s.seq++
	heap.Push(&s.queue, item{s.now.Add(d), s.seq, f})
}

// mostAtOnce is how many events one instant may have; with more of them a machine asks for a timeout again and again.
const mostAtOnce = 1e5

// Run goes on until the given time since the beginning.
func (s *Sim) Run(until time.Duration) {
	for s.due(until) {
		s.next()
	}
	s.look(machine.Instant(until))
	s.now = machine.Instant(until)
	s.settle()
}

// onlook is somebody who looks at the run from time to time.
type onlook struct {
	next   machine.Instant
	period time.Duration
	f      func()
}

// Each calls f every period, between events, to look: it must not change the run, and is no part of it.
func (s *Sim) Each(period time.Duration, f func()) {
	s.onlooks = append(s.onlooks, &onlook{s.now.Add(period), period, f})
}

// look calls those whose time comes before an instant.
func (s *Sim) look(before machine.Instant) {
	for {
		var first *onlook
		for _, o := range s.onlooks {
			if o.next <= before && (first == nil || o.next < first.next) {
				first = o
			}
		}
		if first == nil {
			return
		}
		s.now = max(s.now, first.next)
		first.next = first.next.Add(first.period)
		first.f()
	}
}

// due says whether something is to happen until then.
func (s *Sim) due(until time.Duration) bool {
	return len(s.queue) > 0 && s.queue[0].at <= machine.Instant(until)
}

// next is the next event of the queue.
func (s *Sim) next() {
	it := heap.Pop(&s.queue).(item)
	s.look(it.at)
	if s.atOnce++; it.at != s.now {
		s.atOnce = 0
	} else if s.atOnce > mostAtOnce {
		panic(fmt.Sprintf("sim: time stands still at %v", s.Now()))
	}
	s.now = it.at
	s.done++
	it.f()
}

// Degrade changes the network from now on.
func (s *Sim) Degrade(n Network) { s.network = n }

// Partition puts nodes on an island of their own; 0 is the mainland.
func (s *Sim) Partition(island int, nodes ...*Node) {
	for _, n := range nodes {
		n.island = island
	}
}

// Heal ends all partitions.
func (s *Sim) Heal() {
	s.Partition(0, s.all()...)
	clear(s.cuts)
	clear(s.splits)
}

// transmit is the network.
func (s *Sim) transmit(from *Node, to netip.AddrPort, b []byte) {
	s.stats.Sent++
	for _, c := range s.checks {
		c.transmitted(from, to, b)
	}
	if s.Tap != nil {
		s.Tap(from.from(to), to, b)
	}
	s.Check.overheard(from, to, b)
	if to.Addr().IsMulticast() {
		// The core replicates: each member that has joined gets a copy with a fate of its own.
		for _, n := range s.nodes {
			if n.joined[to] && n != from {
				s.carry(from, n, to, b)
			}
		}
		return
	}
	s.carry(from, s.byAddr[to], to, b)
}

// carry brings a datagram that was sent to an address to one node, or not.
func (s *Sim) carry(from, dst *Node, to netip.AddrPort, b []byte) {
	copies := 1
	if s.rng.Float64() < s.network.Duplicate {
		copies = 2
	}
	for range copies {
		if dst == nil || dst.deaf && to.Addr().IsMulticast() || s.rng.Float64() < s.network.Loss {
			s.stats.Lost++
			s.logDatagram("lost", from, dst, b)
			continue
		}
		delay := s.network.Latency
		if s.network.Jitter > 0 {
			delay += time.Duration(s.rng.Int64N(int64(s.network.Jitter)))
		}
		s.After(delay, func() {
			if !s.passes(from, dst) || !dst.Up() {
				s.stats.Lost++
				s.logDatagram("unreachable", from, dst, b)
				return
			}
			s.stats.Delivered++
			s.logDatagram("receive", from, dst, b)
			dst.receive(machine.Datagram{Local: to, Remote: from.from(to), Bytes: b})
		})
	}
}

// Inject delivers a datagram that nobody in the run sent.
func (s *Sim) Inject(to *Node, from netip.AddrPort, b []byte) {
	if to.Up() {
		to.receive(machine.Datagram{Local: to.Addr, Remote: from, Bytes: b})
	}
}

// item is an event: what to do, when; equal instants keep their order.
type item struct {
	at  machine.Instant
	seq uint64
	f   func()
}

type queue []item

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *queue) Push(x any) { *q = append(*q, x.(item)) }

func (q *queue) Pop() any {
	old := *q
	it := old[len(old)-1]
	old[len(old)-1] = item{}
	*q = old[:len(old)-1]
	return it
}

// Traffic makes every member send to every other from now on: each period, a member that would get packets under a key
// that it does not hold reports that, as its data plane does.
func (s *Sim) Traffic(period time.Duration) {
	s.After(period, func() {
		for _, n := range s.nodes[1:] {
			for _, c := range s.checks {
				for _, spi := range c.unreadable(n) {
					n.Do(gdoi.DataPlaneReport{Group: c.group, SPI: spi, Kind: gdoi.UnknownSPI})
				}
			}
		}
		s.Traffic(period)
	})
}
