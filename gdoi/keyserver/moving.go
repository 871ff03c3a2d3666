package keyserver

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// A KEK in the custody moves to other key servers with its record, which has a copy for each of them, wrapped under its
// transport key:
//
//	primary    spare KEK ──wrapped for all──▶ ready ──newKEK──▶ record {name, IV, wrapped copies}
//	                                                               │ State, Join
//	secondary  record on disk ◀────────────────────────────────────┘ ──▶ unwrapped into its custody (coming)
//
// The record is what makes it durable: the copy in it and the custody's transport key are the key. Who has neither the key
// nor a copy (missing) says so, does not register members, and is elected last; the primary wraps for it again as soon as
// it knows its transport key. A primary in that place has lost the KEK (loseKEK).

// markLen is how many octets before a wrapped copy say which transport key it is for.
const markLen = 8

// transportMark names a transport key.
func transportMark(key []byte) []byte {
	sum := sha256.Sum256(key)
	return sum[:markLen]
}

// maxFetches is how often a primary tries to unwrap a KEK before it gives it up.
const maxFetches = 5

// wrappedFor says whether there is a copy of the KEK for the owner of a transport key.
func (k *kek) wrappedFor(id coop.ID, transport []byte) bool {
	w := k.wrapped[id]
	return len(transport) > 0 && len(w) > markLen && bytes.Equal(w[:markLen], transportMark(transport))
}

// ownCopy is the copy for our custody; nil: there is none.
func (g *Group) ownCopy(k *kek) []byte {
	if c := g.cfg.Coop; c != nil && g.cfg.Custody && k.wrappedFor(c.ID, g.cfg.Transport) {
		return k.wrapped[c.ID][markLen:]
	}
	return nil
}

// maxCopy is how many octets a wrapped copy may have, with its mark.
const maxCopy = 2048

// validCopies looks at what a record holds.
func validCopies(all map[coop.ID][]byte) bool {
	for id, w := range all {
		if id < 1 || id > coop.MaxKeyServers || len(w) <= markLen || len(w) > maxCopy {
			return false
		}
	}
	return true
}

// later says that a merge needs a new KEK, or the group its first, and the custody has none ready: it waits, before anything of
// it is done.
func (m *merger) later() error {
	resets := m.in.newestGeneration() > m.g.replica.generation
	if m.g.spareReady() || !m.ourKEKs && !resets && !m.g.unbegun() {
		return nil
	}
	return fmt.Errorf("%w: %w", coop.ErrLater, m.g.renewable())
}

// newestGeneration is how often counting of sender ids has begun anew.
func (g *Group) newestGeneration() (n uint64) {
	for _, r := range g.replica.sids {
		n = max(n, r.Gen)
	}
	return n
}

// wrapAll has a KEK wrapped for all custodies that there is no copy for.
func (g *Group) wrapAll(now machine.Now, k *kek, out machine.Effects) machine.Effects {
	if k.name == "" || g.cfg.Coop == nil {
		return out
	}
	for _, id := range g.cfg.Coop.IDs {
		key := g.replica.transports[id]
		if id == g.cfg.Coop.ID || len(key) == 0 || k.wrappedFor(id, key) {
			continue
		}
		if c := k.wraps[id]; c != nil && slices.Contains(g.custody.calls, c) {
			if bytes.Equal(c.ask.To, key) {
				continue
			}
			g.uncall(c) // it has another transport key by now
		}
		out = g.wrap(now, k.name, id, key, k, out)
	}
	return out
}

