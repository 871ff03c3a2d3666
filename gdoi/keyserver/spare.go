package keyserver

import (
	"errors"
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// errNoSpare is what a command is told that needs a new KEK. It is an ErrCustody.
var errNoSpare = fmt.Errorf("%w has not made the next KEK yet; see the group's problems, and try again when it has", ErrCustody)

// spareReady says whether there is a KEK that can be taken into use now.
func (g *Group) spareReady() bool {
	return !g.cfg.Custody || g.custody.ready() && g.custody.problem == "" && g.custody.spare.suite == g.cfg.KEK
}

// custodyGone says that nothing can be encrypted, and nobody told a KEK.
func (g *Group) custodyGone() bool { return g.cfg.Custody && g.custody.problem != "" }

// misplaced says that the newest KEK is not kept where KEKs are to be kept now.
func (g *Group) misplaced() bool {
	n := len(g.keks)
	return n > 0 && (g.keks[n-1].name != "") != g.cfg.Custody
}

// tellable says why members cannot be told anything new now; nil: they can.
func (g *Group) tellable() error {
	if g.custodyGone() || g.unbegun() {
		return g.renewable()
	}
	return nil
}

// renewable says why no new KEK can be made now; nil: one can.
func (g *Group) renewable() error {
	if g.spareReady() {
		return nil
	}
	if p := g.custody.problem; p != "" {
		return fmt.Errorf("group %s: %w is gone: %s; new keys can be made when it is back", g.cfg.Name, ErrCustody, p)
	}
	return fmt.Errorf("group %s: %w", g.cfg.Name, errNoSpare)
}

// prepareSpare has the custody make the next KEK, if there is none.
func (g *Group) prepareSpare(now machine.Now, out machine.Effects) machine.Effects {
	c := &g.custody
	if !g.cfg.Custody || !g.started || g.withdrawn || c.spare != nil && c.spare.suite == g.cfg.KEK {
		return out
	}
	out = g.dropSpare(now, out)
	k := &kek{suite: g.cfg.KEK, iv: machine.TakeSecret(g.env.Bytes(g.cfg.KEK.IVLen()))}
	for k.spi.IsZero() || g.HasKEK(k.spi) {
		g.env.Read(k.spi[:])
	}
	k.name = kekName(k.spi)
	c.spare = k
	return g.call(now, &keyCall{
		ask: machine.KeyCall{Op: machine.KeyGenerate, Key: k.name, Bits: 8 * k.suite.KeyLen()},
		done: func(now machine.Now, _ []byte, out machine.Effects) machine.Effects {
			if c.spare != k { // it was dropped meanwhile
				g.custody.dying = append(g.custody.dying, dyingKEK{name: k.name})
				return out
			}
			c.made = true
			return g.wrapAll(now, k, out)
		},
	}, out)
}

// dropSpare gives up the spare KEK: it is for another suite, or the custody has lost it.
func (g *Group) dropSpare(now machine.Now, out machine.Effects) machine.Effects {
	c := &g.custody
	if c.spare == nil {
		return out
	}
	// One that is being made is destroyed when it is there.
	if c.made {
		c.dying = append(c.dying, dyingKEK{name: c.spare.name})
	}
	for _, w := range c.spare.wraps {
		g.uncall(w)
	}
	c.spare.iv.Destroy()
	c.spare, c.made = nil, false
	return g.bury(now, out)
}

// takeSpare makes the spare KEK the newest one, and has the next made; nil: there is none.
func (g *Group) takeSpare(now machine.Now, out machine.Effects) (*kek, machine.Effects) {
	if !g.spareReady() {
		return nil, out
	}
	k := g.custody.spare
	g.custody.spare, g.custody.made, g.custody.owed = nil, false, false
	return k, g.prepareSpare(now, out)
}

// WithNextKEK runs the job with the value of the next KEK in the process: what excludes members needs it. Without a custody
// it runs at once.
func (g *Group) WithNextKEK(now machine.Now, job func(now machine.Now, err error, out machine.Effects) machine.Effects, out machine.Effects) machine.Effects {
	if !g.cfg.Custody {
		return job(now, nil, out)
	}
	if err := g.renewable(); err != nil {
		return job(now, err, g.hurrySpare(now, out))
	}
	return g.withKEK(now, g.custody.spare, job, out)
}

// hurrySpare asks for the next KEK now, and not when the wait after a failure is over.
func (g *Group) hurrySpare(now machine.Now, out machine.Effects) machine.Effects {
	for _, c := range slices.Clone(g.custody.calls) {
		if c.ask.Op == machine.KeyGenerate && c.op == 0 && !c.waits {
			out = g.ask(now, c, out)
		}
	}
	return out
}

// useSpare does what has waited for a new KEK.
func (g *Group) useSpare(now machine.Now, out machine.Effects) machine.Effects {
	if out = g.prepareSpare(now, out); !g.cfg.Custody || !g.Active() || !g.started || g.withdrawn || !g.spareReady() {
		return out
	}
	if g.unbegun() {
		return g.begin(now, out)
	}
	if out = g.excludePending(now, out); g.custody.asked {
		return out // that makes a KEK
	}
	if r := g.due(now); r.any() {
		out = g.rekey(now, r, out)
	}
	return out
}

// unbegun says that the group waits for its first keys.
func (g *Group) unbegun() bool { return g.cfg.Custody && g.Active() && g.epoch == 0 }

// dyingKEK is a KEK to be destroyed.
type dyingKEK struct {
	name string
	// after is the write that deletes its record: a crash before that must find what the record names.
	after machine.PersistID
}

// dispose has the custody destroy a KEK, when nothing needs it any more.
func (g *Group) dispose(k *kek) {
	if k.name == "" || g.kekWith(k.spi) != nil {
		return
	}
	g.custody.dying = append(g.custody.dying, dyingKEK{k.name, g.durable.reserve(g.env)})
}

// disposeAll does that with all KEKs of a group that ends.
func (g *Group) disposeAll() {
	for _, k := range g.keks {
		if k.name != "" {
			g.custody.dying = append(g.custody.dying, dyingKEK{name: k.name})
		}
	}
}

// bury destroys the KEKs whose time has come.
func (g *Group) bury(now machine.Now, out machine.Effects) machine.Effects {
	c := &g.custody
	var due []string
	c.dying = slices.DeleteFunc(c.dying, func(d dyingKEK) bool {
		_, writing := g.durable.waiting[d.after]
		used := slices.ContainsFunc(g.deliveries, func(o *delivery) bool { return o.encryptsWith(d.name) })
		if writing || used || g.durable.failing || d.after != 0 && d.after == g.durable.reserved {
			return false
		}
		due = append(due, d.name)
		return true
	})
	for _, name := range due {
		out = g.call(now, &keyCall{
			ask:  machine.KeyCall{Op: machine.KeyDestroy, Key: name},
			done: func(_ machine.Now, _ []byte, out machine.Effects) machine.Effects { return out },
			failed: func(_ machine.Now, err error, out machine.Effects) (machine.Effects, bool) {
				return out, !errors.Is(err, machine.ErrNoKey)
			},
		}, out)
	}
	return out
}

// noKey draws the consequences when the custody says that it does not have a KEK; back says that it is being unwrapped again.
func (g *Group) noKey(now machine.Now, name string, err error, out machine.Effects) (_ machine.Effects, back bool) {
	k := g.named(name)
	if k == nil || !errors.Is(err, machine.ErrNoKey) {
		return out, false
	}
	if out, back = g.refetch(now, k, out); back {
		return out, true
	}
	switch {
	case k == g.custody.spare:
		return g.prepareSpare(now, g.dropSpare(now, out)), false
	case !g.Active():
		k.missing = true // the primary may wrap it for us
		return out, false
	}
	return g.loseKEK(now, k, out), false
}

// loseKEK gives up a KEK that the custody has lost. Nobody can be told anything under it, so members register again: they
// see a message under a KEK that they do not know. Their TEKs go on.
func (g *Group) loseKEK(now machine.Now, k *kek, out machine.Effects) machine.Effects {
	n := g.note(gdoi.NoteKEKLost, machine.Error, fmt.Sprintf("the key custody does not have KEK %v; a new one is made, and members register again", k.spi), machine.F("spi", k.spi.String()))
	n.Reason = "custody"
	out = append(out, n)
	out = g.retireKEK(slices.Index(g.keks, k), "lost", out)
	g.cancel(func(d *delivery) bool { return d.kek == k.spi && d.datagram == nil })
	if g.Active() {
		g.custody.owed, g.custody.lost = true, g.custody.lost || len(g.keks) == 0
	}
	return out
}
