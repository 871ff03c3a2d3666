package keyserver

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// replica is what a group of several key servers knows of its copies.
type replica struct {
	standby bool
	ready   bool
	why     string
	term    uint64
	inStep  int // other key servers that are there and have our changes
	// lastContact is when there last was one.
	lastContact machine.Instant

	// Of an active group: the number of its last change, what the others have, and which change a record was last touched by.
	head, confirmed uint64
	stir            uint64 // when the others have this change, fresh randomness goes into the ratchets; 0: not now
	changed         map[string]uint64
	log             []change
	compactAt       int
	forgotten       uint64 // deletions up to here are not known any more

	// Of a standby group: records to be reported.
	silent   bool // what is being written came from elsewhere
	reports  map[string]uint64
	reported uint64        // the last number
	policy   *policyRecord // what the primary told members
	policyAt machine.Instant
	alone    uint64 // the next sender id of a time with only one key server
	// anew: this key server began without records, then. KEKs that are older may have been its own before.
	anew   bool
	anewAt machine.Instant
	life   int64  // of our sender ids
	heard  uint64 // ids of former lives that others have told of are below

	// Sender ids, see division.go.
	sids       map[coop.ID]sidRecord
	ownSIDs    bool   // there was a record of ours
	unvouched  uint64 // the report that must have been taken before ids are given; 0: none
	full       bool   // we were asked for more than there are
	generation uint64
	notBefore  machine.Instant
	sidSafe    uint64 // others know of those below
	sidMark    struct{ n, next uint64 }

	trust   map[coop.ID][]byte
	trustAt machine.Instant // when it changed, and members were told; 0: it did not
	// untold are those in trust that no message to members has named yet; trusts is the number of the last change of trust.
	untold map[coop.ID]bool
	trusts uint64
	// formers are the keys before those in trust, until formersEnd.
	formers    map[coop.ID][]byte
	formersEnd machine.Timer
	// transports are the transport keys of the other key servers' custodies.
	transports map[coop.ID][]byte
}

// change says that a record changed.
type change struct {
	n   uint64
	key string
}

// maxDeletions that are remembered for those who have not heard of them.
const maxDeletions = 4096

// number is that of the last change, or report.
func (r *replica) number() uint64 {
	if r.standby {
		return r.reported
	}
	return r.head
}

// written notes that records are being written.
func (g *Group) written(records []machine.Record) {
	r := &g.replica
	switch {
	case g.cfg.Coop == nil || len(records) == 0:
	case !r.standby:
		r.head++
		for _, rec := range records {
			mark(&r.changed, rec.Key, r.head)
			r.log = append(r.log, change{r.head, rec.Key})
		}
		r.compact(g)
	case !r.silent:
		n := 0
		for _, rec := range records {
			if g.reportable(rec.Key) {
				mark(&r.reports, rec.Key, r.reported+1)
				n++
			}
		}
		if n > 0 {
			r.reported++
		}
	}
}

// compact forgets older changes of the same records, and the oldest deletions.
func (r *replica) compact(g *Group) {
	if len(r.log) < r.compactAt {
		return
	}
	defer func() { r.compactAt = 64 + 2*len(r.log) }()
	r.log = slices.DeleteFunc(r.log, func(c change) bool { return r.changed[c.key] != c.n })
	var dead []change
	for _, c := range r.log {
		if !g.exists(c.key) {
			dead = append(dead, c)
		}
	}
	if len(dead) <= maxDeletions {
		return
	}
	for _, c := range dead[:len(dead)/2] {
		r.forgotten = max(r.forgotten, c.n)
		delete(r.changed, c.key)
	}
	r.log = slices.DeleteFunc(r.log, func(c change) bool { return r.changed[c.key] != c.n })
}

// Head is the number of the last change that this active group made.
func (g *Group) Head() uint64 { return g.replica.head }

// Reaches says whether Since(now, n) is all that has changed since; if not, only everything will do.
func (g *Group) Reaches(n uint64) bool { return n >= g.replica.forgotten && n <= g.replica.head }

// SetInStep says how many other key servers are live and have, or are being given, our changes.
func (g *Group) SetInStep(now machine.Now, peers int) {
	if g.replica.inStep > 0 {
		g.replica.lastContact = now.Mono
	}
	g.replica.inStep = peers
	if peers > 0 {
		g.replica.lastContact = now.Mono
	}
	if !g.whole() {
		for _, c := range g.campaigns {
			c.parted = true
		}
	}
}

// whole says whether all key servers are there and in step.
func (g *Group) whole() bool {
	return g.cfg.Coop == nil || g.replica.inStep >= len(g.cfg.Coop.IDs)-1
}

// Since lists the changes after number n, one record for each key, deletions too; Since(now, 0) is everything. Values
// hold keys: the caller wipes them.
func (g *Group) Since(now machine.Now, n uint64) []machine.Record {
	if n == 0 {
		var out []machine.Record
		for _, key := range g.keys() {
			if v := g.encodeKey(now, key); v != nil {
				out = append(out, g.record(key, v))
			}
		}
		return out
	}
	r := &g.replica
	from, _ := slices.BinarySearchFunc(r.log, n+1, func(c change, n uint64) int {
		switch {
		case c.n < n:
			return -1
		case c.n > n:
			return 1
		}
		return 0
	})
	var out []machine.Record
	for _, c := range r.log[from:] {
		if r.changed[c.key] == c.n {
			out = append(out, g.record(c.key, g.encodeKey(now, c.key)))
		}
	}
	return out
}

