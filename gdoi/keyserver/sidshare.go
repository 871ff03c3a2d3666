package keyserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// sidRecord is how far a key server has given its sender ids.
type sidRecord struct {
	Next uint64
	// Gen counts how often all ids were free again, under new keys.
	Gen uint64 `json:",omitempty"`
	// Served says that the key server has begun to give ids, Full that it was asked for more than it has.
	Served bool `json:",omitempty"`
	Full   bool `json:",omitempty"`
	// Life names the time since the key server began without records; 0: nobody knows, or what is known is of several lives.
	Life int64 `json:",omitempty"`
	// Not before this time does the key server give any: it has lost its records.
	Not time.Time `json:",omitzero"`
}

const sidsKind = "sids"

func sidsKey(id coop.ID) string { return sidsKind + "/" + strconv.Itoa(int(id)) }

// parseID reads the part of a key that names a key server.
func parseID(s string) (coop.ID, error) {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n < 1 || n > coop.MaxKeyServers || s != strconv.Itoa(int(n)) {
		return 0, errRecord
	}
	return coop.ID(n), nil
}

// sidsOf is the record of a key server; ours is made of what there is.
func (g *Group) sidsOf(now machine.Now, id coop.ID) (sidRecord, bool) {
	if g.cfg.Coop == nil || id != g.cfg.Coop.ID {
		r, ok := g.replica.sids[id]
		return r, ok
	}
	r := sidRecord{Next: g.sidNext, Gen: g.replica.generation, Served: g.replica.ownSIDs, Full: g.replica.full, Life: g.replica.life}
	if g.replica.notBefore > now.Mono {
		r.Not = now.WallAt(g.replica.notBefore)
	}
	return r, true
}

