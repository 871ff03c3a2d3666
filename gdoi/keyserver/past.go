package keyserver

import (
	"maps"
	"slices"

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
