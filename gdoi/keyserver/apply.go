package keyserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
)

const (
	// maxRecords of a group are taken from another key server.
	maxRecords = 1 << 20
	// maxUnderway is how long records can have been under way. What a clock says beyond it is not true.
	maxUnderway = time.Minute
	// maxAway is how far the end of a key can be from now.
	maxAway = 10 * 365 * 24 * time.Hour
)

// received is what another key server has sent, read and checked.
type received struct {
	*Group // holds what the records say, and nothing else
	has    map[string]bool
	dead   []string // records that are deleted
}

// parse reads records of another key server, whose wall clock is ahead of ours. Nothing of this group changes. The caller takes the
// keys out of what it returns, or forgets it.
func (g *Group) parse(now machine.Now, ahead time.Duration, records []machine.Record) (*received, error) {
	if len(records) > maxRecords {
		return nil, fmt.Errorf("group %s: %d records from another key server, at most %d", g.cfg.Name, len(records), maxRecords)
	}
	in := &received{has: map[string]bool{}, Group: &Group{env: g.env, cfg: g.cfg, locals: g.locals, public: g.public, chains: g.chains, tree: keyTree{Tree: lkh.New(g.env, g.cfg.KEK, 0)}}}
	in.replica.standby = true
	theirs := machine.Now{Mono: now.Mono, Wall: now.Wall.Add(ahead)}
	for _, r := range records {
		if in.has[r.Key] {
			in.forget()
			return nil, fmt.Errorf("group %s: record %q from another key server comes twice", g.cfg.Name, r.Key)
		}
		in.has[r.Key] = true
		if r.Value == nil {
			in.dead = append(in.dead, r.Key)
			continue
		}
		if err := in.take(theirs, r); err != nil {
			in.forget()
			return nil, fmt.Errorf("group %s: record %q from another key server: %w", g.cfg.Name, r.Key, err)
		}
	}
	in.sortRestored()
	return in, nil
}

// take reads one record; what is not what it is after a restart comes first.
func (in *received) take(theirs machine.Now, r machine.Record) error {
	kind, name, _ := strings.Cut(r.Key, "/")
	switch kind {
	case timeKey:
		return in.takeTime(theirs, r.Value)
	case sidsKind:
		return in.takeSIDs(theirs, name, r.Value)
	case countersKey:
		var c counters
		if err := json.Unmarshal(r.Value, &c); err != nil {
			return err
		}
		in.epoch, in.tree.restoredHandle = c.Epoch, c.LKHHandle
		return nil
	}
	if err := in.restoreRecord(theirs, r); err != nil || kind != ratchetKey {
		return err
	}
	if d := in.ratchets[name].ends.Sub(theirs.Mono); d < -maxAway || d > maxAway {
		return errRecord
	}
	return nil
}

// takeTime takes the pseudotime as it is at the other key server now.
func (in *received) takeTime(theirs machine.Now, b []byte) error {
	var r timeRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	if r.Time <= 0 || r.Since > r.Time {
		return errRecord
	}
	passed := min(max(0, theirs.Wall.Sub(r.Wall)), maxUnderway)
	in.time = pseudotime{base: r.Time + passed, at: theirs.Mono, begun: true, since: r.Since, series: r.Series}
	return nil
}

func (in *received) takeSIDs(theirs machine.Now, name string, b []byte) error {
	var r sidRecord
	id, err := parseID(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	if part := in.cfg.space.of(id); r.Next > part.end() || r.Next < part.first {
		return errRecord
	}
	mark(&in.replica.sids, id, r)
	return nil
}

// Apply takes changes of the primary into a standby group; full replaces all that it has. ahead is the sender's wall
// clock minus ours, and moves the times in the records. The PersistID is that of the write. Nothing changes after an error.
func (g *Group) Apply(now machine.Now, ahead time.Duration, records []machine.Record, full bool, out machine.Effects) (machine.Effects, machine.PersistID, error) {
	if !g.replica.standby || g.withdrawn {
		return out, 0, fmt.Errorf("group %s: this key server is primary and takes no changes", g.cfg.Name)
	}
	in, err := g.parse(now, ahead, records)
	if err != nil {
		return out, 0, err
	}
	if full {
		in.dead = append(in.dead, g.missing(in)...)
	}
	for _, key := range in.dead {
		out = g.removeRecord(key, out)
	}
	empty := !g.replica.ownSIDs
	changed := g.takeTEKs(in)
	changed = g.takeKEKs(in, empty) || changed
	if changed {
		g.version++
	}
	g.takeMembers(in)
	g.takeRest(now, in)
	if full && !g.replica.ownSIDs {
		g.leaveGap(now, sidRecord{Next: g.cfg.SIDFirst})
	}
	g.replica.silent = true
	out = g.retire(now, out)
	out, id := g.persist(now, out)
	g.replica.silent = false
	return out, id, nil
}

// missing lists records that there are and that a complete list does not have. What is to be reported stays.
func (g *Group) missing(in *received) (out []string) {
	for _, key := range g.keys() {
		kind, _, _ := strings.Cut(key, "/")
		_, unreported := g.replica.reports[key]
		if !in.has[key] && !unreported && kind != sidsKind && kind != trustKind && kind != countersKey && g.exists(key) {
			out = append(out, key)
		}
	}
	return out
}

// removeRecord does what its deletion means.
func (g *Group) removeRecord(key string, out machine.Effects) machine.Effects {
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case "tek":
		if t := g.tekOf(name); t != nil {
			return g.retireTEK(slices.Index(g.teks, t), "replicated", out)
		}
	case "kek":
		if k := g.kekOf(name); k != nil {
			return g.retireKEK(slices.Index(g.keks, k), "replicated", out)
		}
	case "member":
		if i, ok := g.members.search(name); ok {
			m := g.members.sorted[i]
			m.slot = noSlot // the tree comes by itself
			return g.dropMember(m, out)
		}
	case "removed":
		if r := g.removalOf(name); r != nil {
			g.removed = slices.DeleteFunc(g.removed, func(o *removal) bool { return o == r })
			mark(&g.durable.removed, name, nil)
		}
	case ratchetKey:
		g.takeRatchet(name, nil)
	case descentKey, reignKey, endedKind, cutKind, mergeKey:
		g.removePast(key)
	case "lkh":
		if id, err := parseNode(name); err == nil {
			g.tree.Set(lkh.Node{ID: id})
		}
	case staleKey:
		g.tree.SetStale(nil)
	case exclusionKey:
		g.endExclusion()
	case timeKey:
		g.time = pseudotime{ended: g.time.begun || g.time.ended}
	}
	return out
}