func (g *Group) wrap(now machine.Now, name string, id coop.ID, transport []byte, k *kek, out machine.Effects) machine.Effects {
	c := &keyCall{ask: machine.KeyCall{Op: machine.KeyWrap, Key: name, To: bytes.Clone(transport)}}
	c.done = func(now machine.Now, data []byte, out machine.Effects) machine.Effects {
		k := g.named(name)
		if k == nil {
			return out
		}
		// A map of its own: records that are under way, and other structs of the same KEK, keep theirs.
		k.wrapped = maps.Clone(k.wrapped)
		mark(&k.wrapped, id, slices.Concat(transportMark(transport), data))
		if delete(k.wraps, id); k != g.custody.spare && g.Active() {
			g.durable.kek(k)
		}
		return out
	}
	c.failed = func(now machine.Now, err error, out machine.Effects) (machine.Effects, bool) {
		k := g.named(name)
		if k == nil {
			return out, false
		}
		if errors.Is(err, machine.ErrNoKey) {
			delete(k.wraps, id)
			out, _ = g.noKey(now, name, err, out)
			return out, false
		}
		return out, true
	}
	mark(&k.wraps, id, c)
	return g.call(now, c, out)
}

// wrapEverything does that with all KEKs that this key server has to pass on.
func (g *Group) wrapEverything(now machine.Now, out machine.Effects) machine.Effects {
	if g.Active() {
		for _, k := range slices.Clone(g.keks) {
			if k.usable() {
				out = g.wrapAll(now, k, out)
			}
		}
	}
	if s := g.custody.spare; s != nil && g.custody.made {
		out = g.wrapAll(now, s, out)
	}
	return out
}

// stopWrapping is for a key server that is not primary any more: the records are not its own.
func (g *Group) stopWrapping() {
	for _, k := range g.keks {
		for _, c := range k.wraps {
			g.uncall(c)
		}
		k.wraps = nil
	}
}

// ready says whether the spare KEK can be taken into use: it is made, and wrapped for everybody. Whom it could not be
// wrapped for has to do without: one custody that takes nothing must not keep all others from new keys.
func (c *custody) ready() bool {
	if !c.made {
		return false
	}
	for _, w := range c.spare.wraps {
		if w.failures == 0 {
			return false
		}
	}
	return true
}

// usable says that the custody has the KEK, as far as we know, or needs none.
func (k *kek) usable() bool { return k.name == "" || k.coming == nil && !k.missing }

// fetch has the KEK unwrapped into our custody, if there is a copy for it.
func (g *Group) fetch(now machine.Now, k *kek, out machine.Effects) machine.Effects {
	wrapped := g.ownCopy(k)
	if k.name == "" || k.coming != nil {
		return out
	}
	if k.missing = wrapped == nil; k.missing {
		return out
	}
	// It may have ended here, and come back with another key server.
	g.custody.dying = slices.DeleteFunc(g.custody.dying, func(d dyingKEK) bool { return d.name == k.name })
	for _, c := range slices.Clone(g.custody.calls) {
		if c.ask.Key == k.name && c.ask.Op == machine.KeyDestroy && c.op == 0 {
			g.uncall(c)
		}
	}
	name := k.name
	c := &keyCall{ask: machine.KeyCall{Op: machine.KeyUnwrap, Key: name, Bits: 8 * k.suite.KeyLen()}}
	c.data = func() []byte { return bytes.Clone(wrapped) }
	c.done = func(now machine.Now, _ []byte, out machine.Effects) machine.Effects {
		if k := g.named(name); k != nil && k.coming == c {
			k.coming = nil
			if g.Active() {
				out = g.wrapAll(now, k, out)
			}
		}
		return g.there(now, name, out)
	}
	c.failed = func(now machine.Now, err error, out machine.Effects) (machine.Effects, bool) {
		k := g.named(name)
		switch {
		case k == nil || k.coming != c:
			// A KEK of another side, under which its end is told.
			return out, slices.ContainsFunc(g.deliveries, func(d *delivery) bool { return d.encryptsWith(name) })
		case g.Active() && g.custody.problem == "" && c.failures >= maxFetches:
			k.coming = nil
			return g.loseKEK(now, k, out), false
		}
		return out, true
	}
	k.coming = c
	k.fetches++
	return g.call(now, c, out)
}

