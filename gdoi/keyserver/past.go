package keyserver

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// past is what several key servers must remember of a group beyond what it is, to bring two states of it together that
// went ways of their own.
type past struct {
	// origin names the first keys; random. A state of another origin knows nothing of the sender ids that were given under
	// ours.
	origin uint64
	// reign is that of the last primary, others are those before it, in any order, and how far each is known here.
	reign  reign
	others []reign
	// ended are keys that are no more, by the names of their records. No copy of them elsewhere brings them back.
	ended map[string]ended
	// cuts are the KEKs that were made to shut somebody out, and when. Where one of them is not known, somebody may read
	// PUSH messages who must not have what is new.
	cuts map[string]machine.Instant
}

// reign is the time of one primary, from when it took over until it stood down or died, and how many changes it has made.
// Where somebody knows less of it than there is, keys were made, or members registered, that are not known.
type reign struct{ name, changes uint64 }

// ended is a key that was destroyed.
type ended struct {
	until machine.Instant // no copy lives longer
	seq   uint32          // of a KEK: the last sequence number that was used, as far as known
}

// Bounds of what is remembered. Forgetting the oldest costs registrations, and nothing else.
const (
	maxReigns = 64
	maxCuts   = 256
	maxEnded  = 4096
)

// Kinds of their records.
const (
	descentKey = "descent"
	reignKey   = "reign"
	endedKind  = "ended"
	cutKind    = "cut"
)

type descentRecord struct {
	Origin string
	Others []reignRecord `json:",omitempty"`
}

type reignRecord struct {
	Name    string
	Changes uint64
}

type endedRecord struct {
	Until time.Time
	Seq   uint32 `json:",omitempty"`
}

type cutRecord struct{ At time.Time }

// mustWrite marks a record of the past.
func (g *Group) mustWrite(key string) { mark(&g.durable.past, key, true) }

// newOrigin says that the keys are new and the first ones.
func (g *Group) newOrigin() {
	g.past.origin, g.past.reign, g.past.others = g.newSeed(), reign{}, nil
	g.newReign()
}

// newReign says that this key server takes over.
func (g *Group) newReign() {
	p := &g.past
	old := p.reign
	p.reign = reign{name: g.newSeed()}
	p.know(old)
	g.mustWrite(descentKey)
	g.mustWrite(reignKey)
}

// changed counts a change of this reign.
func (g *Group) changed() {
	if g.Active() && g.past.origin != 0 {
		g.past.reign.changes++
		g.mustWrite(reignKey)
	}
}

// known is how much of a reign we know; false: not even its name.
func (p *past) known(name uint64) (uint64, bool) {
	if p.reign.name == name {
		return p.reign.changes, true
	}
	for _, r := range p.others {
		if r.name == name {
			return r.changes, true
		}
	}
	return 0, false
}

// know notes a reign of somebody else; false: there was nothing new about it.
func (p *past) know(r reign) bool {
	if n, ok := p.known(r.name); r.name == 0 || ok && n >= r.changes || r.name == p.reign.name {
		return false
	}
	p.others = append(slices.DeleteFunc(p.others, func(o reign) bool { return o.name == r.name }), r)
	p.others = p.others[max(0, len(p.others)-maxReigns):]
	return true
}

// rival says whether another state had a primary that did something which we do not know.
func (p *past) rival(o *past) bool {
	n, ok := p.known(o.reign.name)
	return o.reign.name != 0 && (!ok || n < o.reign.changes)
}

// knowsCutsOf says whether nobody was shut out there who was not here.
func (p *past) knowsCutsOf(o *past) bool {
	for spi := range o.cuts {
		if _, ok := p.cuts[spi]; !ok {
			return false
		}
	}
	return true
}

// remember that a key is no more, whose copies may live until.
func (g *Group) remember(key string, until machine.Instant, seq uint32) {
	if g.cfg.Coop == nil {
		return
	}
	was := g.past.ended[key]
	mark(&g.past.ended, key, ended{max(until.Add(4*g.cfg.ActivationDelay), was.until), max(seq, was.seq)})
	g.mustWrite(endedKind + "/" + key)
}

func (g *Group) rememberTEK(t *tek) {
	g.remember(tekKey(t.spi), max(t.expires, t.created.Add(t.chain.lifetime)), 0)
}

func (g *Group) rememberKEK(k *kek) {
	g.remember(kekKey(k.spi), max(k.expires, k.created.Add(g.cfg.KEKLifetime)), k.seq)
}

// forgetEnded drops what no copy can be alive of.
func (g *Group) forgetEnded(now machine.Now) {
	for key, e := range g.past.ended {
		if e.until <= now.Mono {
			delete(g.past.ended, key)
			g.mustWrite(endedKind + "/" + key)
		}
	}
}

// cut notes that k was made to shut somebody out.
func (g *Group) cut(now machine.Now, k *kek) {
	if g.cfg.Coop != nil {
		g.putCut(k.spi.String(), now.Mono)
	}
}