func (g *Group) restoreSIDs(now machine.Now, name string, b []byte) error {
	var r sidRecord
	id, err := parseID(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	if r.Next > g.cfg.space.end() {
		return errRecord
	}
	mark(&g.replica.sids, id, r)
	if c := g.cfg.Coop; c != nil && c.ID == id {
		g.replica.ownSIDs, g.replica.full, g.replica.life = true, r.Full, r.Life
		g.replica.sidSafe = max(g.cfg.SIDFirst, r.Next)
		g.sidNext, g.replica.generation = max(g.cfg.SIDFirst, r.Next), r.Gen
		g.replica.notBefore = 0
		if !r.Not.IsZero() {
			g.replica.notBefore = min(now.MonoAt(r.Not), now.Mono.Add(g.memberLife()))
		}
	}
	return nil
}

// formerlyAlone takes over the sender ids of a time in which this was the only key server: up to next they were given.
func (g *Group) formerlyAlone(next uint64) {
	for _, id := range g.cfg.Coop.IDs {
		part := g.cfg.space.of(id)
		g.putSIDs(id, sidRecord{Next: min(max(part.first, next), part.end()), Served: id == g.cfg.Coop.ID})
	}
}

// putSIDs notes how far another key server is, or that this one goes on from there.
func (g *Group) putSIDs(id coop.ID, r sidRecord) {
	mark(&g.replica.sids, id, r)
	if id == g.cfg.Coop.ID {
		g.sidNext, g.replica.generation, g.replica.ownSIDs, g.replica.full = max(r.Next, g.cfg.SIDFirst), r.Gen, true, r.Full
		g.replica.sidSafe, g.replica.sidMark.next = g.sidNext, g.sidNext
	}
	mark(&g.durable.sids, id, true)
}

// learnSIDs takes what another key server knows of ids that were given: of its own, or of ours. Within a generation they
// only go up; those of an older one are void with its keys. first says that who gives the ids has heard of all that is known
// here: its life counts, where several are told of.
func (g *Group) learnSIDs(now machine.Now, id coop.ID, r sidRecord, first bool) {
	have, ok := g.sidsOf(now, id)
	r.Not = time.Time{} // it is for the one who waits
	switch {
	case id == g.cfg.Coop.ID && !g.replica.ownSIDs:
		g.leaveGap(now, r, 0)
		return
	case ok && r.Gen < have.Gen:
		return
	case id == g.cfg.Coop.ID && r.Served && r.Life != have.Life && (r.Gen > have.Gen || r.Next >= g.replica.heard):
		// We began without records and made keys of our own before we heard of this.
		g.replica.heard = r.Next + 1
		own := uint64(0)
		if r.Gen == have.Gen {
			r.Full, own = r.Full || have.Full, have.Next
		}
		g.leaveGap(now, r, own)
		return
	case ok && r.Gen == have.Gen:
		r.Next, r.Full = max(r.Next, have.Next), r.Full || have.Full
	}
	r.Served = r.Served || have.Served
	switch {
	case id == g.cfg.Coop.ID:
		r.Life = have.Life
	case ok && !first && r.Life != have.Life:
		r.Life = 0
	}
	if have.Not = r.Not; !ok || r != have {
		g.putSIDs(id, r)
	}
}

// leaveGap begins to count without records. r is what another key server knows of us, own the id after those that we have given
// since, or 0. If it knows nothing, we have given none, because nobody registers members before somebody else knows of his record;
// but he who knew may be gone too, and so the gap is random in part, and where ids are plenty they begin anywhere.
func (g *Group) leaveGap(now machine.Now, r sidRecord, own uint64) {
	switch {
	case r.Served && g.cfg.SIDBits >= gapBits:
		gap := g.cfg.SIDCount / gapPart
		r.Next = min(r.Next+gap+uint64(g.env.Uint32())%gap, g.cfg.SIDFirst+g.cfg.SIDCount)
	case r.Served:
		g.replica.notBefore = now.Mono.Add(g.memberLife())
	case g.cfg.SIDBits >= plentyBits:
		r.Next = max(r.Next, g.cfg.SIDFirst+uint64(g.env.Uint32())%(g.cfg.SIDCount/4+1))
	}
	r.Next = max(r.Next, own)
	r.Not, r.Served, r.Life = time.Time{}, true, g.replica.life
	g.putSIDs(g.cfg.Coop.ID, r)
	if g.replica.standby {
		g.replica.reported++
		g.replica.unvouched = g.replica.reported
		mark(&g.replica.reports, sidsKey(g.cfg.Coop.ID), g.replica.reported)
	}
}

// sidsConfirmed notes that the others know of all sender ids up to next, which were given until change n.
func (g *Group) sidsConfirmed(n uint64) {
	r := &g.replica
	if n >= r.sidMark.n {
		r.sidSafe = max(r.sidSafe, r.sidMark.next)
		r.sidMark.n, r.sidMark.next = r.number(), g.sidNext
	}
}

// unknownSIDs says whether there is no room for ids of which no other key server knows.
func (g *Group) unknownSIDs(now machine.Now, want uint64) error {
	r := &g.replica
	if g.cfg.Coop == nil {
		return nil
	}
	if now.Mono < r.notBefore {
		return fmt.Errorf("%w: this key server has lost its records, and members may have the ids that it gave before, for %v more", ErrNoSenderIDs, r.notBefore.Sub(now.Mono).Round(time.Second))
	}
	if g.cfg.SIDBits < gapBits || g.sidNext+want <= r.sidSafe+g.cfg.SIDCount/gapPart {
		return nil
	}
	if g.cfg.Coop.Split == coop.Fork && !slices.ContainsFunc(g.teks, func(t *tek) bool { return t.created <= r.lastContact }) {
		r.sidSafe = g.sidNext // nobody out of reach has any of these keys
		return nil
	}
	return fmt.Errorf("%w: %d were given and no other key server could be told; bring one into reach, or raise sender-ids bits", ErrNoSenderIDs, g.sidNext-r.sidSafe)
}

// renumber begins to count again, everywhere: all keys are new.
func (g *Group) renumber() {
	if g.cfg.Coop == nil {
		g.sidNext = g.cfg.SIDFirst
		return
	}
	gen := g.replica.generation
	for _, r := range g.replica.sids {
		gen = max(gen, r.Gen)
	}
	for _, id := range g.cfg.Coop.IDs {
		r := g.replica.sids[id]
		if id == g.cfg.Coop.ID {
			r.Served, r.Life = true, g.replica.life
		}
		g.putSIDs(id, sidRecord{Next: g.cfg.space.of(id).first, Gen: gen + 1, Served: r.Served, Life: r.Life})
	}
	g.replica.notBefore = 0
}

// exhausted says whether another key server was asked for more ids than it has.
func (g *Group) exhausted() bool {
	for id, r := range g.replica.sids {
		if id != g.cfg.Coop.ID && r.Gen == g.replica.generation && r.Full {
			return true
		}
	}
	return false
}

// gave says whether the sender ids of a member are of this key server's part.
func (g *Group) gave(m *member) bool {
	return g.cfg.Coop == nil || len(m.sids) == 0 || sidRange{g.cfg.SIDFirst, g.cfg.SIDCount}.has(uint64(m.sids[0]))
}

// cannotReset says why ids cannot be given once more: that takes new keys everywhere.
func (g *Group) cannotReset() error {
	switch {
	case g.replica.standby:
		return fmt.Errorf("%w: those of this key server are used up", ErrNoSenderIDs)
	case !g.whole():
		return fmt.Errorf("%w: they are used up, and the keys cannot be replaced everywhere while key servers are out of reach", ErrNoSenderIDs)
	}
	return g.renewable()
}

// askForSIDs says in our record that there are too few, so that the primary sees to it.
func (g *Group) askForSIDs(now machine.Now, out machine.Effects) machine.Effects {
	if g.replica.standby && !g.replica.full {
		g.replica.full = true
		mark(&g.durable.sids, g.cfg.Coop.ID, true)
		return g.flush(now, out)
	}
	return out
}
