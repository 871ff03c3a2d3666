package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/replay"
	"github.com/getvpn/getvpn/esp/sadb"
)

// groupTime is the time window of one group: a second line behind the windows of sequence numbers, and the first one for a
// receiver whose windows are still empty.
type groupTime struct {
	clock  atomic.Pointer[replay.Time] // nil: nothing is stamped and nothing is judged
	demand []uint32                    // SAs under which everything is stamped; under the engine's lock
	late   lateLog
}

// timeCounts are one worker's, of one group: nobody else writes them.
type timeCounts struct {
	in, out, stale, unstamped atomic.Uint64
	delta                     atomic.Int64 // the largest distance of an accepted stamp from our time, in ns
	_                         [64]byte     // the next worker's must not share a cache line
}

// TimeStats is the time window's part of a snapshot.
type TimeStats struct {
	Group     string
	On        bool          // packets are stamped
	Window    time.Duration // 0: stamps are not judged
	Now       time.Duration // the pseudotime
	In, Out   uint64        // packets with a stamp: accepted, sent
	Stale     uint64        // dropped because of their stamp
	Unstamped uint64        // dropped because they had none
	MaxDelta  time.Duration // of an accepted stamp from our time
	Recent    []LatePacket  // that were dropped, oldest first
}

// LatePacket is one that was dropped for its time.
type LatePacket struct {
	At     Instant
	Source netip.Addr
	SPI    uint32
	Mine   time.Duration // pseudotime here
	Age    time.Duration // of the stamp; negative: from the future
	Window time.Duration
}

// lateLog keeps ten drops a minute, as an operator can read them, not as many as an attacker can send.
type lateLog struct {
	mu     sync.Mutex
	kept   [10]LatePacket
	n      int // ever kept
	begins Instant
	minute int // kept since begins
}

func (l *lateLog) add(p LatePacket) {
	if !l.mu.TryLock() {
		return
	}
	defer l.mu.Unlock()
	if p.At-l.begins >= Instant(time.Minute) || l.n == 0 {
		l.begins, l.minute = p.At, 0
	}
	if l.minute == len(l.kept) {
		return
	}
	l.minute++
	l.kept[l.n%len(l.kept)] = p
	l.n++
}

func (l *lateLog) list() (out []LatePacket) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := max(0, l.n-len(l.kept)); i < l.n; i++ {
		out = append(out, l.kept[i%len(l.kept)])
	}
	return out
}

// SetTime tells the pseudotime of a group as of t.At, which is now: what is sent is stamped, and what arrives with a stamp
// must be inside the window, and not be from before its SA was there: of SAs that there are, before now, of those that are
// installed later, before the last SetTime. Under the SAs of demand, then or later, nothing passes without one: all senders that have these keys know of the time. Nil ends all that.
func (e *Engine) SetTime(group string, t *replay.Time, demand []uint32) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	i, err := e.group(group)
	if err != nil {
		return err
	}
	if t != nil && (t.Window < 0 || t.Window > 1<<30*time.Millisecond) {
		return fmt.Errorf("%w: group %q: a time window of %v", ErrConfig, group, t.Window)
	}
	entries, _ := e.db.Entries()
	for _, x := range entries {
		if x.Group != i {
			continue
		}
		x.Demand.Store(t != nil && slices.Contains(demand, x.SA.SPI()))
		if t != nil && x.Floor.Load() == 0 {
			x.Floor.Store(int64(t.Base))
		}
	}
	e.times[i].demand = slices.Clone(demand)
	e.times[i].clock.Store(t)
	e.fitMTU()
	return nil
}

// timed adds to an SA what the group's time wants of its packets. Called with the lock held.
func (e *Engine) timed(p sadb.Params) sadb.Params {
	if t := e.times[p.Group].clock.Load(); t != nil {
		p.Floor, p.Demand = int64(t.Base), slices.Contains(e.times[p.Group].demand, p.SPI)
	}
	return p
}

// stampLen is what stamps take from the packets of a group. Called with the lock held.
func (e *Engine) stampLen(group int) int {
	if e.times[group].clock.Load() == nil {
		return 0
	}
	return esp.StampLen
}

// stamp writes the time behind a packet that is about to be sealed, and returns how much longer it is.
func (w *Worker) stamp(entry *sadb.Entry, behind []byte) int {
	t := w.engine.times[entry.Group].clock.Load()
	if t == nil {
		return 0
	}
	esp.PutStamp(behind, replay.Stamp(t.Now(int64(w.now))))
	w.times[entry.Group].out.Add(1)
	return esp.StampLen
}

// timely judges the time of an authentic packet: near ours, and not from before we had the key.
func (w *Worker) timely(entry *sadb.Entry, payload []byte, next uint8) Reason {
	g := &w.engine.times[entry.Group]
	t := g.clock.Load()
	if t == nil || t.Window == 0 {
		return None
	}
	counts := &w.times[entry.Group]
	stamp, ok := esp.Stamp(payload, next)
	if !ok {
		if entry.Demand.Load() && (next == esp.NextIPv4 || next == esp.NextIPv6) {
			counts.unstamped.Add(1)
			return Unstamped
		}
		return None
	}
	now := t.Now(int64(w.now))
	age := replay.Age(now, stamp)
	if floor := entry.Floor.Load(); !t.Fresh(age) || floor != 0 && now-age < time.Duration(floor)-t.Slack() {
		counts.stale.Add(1)
		g.late.add(LatePacket{At: w.now, Source: source(payload, next), SPI: entry.SA.SPI(), Mine: now, Age: age, Window: t.Window})
		return TimeReplay
	}
	counts.in.Add(1)
	if d := max(int64(age), -int64(age)); d > counts.delta.Load() {
		counts.delta.Store(d)
	}
	return None
}

// source is the inner source address of a packet whose stamp was found, so that its header is there.
func source(payload []byte, next uint8) netip.Addr {
	if next == esp.NextIPv4 {
		return netip.AddrFrom4([4]byte(payload[12:16]))
	}
	return netip.AddrFrom16([16]byte(payload[8:24]))
}

// TimeStats returns the state of the time windows at now, one for each group, in order.
func (e *Engine) TimeStats(now Instant) []TimeStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := slices.Clone(e.closedTimes)
	for i := range out {
		s := &out[i]
		s.Group, s.Recent = e.groups[i].Name, e.times[i].late.list()
		if t := e.times[i].clock.Load(); t != nil {
			s.On, s.Window, s.Now = true, t.Window, t.Now(int64(now))
		}
		for _, w := range e.workers {
			s.add(&w.times[i])
		}
	}
	return out
}

// add adds the counts of a worker.
func (s *TimeStats) add(c *timeCounts) {
	s.In += c.in.Load()
	s.Out += c.out.Load()
	s.Stale += c.stale.Load()
	s.Unstamped += c.unstamped.Load()
	s.MaxDelta = max(s.MaxDelta, time.Duration(c.delta.Load()))
}
