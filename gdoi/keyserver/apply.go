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
	// arrived are KEKs that may have to be unwrapped.
	arrived []*kek
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

// downgrade refuses a KEK in clear that would come after those in the custody. One of before, from a time when the group had no
// custody, ends by itself.
func (g *Group) downgrade(in *received) error {
	if !g.cfg.Custody || !slices.ContainsFunc(g.keks, func(k *kek) bool { return k.name != "" }) {
		return nil
	}
	var newest machine.Instant
	for _, k := range slices.Concat(g.keks, in.keks) {
		if k.name != "" {
			newest = max(newest, k.created)
		}
	}
	for _, k := range in.keks {
		if k.name == "" && k.created > newest && g.kekWith(k.spi) == nil {
			return fmt.Errorf("group %s: KEK %v from another key server is in clear, and comes after KEKs in the key custody here: have that key server keep KEKs in its key custody too", g.cfg.Name, k.spi)
		}
	}
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
	if err := g.downgrade(in); err != nil {
		in.forget()
		return out, 0, err
	}
	if full {
		in.dead = append(in.dead, g.missing(in)...)
	}
	for _, k := range in.keks {
		k.seq = max(k.seq, g.past.ended[kekKey(k.spi)].seq) // it had ended here, and lives on elsewhere
	}
	for _, key := range in.dead {
		out = g.removeRecord(key, out)
	}
	changed := g.takeTEKs(in)
	changed = g.takeKEKs(now, in) || changed
	if changed {
		g.version++
	}
	g.takeMembers(in)
	g.takeRest(now, in)
	for _, k := range in.arrived {
		out = g.fetch(now, k, out)
	}
	if full && !g.replica.ownSIDs {
		g.leaveGap(now, sidRecord{Next: g.cfg.SIDFirst}, 0)
	}
	g.replica.silent = true
	out = g.retire(now, out)
	out, id := g.persist(now, out)
	g.replica.silent = false
	return out, id, nil
}