func (g *Group) putCut(spi string, at machine.Instant) {
	p := &g.past
	mark(&p.cuts, spi, at)
	g.mustWrite(cutKind + "/" + spi)
	if len(p.cuts) <= maxCuts {
		return
	}
	oldest := slices.MinFunc(slices.Sorted(maps.Keys(p.cuts)), func(a, b string) int { return int(min(1, max(-1, p.cuts[a]-p.cuts[b]))) })
	delete(p.cuts, oldest)
	g.mustWrite(cutKind + "/" + oldest)
}

// pastKeys lists its records.
func (g *Group) pastKeys() (out []string) {
	if g.past.origin != 0 {
		out = append(out, descentKey, reignKey)
	}
	for key := range g.past.ended {
		out = append(out, endedKind+"/"+key)
	}
	for spi := range g.past.cuts {
		out = append(out, cutKind+"/"+spi)
	}
	if g.merging != nil {
		out = append(out, mergeKey)
	}
	slices.Sort(out)
	return out
}

// hasPast says whether there is such a record.
func (g *Group) hasPast(kind, name string) (ok bool) {
	switch kind {
	case descentKey:
		return g.past.origin != 0
	case reignKey:
		return g.past.reign.name != 0
	case mergeKey:
		return g.merging != nil
	case endedKind:
		_, ok = g.past.ended[name]
	case cutKind:
		_, ok = g.past.cuts[name]
	}
	return ok
}

// encodePast is a record of the past; nil if it is no more.
func (g *Group) encodePast(now machine.Now, key string) []byte {
	p := &g.past
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case descentKey:
		if p.origin == 0 {
			return nil
		}
		r := descentRecord{Origin: seedText(p.origin)}
		for _, o := range p.others {
			r.Others = append(r.Others, reignRecord{seedText(o.name), o.changes})
		}
		return encode(r)
	case reignKey:
		if p.reign.name != 0 {
			return encode(reignRecord{seedText(p.reign.name), p.reign.changes})
		}
	case endedKind:
		if e, ok := p.ended[name]; ok {
			return encode(endedRecord{now.WallAt(e.until), e.seq})
		}
	case cutKind:
		if at, ok := p.cuts[name]; ok {
			return encode(cutRecord{now.WallAt(at)})
		}
	case mergeKey:
		return encodeMerging(now, g.merging)
	}
	return nil
}

// restorePast reads one of these records.
func (g *Group) restorePast(now machine.Now, kind, name string, b []byte) error {
	p := &g.past
	switch kind {
	case descentKey:
		return p.restoreDescent(b)
	case reignKey:
		var r reignRecord
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
		name, err := parseSeed(r.Name)
		p.reign = reign{name, r.Changes}
		return err
	case endedKind:
		var r endedRecord
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
		if !strings.HasPrefix(name, "tek/") && !strings.HasPrefix(name, "kek/") {
			return errRecord
		}
		mark(&p.ended, name, ended{now.MonoAt(r.Until), r.Seq})
	case cutKind:
		var r cutRecord
		if err := json.Unmarshal(b, &r); err != nil {
			return err
		}
		if spi, err := hex.DecodeString(name); err != nil || len(spi) != len(gdoi.KEKSPI{}) {
			return errRecord
		}
		mark(&p.cuts, name, now.MonoAt(r.At))
	case mergeKey:
		return g.restoreMerging(now, b)
	}
	return nil
}

func (p *past) restoreDescent(b []byte) error {
	var r descentRecord
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	origin, err := parseSeed(r.Origin)
	if err != nil || origin == 0 || len(r.Others) > maxReigns {
		return errRecord
	}
	p.origin, p.others = origin, nil
	for _, o := range r.Others {
		name, err := parseSeed(o.Name)
		if err != nil {
			return err
		}
		p.others = append(p.others, reign{name, o.Changes})
	}
	return nil
}

func seedText(n uint64) string { return fmt.Sprintf("%016x", n) }

func parseSeed(s string) (n uint64, err error) {
	if _, err := fmt.Sscanf(s, "%016x", &n); err != nil || len(s) != seedTextLen {
		return 0, errRecord
	}
	return n, nil
}

// removePast carries out the deletion of one of these records. Descent and reign are never deleted.
func (g *Group) removePast(key string) {
	kind, name, _ := strings.Cut(key, "/")
	switch kind {
	case endedKind:
		delete(g.past.ended, name)
	case cutKind:
		delete(g.past.cuts, name)
	case mergeKey:
		g.merging = nil
	}
	if kind != descentKey && kind != reignKey {
		g.mustWrite(key)
	}
}

// takePast puts what was received in the place of what there was.
func (g *Group) takePast(in *Group) {
	p := &g.past
	if in.past.origin != 0 {
		p.origin, p.others = in.past.origin, in.past.others
	}
	if in.past.reign.name != 0 {
		p.reign = in.past.reign
	}
	for key, e := range in.past.ended {
		mark(&p.ended, key, e)
	}
	for spi, at := range in.past.cuts {
		mark(&p.cuts, spi, at)
	}
	if in.merging != nil {
		g.merging = in.merging
	}
	for _, key := range in.pastKeys() {
		g.mustWrite(key)
	}
}