// Replicated says that every live peer has all changes up to n: what waited for them goes out.
func (g *Group) Replicated(now machine.Now, n uint64, out machine.Effects) machine.Effects {
	r := &g.replica
	if r.standby {
		return out
	}
	if r.confirmed = min(n, r.head); n != math.MaxUint64 && r.inStep > 0 {
		g.sidsConfirmed(n)
	}
	if r.stir > 0 && r.confirmed >= r.stir {
		// They have just answered, so they hear of this, too: what is not told to all sides is not to be mixed in.
		r.stir = 0
		if n != math.MaxUint64 && g.whole() {
			g.stirAll()
			out = g.flush(now, out)
		}
	}
	return g.deliver(now, out)
}

// keys lists those of all records that there are.
func (g *Group) keys() []string {
	out := []string{countersKey, policyKey, exclusionKey, staleKey, timeKey}
	for _, t := range g.teks {
		out = append(out, tekKey(t.spi))
	}
	for _, k := range g.keks {
		out = append(out, kekKey(k.spi))
	}
	for _, m := range g.members.sorted {
		out = append(out, memberKey(m.key))
	}
	for _, r := range g.removed {
		out = append(out, removedKey(r.peer.key()))
	}
	for _, id := range g.tree.IDs() {
		out = append(out, nodeKey(id))
	}
	for context := range g.ratchets {
		out = append(out, ratchetName(context))
	}
	out = append(out, g.pastKeys()...)
	for id := coop.ID(1); id <= coop.MaxKeyServers; id++ {
		out = append(out, sidsKey(id), trustKey(id), transportName(id))
	}
	slices.Sort(out)
	return out
}

// exists says whether there is a record with this key.
func (g *Group) exists(key string) bool {
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case "tek":
		return g.tekOf(name) != nil
	case "kek":
		return g.kekOf(name) != nil
	case "member":
		_, ok := g.members.search(name)
		return ok
	case "removed":
		return g.removalOf(name) != nil
	case ratchetKey:
		return g.ratchets[name] != nil
	case descentKey, reignKey, endedKind, cutKind, mergeKey:
		return g.hasPast(kind, name)
	case "lkh":
		id, err := parseNode(name)
		return err == nil && g.tree.Node(id).Key != nil
	}
	return true
}

// encodeKey is the value of a record as it is now; nil if there is none.
func (g *Group) encodeKey(now machine.Now, key string) []byte {
	one := func(records []machine.Record, at int) []byte {
		if len(records) <= at {
			return nil
		}
		return records[at].Value
	}
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case countersKey:
		return g.countersRecord(now).Value
	case policyKey:
		return g.policyRecord(now).Value
	case exclusionKey:
		return encodeExclusion(now, g.exclusion)
	case staleKey:
		return encodeStale(g.tree.Stale())
	case timeKey:
		return one(g.timeRecords(now), 0)
	case "tek":
		return encodeTEK(now, g.tekOf(name))
	case "kek":
		return encodeKEK(now, g.kekOf(name))
	case "member":
		if i, ok := g.members.search(name); ok {
			return encodeMember(now, g.members.sorted[i])
		}
	case "removed":
		return encodeRemoval(now, g.removalOf(name))
	case ratchetKey:
		return encodeRatchet(now, g.ratchets[name])
	case descentKey, reignKey, endedKind, cutKind, mergeKey:
		return g.encodePast(now, key)
	case "lkh":
		if id, err := parseNode(name); err == nil {
			return encodeNode(g.tree.Node(id))
		}
	case sidsKind:
		if id, err := parseID(name); err == nil {
			if r, ok := g.sidsOf(now, id); ok {
				return encode(r)
			}
		}
	case trustKind:
		if id, err := parseID(name); err == nil {
			return g.encodeTrust(id)
		}
	case transportKind:
		if id, err := parseID(name); err == nil {
			return g.encodeTransport(id)
		}
	}
	return nil
}

func (g *Group) tekOf(name string) *tek {
	var spi gdoi.SPI
	if _, err := fmt.Sscanf(name, "%08x", &spi); err != nil {
		return nil
	}
	for _, t := range g.teks {
		if t.spi == spi {
			return t
		}
	}
	return nil
}

func (g *Group) kekOf(name string) *kek {
	b, err := hex.DecodeString(name)
	if err != nil || len(b) != len(gdoi.KEKSPI{}) {
		return nil
	}
	for _, k := range g.keks {
		if k.spi == gdoi.KEKSPI(b) {
			return k
		}
	}
	return nil
}

func (g *Group) removalOf(key string) *removal {
	for _, r := range g.removed {
		if r.peer.key() == key {
			return r
		}
	}
	return nil
}