// takeTEKs puts what was received in the place of what there was, and says whether there is a new one.
func (g *Group) takeTEKs(in *received) (news bool) {
	for _, t := range in.teks {
		if t.chain.dropped {
			t.chain = g.chainFor(t.chain.sa, t.chain.permits, t.suite)
		}
		if i := slices.IndexFunc(g.teks, func(o *tek) bool { return o.spi == t.spi }); i >= 0 {
			g.teks[i].key.Destroy()
			g.teks[i] = t
		} else {
			g.teks = append(g.teks, t)
			news = true
		}
		g.durable.tek(t)
	}
	in.teks = nil
	g.sortKeys()
	return news
}

// takeKEKs does the same; lost says that this key server does not know which sequence numbers it has used.
func (g *Group) takeKEKs(in *received, lost bool) (news bool) {
	for _, k := range in.keks {
		k.lost = lost
		if i := slices.IndexFunc(g.keks, func(o *kek) bool { return o.spi == k.spi }); i >= 0 {
			old := g.keks[i]
			k.seq, k.lost = max(k.seq, old.seq), old.lost
			old.key.Destroy()
			old.iv.Destroy()
			g.keks[i] = k
		} else {
			g.keks = append(g.keks, k)
			news = true
		}
		g.durable.kek(k)
	}
	in.keks = nil
	g.sortKeys()
	return news
}

func (g *Group) takeMembers(in *received) {
	for _, r := range in.members.sorted {
		if _, ours := g.replica.reports[memberKey(r.key)]; ours {
			if i, ok := g.members.search(r.key); ok && g.members.sorted[i].registered > r.registered {
				continue // it has registered here meanwhile
			}
		}
		if old := g.members.byAddr[r.peer.Addr]; old != nil && old.key != r.key {
			old.slot = noSlot
			g.members.remove(old)
			g.durable.deleteMember(old.key)
		}
		m := g.members.put(r.peer)
		m.registered, m.registrations, m.sids, m.left, m.asked, m.slot, m.at = r.registered, r.registrations, r.sids, r.left, r.asked, r.slot, r.at
		m.epoch = r.epoch
		g.watch(m)
		g.durable.member(m)
	}
	in.members = memberList{}
}

// takeRatchet puts a ratchet in the place of the one that there was; nil: there is none any more.
func (g *Group) takeRatchet(context string, r *ratchet) {
	if old := g.ratchets[context]; old != nil {
		old.secret.Destroy()
		delete(g.ratchets, context)
	}
	if r != nil {
		mark(&g.ratchets, context, r)
	}
	mark(&g.durable.ratchets, context, r)
}

// takeRest takes what is neither key nor member.
func (g *Group) takeRest(now machine.Now, in *received) {
	if in.has[countersKey] {
		g.epoch = max(g.epoch, in.epoch)
		g.tree.Raise(in.tree.restoredHandle)
	}
	for _, r := range in.removed {
		key := r.peer.key()
		g.removed = slices.DeleteFunc(g.removed, func(o *removal) bool { return o.peer.key() == key })
		g.removed = append(g.removed, r)
		mark(&g.durable.removed, key, r)
	}
	sortRemovals(g.removed)
	for _, n := range in.tree.restored {
		g.tree.Set(*n)
	}
	in.tree.restored = nil
	if in.tree.stale != nil {
		g.tree.SetStale(in.tree.stale)
	}
	for context, r := range in.ratchets {
		g.takeRatchet(context, r)
	}
	in.ratchets = nil
	g.takePast(in.Group)
	if in.exclusion != nil {
		g.exclusion = in.exclusion
		g.durable.exclusion = true
	}
	if in.time.begun {
		in.time.again = g.time.again
		g.time = in.time
	}
	if p := in.replica.policy; p != nil {
		g.replica.policy, g.replica.policyAt = p, in.replica.policyAt
		g.told, g.policyAt, g.former = in.told, in.policyAt, in.former
		g.durable.policy = true
	}
	for id, r := range in.replica.sids {
		g.learnSIDs(now, id, r)
	}
	for id, der := range in.replica.trust {
		mark(&g.replica.trust, id, der)
		mark(&g.durable.trust, id, true)
	}
}
