package keyserver

import (
	"maps"
	"slices"
	"sort"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// persistRetry is the wait after the store failed.
const persistRetry = 2 * time.Second

// durable collects what must be written: each step marks what it changed, and persist makes one transaction of it.
type durable struct {
	teks    map[gdoi.SPI]*tek // nil: deleted
	keks    map[gdoi.KEKSPI]*kek
	members map[string]*member
	removed map[string]*removal
	// ratchets by context.
	ratchets   map[string]*ratchet
	past       map[string]bool  // names of records
	sids       map[coop.ID]bool // those of key servers
	trust      map[coop.ID]bool
	transports map[coop.ID]bool
	// exclusion says that it has changed.
	exclusion bool
	policy    bool
	signer    bool
	reserved  machine.PersistID
	waiting   map[machine.PersistID][]string // what each transaction deletes
	dead      map[string]bool                // what the store has not deleted when it failed
	full      machine.PersistID              // the last transaction that held everything
	retry     machine.Timer
	failing   bool
}

func mark[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

func (d *durable) tek(t *tek)              { mark(&d.teks, t.spi, t) }
func (d *durable) deleteTEK(s gdoi.SPI)    { mark(&d.teks, s, nil) }
func (d *durable) kek(k *kek)              { mark(&d.keks, k.spi, k) }
func (d *durable) deleteKEK(s gdoi.KEKSPI) { mark(&d.keks, s, nil) }
func (d *durable) member(m *member)        { mark(&d.members, m.key, m) }
func (d *durable) deleteMember(key string) { mark(&d.members, key, nil) }
func (d *durable) dirty() bool {
	return len(d.teks)+len(d.keks)+len(d.members)+len(d.removed)+len(d.ratchets)+len(d.sids)+len(d.trust)+len(d.transports)+len(d.past) > 0 || d.exclusion || d.policy || d.signer
}
func (d *durable) clean() {
	d.teks, d.keks, d.members, d.removed, d.ratchets, d.exclusion, d.policy, d.reserved = nil, nil, nil, nil, nil, false, false, 0
	d.sids, d.trust, d.transports, d.past, d.signer = nil, nil, nil, nil, false
}

// reserve names the next transaction before it is made.
func (d *durable) reserve(env *machine.Env) machine.PersistID {
	if d.reserved == 0 {
		d.reserved = env.NextPersist()
	}
	return d.reserved
}

// flush writes what nothing waits for, such as deletions.
func (g *Group) flush(now machine.Now, out machine.Effects) machine.Effects {
	if g.durable.dirty() {
		out, _ = g.persist(now, out)
	}
	return out
}

// persist writes everything that was marked, and the counters, which nearly every change moves.
func (g *Group) persist(now machine.Now, out machine.Effects) (machine.Effects, machine.PersistID) {
	d := &g.durable
	id := d.reserve(g.env)
	g.changed()
	records := []machine.Record{g.countersRecord(now)}
	if g.withdrawn {
		records = []machine.Record{g.record(countersKey, nil), g.record(policyKey, nil)}
	} else if d.policy && (!g.replica.standby || g.replica.policy != nil) {
		records = append(records, g.policyRecord(now))
	}
	for spi, t := range d.teks {
		records = append(records, g.record(tekKey(spi), encodeTEK(now, t)))
	}
	for spi, k := range d.keks {
		records = append(records, g.record(kekKey(spi), encodeKEK(now, k)))
	}
	for key, m := range d.members {
		records = append(records, g.record(memberKey(key), encodeMember(now, m)))
	}
	for key, r := range d.removed {
		records = append(records, g.record(removedKey(key), encodeRemoval(now, r)))
	}
	for key := range d.past {
		records = append(records, g.record(key, g.encodePast(now, key)))
	}
	for context, r := range d.ratchets {
		records = append(records, g.record(ratchetName(context), encodeRatchet(now, r)))
	}
	if d.exclusion {
		records = append(records, g.record(exclusionKey, encodeExclusion(now, g.exclusion)))
	}
	records = append(records, g.treeRecords()...)
	records = append(records, g.coopRecords(now)...)
	records = append(records, g.timeRecords(now)...)
	sort.Slice(records, func(i, j int) bool { return records[i].Key < records[j].Key })
	signer := d.signer
	d.clean()
	var deleted []string
	for _, r := range records {
		delete(d.dead, r.Key)
		if r.Value == nil {
			deleted = append(deleted, r.Key)
		}
	}
	g.written(records)
	if signer { // of no concern to other key servers
		records = append(records, g.signerRecord())
	}
	for _, key := range slices.Sorted(maps.Keys(d.dead)) {
		if !g.exists(key) {
			records, deleted = append(records, g.record(key, nil)), append(deleted, key)
		}
	}
	d.dead = nil
	mark(&d.waiting, id, deleted)
	return append(out, machine.Persist{ID: id, Records: records}), id
}

// persistAll writes everything, after the store had failed: nobody knows what it holds.
func (g *Group) persistAll(now machine.Now, out machine.Effects) machine.Effects {
	g.durable.policy, g.durable.signer = true, g.signer.rotated()
	for _, t := range g.teks {
		g.durable.tek(t)
	}
	for _, k := range g.keks {
		g.durable.kek(k)
	}
	for _, m := range g.members.sorted {
		g.durable.member(m)
	}
	for _, r := range g.removed {
		mark(&g.durable.removed, r.peer.key(), r)
	}
	for _, key := range g.pastKeys() {
		g.mustWrite(key)
	}
	for context := range g.ratchets {
		g.keepRatchet(context)
	}
	g.durable.exclusion = true
	for id := range g.replica.sids {
		mark(&g.durable.sids, id, true)
	}
	for id := range g.replica.trust {
		mark(&g.durable.trust, id, true)
	}
	for id := range g.replica.transports {
		mark(&g.durable.transports, id, true)
	}
	g.tree.TouchAll()
	out, g.durable.full = g.persist(now, out)
	return out
}

// Persisted takes the store's answer; false means that it was not asked by this group. When the store failed, the
// shell drops whatever waited for it, and everything is written again until that succeeds. Then the keys are announced
// once more, and what was to be deleted is deleted then.
func (g *Group) Persisted(now machine.Now, ev machine.Persisted, out machine.Effects) (machine.Effects, bool) {
	d := &g.durable
	deleted, ok := d.waiting[ev.ID]
	if !ok {
		return out, false
	}
	delete(d.waiting, ev.ID)
	if ev.Err != nil {
		for _, key := range deleted {
			mark(&d.dead, key, true)
		}
		d.failing = true
		d.retry.Set(now.Mono.Add(persistRetry))
		n := g.note(gdoi.NotePersistFailed, machine.Error, "state was not written: "+ev.Err.Error()+"; check the disk and the state directory")
		n.Reason = "store"
		return append(out, n), true
	}
	if d.failing && ev.ID == d.full {
		d.failing = false
		if g.replica.standby {
			return g.bury(now, out), true
		}
		out = g.announceAgain(now, rekeying{}, out)
	}
	return g.bury(now, out), true
}
