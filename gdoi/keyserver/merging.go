package keyserver

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// merging is a merge under way: foreign keys that are still alive.
type merging struct {
	from coop.ID
	teks []gdoi.SPI
	keks []gdoi.KEKSPI
	// hold is until when nobody is registered: a newcomer would send with a key that some do not have yet.
	hold     machine.Instant
	launched bool // the first message has gone to everybody
}

const mergeKey = "merge"

type mergeRecord struct {
	From coop.ID
	TEKs []gdoi.SPI `json:",omitempty"`
	KEKs []string   `json:",omitempty"`
	Hold time.Time
}

// Merging says that keys of several sides are being brought together.
func (g *Group) Merging() bool { return g.merging != nil }

// MergeEnd is when the last foreign key ends, of a merge under way.
func (g *Group) MergeEnd() (end machine.Instant) {
	if g.merging == nil {
		return 0
	}
	end = g.merging.hold
	for _, s := range g.merging.teks {
		if t := g.tekWith(s); t != nil {
			end = max(end, t.expires)
		}
	}
	for _, s := range g.merging.keks {
		if k := g.kekWith(s); k != nil {
			end = max(end, k.expires)
		}
	}
	return end
}

// begin notes that a merge is under way.
func (m *merger) begin(now machine.Now, out machine.Effects) machine.Effects {
	g := m.g
	f := m.foreign
	f.hold = now.Mono.Add(g.cfg.ActivationDelay)
	if old := g.merging; old != nil {
		f.teks, f.keks = append(slices.Clone(old.teks), f.teks...), append(slices.Clone(old.keks), f.keks...)
	}
	g.merging = &f
	g.mustWrite(mergeKey)
	g.version++
	if _, on := g.again.Deadline(); !on {
		g.again.Set(now.Mono.Add(g.cfg.ActivationDelay)) // once more, because nobody would miss it
	}
	severity := machine.Info
	if len(m.foreign.keks) > 0 || m.theirKEKs || m.ourKEKs || len(g.merging.teks) > 0 {
		severity = machine.Warning
	}
	return append(out, g.note(gdoi.NoteCoopMerge, severity, fmt.Sprintf("key server %d: %v", m.from, m), machine.F("from", fmt.Sprint(m.from))))
}

// holdAfter the first message has gone to everybody.
func (g *Group) holdAfter() time.Duration { return min(time.Second, g.cfg.ActivationDelay/8) }

// held says whether registrations wait until all members have been told of all keys.
func (g *Group) held(now machine.Now) error {
	if g.merging == nil || now.Mono >= g.merging.hold {
		return nil
	}
	return fmt.Errorf("%w: keys of two sides are being brought together", ErrStandby)
}

// sentMerge ends the wait when the first message has gone to everybody.
func (g *Group) sentMerge(now machine.Now, out machine.Effects) machine.Effects {
	m := g.merging
	if m == nil || m.launched || !g.Active() || g.exclusion != nil && g.exclusion.pending() ||
		slices.ContainsFunc(g.deliveries, func(d *delivery) bool { return d.tx == nil || d.tx.Round() == 0 }) {
		return out
	}
	m.launched = true
	after := now.Mono
	if len(g.deliveries) > 0 {
		after = after.Add(g.holdAfter())
	}
	m.hold = min(m.hold, after)
	g.mustWrite(mergeKey)
	return g.flush(now, out)
}

// endMerge says when the last foreign key has ended.
func (g *Group) endMerge(now machine.Now, out machine.Effects) machine.Effects {
	m := g.merging
	if m == nil || now.Mono < m.hold || slices.ContainsFunc(m.teks, func(s gdoi.SPI) bool { return g.tekWith(s) != nil }) ||
		slices.ContainsFunc(m.keks, func(s gdoi.KEKSPI) bool { return g.kekWith(s) != nil }) {
		return out
	}
	g.merging = nil
	g.mustWrite(mergeKey)
	return append(out, g.note(gdoi.NoteCoopOneEpoch, machine.Info, "the keys of the other side have ended: all members have one set of keys"))
}

func addresses(list []*member) []netip.AddrPort {
	out := make([]netip.AddrPort, len(list))
	for i, m := range list {
		out[i] = m.peer.Addr
	}
	return out
}

func encodeMerging(now machine.Now, m *merging) []byte {
	if m == nil {
		return nil
	}
	r := mergeRecord{From: m.from, TEKs: m.teks, Hold: now.WallAt(m.hold)}
	for _, s := range m.keks {
		r.KEKs = append(r.KEKs, s.String())
	}
	return encode(r)
}

func (g *Group) restoreMerging(now machine.Now, b []byte) error {
	var r mergeRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	m := &merging{from: r.From, teks: r.TEKs, hold: min(now.MonoAt(r.Hold), now.Mono.Add(g.cfg.ActivationDelay))}
	for _, s := range r.KEKs {
		spi, err := hex.DecodeString(s)
		if err != nil || len(spi) != len(gdoi.KEKSPI{}) {
			return errRecord
		}
		m.keks = append(m.keks, gdoi.KEKSPI(spi))
	}
	g.merging = m
	return nil
}