// refetch unwraps a KEK again that the custody does not have; false: there is no copy for it, or it was of no use.
func (g *Group) refetch(now machine.Now, k *kek, out machine.Effects) (machine.Effects, bool) {
	switch {
	case k == nil || k == g.custody.spare:
		return out, false
	case k.coming != nil:
		return out, true
	case g.ownCopy(k) == nil || k.fetches >= maxFetches:
		return out, false
	}
	return g.fetch(now, k, out), true
}

// there does at once what has waited for a KEK to come into the custody.
func (g *Group) there(now machine.Now, name string, out machine.Effects) machine.Effects {
	for _, c := range slices.Clone(g.custody.calls) {
		if c.ask.Key == name && c.op == 0 && slices.Contains(g.custody.calls, c) {
			out = g.ask(now, c, out)
		}
	}
	for _, d := range slices.Clone(g.deliveries) {
		if d.hurry(now); d.name == name && d.signed && d.encrypt == nil && d.datagram == nil && slices.Contains(g.deliveries, d) {
			out = g.encrypt(now, d, out)
		}
	}
	return out
}

// isComing says whether a KEK is being unwrapped.
func (g *Group) isComing(name string) bool {
	return name != "" && slices.ContainsFunc(g.custody.calls, func(c *keyCall) bool { return c.ask.Key == name && c.ask.Op == machine.KeyUnwrap })
}

// fetchAll fetches the KEKs that came with records from this key server's own disk. One without a copy was made here.
func (g *Group) fetchAll(now machine.Now, out machine.Effects) machine.Effects {
	for _, k := range slices.Clone(g.keks) {
		if g.ownCopy(k) != nil {
			out = g.fetch(now, k, out)
		}
	}
	return out
}

// Unusable says why KEKs that this key server knows cannot be used here; empty: they can, or will in a moment.
func (g *Group) Unusable() string {
	for _, k := range g.keks {
		switch {
		case k.missing:
			return fmt.Sprintf("KEK %v is in the key custodies of other key servers, and was not wrapped for the one here", k.spi)
		case k.coming != nil && k.coming.failures > 0:
			return fmt.Sprintf("KEK %v is not in the key custody here: %s", k.spi, k.coming.problem)
		}
	}
	return ""
}

// Unrenewable says why no new KEK could be made here, though the custody is there; empty: one could, as far as we know.
func (g *Group) Unrenewable() string {
	s := g.custody.spare
	if s == nil || g.custody.made {
		return ""
	}
	for _, c := range g.custody.calls {
		if c.ask.Key == s.name && c.ask.Op == machine.KeyGenerate && c.failures > 0 {
			return "the key custody makes no new KEK: " + c.problem
		}
	}
	return ""
}

// blocked says why a call has to wait for another one about the same key; nil: it need not. What makes or destroys a key
// goes alone, because the custody may do two calls in any order.
func (g *Group) blocked(c *keyCall) *keyCall {
	for _, o := range g.custody.calls {
		if o == c || o.ask.Key != c.ask.Key {
			continue
		}
		pending := o.op != 0 && (o.changes() || c.changes())
		makes := o.ask.Op == machine.KeyUnwrap || o.ask.Op == machine.KeyGenerate
		if pending || makes && !c.changes() {
			return o
		}
	}
	return nil
}

// changes says that a call makes or destroys a key.
func (c *keyCall) changes() bool {
	return c.ask.Op == machine.KeyGenerate || c.ask.Op == machine.KeyUnwrap || c.ask.Op == machine.KeyDestroy
}

// unblock makes the calls that have waited for others.
func (g *Group) unblock(now machine.Now, out machine.Effects) machine.Effects {
	for _, c := range slices.Clone(g.custody.calls) {
		if c.waits && slices.Contains(g.custody.calls, c) {
			out = g.ask(now, c, out)
		}
	}
	return out
}
