package engine

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp/sadb"
)

// Stats is a snapshot of the counters, an immutable value.
type Stats struct {
	InPackets, InBytes   uint64      // opened and delivered; octets of the inner packets
	OutPackets, OutBytes uint64      // sealed and sent; octets of the inner packets
	Clear                uint64      // sent in clear because the policy says so
	Replies              uint64      // ICMP errors
	Drops                []Counter   // those that are not zero, sorted by name
	SAs                  []SAStats   // sorted by SPI
	Rules                []RuleStats // groups in order, local rules first
	Groups               []GroupStats
}

// Counter is a named count.
type Counter struct {
	Name  string
	Count uint64
}

// GroupStats is a group's traffic since the start, that under SAs that are no more too.
type GroupStats struct {
	Name string
	sadb.Traffic
}

// SAStats is one SA's part of a snapshot.
type SAStats struct {
	Group                string
	SPI                  uint32
	Sending              bool
	SIDs                 []uint32
	Senders              int // that there is a replay window for
	InPackets, InBytes   uint64
	OutPackets, OutBytes uint64
	Remaining            uint64 // packets that can still be sealed with our sender ids
}

// RuleStats is the hit count of one rule.
type RuleStats struct {
	Group string
	Local bool
	Index int // within the local rules or within the group's list
	Hits  uint64
}

// batchCounts are one worker's counts since the last publish; no atomics needed within a batch.
type batchCounts struct {
	traffic
	clear, replies uint64

	sa  *sadb.Entry // of the packets since the last other one's
	run traffic
}

type traffic struct{ inPackets, inBytes, outPackets, outBytes uint64 }

func (c *batchCounts) in(sa *sadb.Entry, n int) {
	c.turn(sa)
	c.run.inPackets++
	c.run.inBytes += uint64(n)
}

func (c *batchCounts) out(sa *sadb.Entry, n int) {
	c.turn(sa)
	c.run.outPackets++
	c.run.outBytes += uint64(n)
}

// turn gives an SA what was counted for it, if it is another one's turn: workers share its counters, and an atomic addition
// for every packet would move their cache line to and fro.
func (c *batchCounts) turn(sa *sadb.Entry) {
	if c.sa == sa {
		return
	}
	if c.sa != nil {
		c.sa.Count(c.run.inPackets, c.run.inBytes, c.run.outPackets, c.run.outBytes)
		c.inPackets += c.run.inPackets
		c.inBytes += c.run.inBytes
		c.outPackets += c.run.outPackets
		c.outBytes += c.run.outBytes
	}
	c.sa, c.run = sa, traffic{}
}

// totals are counts that others may read.
type totals struct {
	inPackets, inBytes, outPackets, outBytes, clear, replies atomic.Uint64
	drops                                                    [numReasons]atomic.Uint64
}

func (t *totals) publish(c *batchCounts) {
	c.turn(nil)
	t.inPackets.Add(c.inPackets)
	t.inBytes.Add(c.inBytes)
	t.outPackets.Add(c.outPackets)
	t.outBytes.Add(c.outBytes)
	t.clear.Add(c.clear)
	t.replies.Add(c.replies)
	*c = batchCounts{}
}

func (t *totals) addAll(o *totals) {
	t.publish(&batchCounts{
		traffic: traffic{o.inPackets.Load(), o.inBytes.Load(), o.outPackets.Load(), o.outBytes.Load()},
		clear:   o.clear.Load(), replies: o.replies.Load(),
	})
	for i := range o.drops {
		t.drops[i].Add(o.drops[i].Load())
	}
}

// Stats returns a snapshot.
func (e *Engine) Stats() Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	var sum totals
	sum.addAll(&e.closed)
	for _, w := range e.workers {
		sum.addAll(&w.totals)
	}
	s := Stats{
		InPackets: sum.inPackets.Load(), InBytes: sum.inBytes.Load(),
		OutPackets: sum.outPackets.Load(), OutBytes: sum.outBytes.Load(),
		Clear: sum.clear.Load(), Replies: sum.replies.Load(),
	}
	for r := range sum.drops {
		if n := sum.drops[r].Load(); n > 0 {
			s.Drops = append(s.Drops, Counter{Reason(r).String(), n})
		}
	}
	slices.SortFunc(s.Drops, func(a, b Counter) int { return strings.Compare(a.Name, b.Name) })
	s.SAs = e.saStats()
	t := e.table.Load()
	traffic := e.db.Traffic()
	for i, g := range e.groups {
		s.Groups = append(s.Groups, GroupStats{g.Name, traffic[i]})
		local, rules := t.Hits(i)
		for j, n := range local {
			s.Rules = append(s.Rules, RuleStats{g.Name, true, j, n})
		}
		for j, n := range rules {
			s.Rules = append(s.Rules, RuleStats{g.Name, false, j, n})
		}
	}
	return s
}

func (e *Engine) saStats() []SAStats {
	entries, sending := e.db.Entries()
	out := make([]SAStats, len(entries))
	for i, x := range entries {
		out[i] = SAStats{
			Group: e.groups[x.Group].Name, SPI: x.SA.SPI(), Sending: len(sending[i]) > 0, Senders: x.Senders(),
			InPackets: x.InPackets.Load(), InBytes: x.InBytes.Load(),
			OutPackets: x.OutPackets.Load(), OutBytes: x.OutBytes.Load(),
		}
		if sender := x.Sender(); sender != nil {
			out[i].SIDs, out[i].Remaining = slices.Clone(sender.SIDs()), sender.Remaining()
		}
	}
	return out
}
