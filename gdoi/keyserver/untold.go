package keyserver

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// A KEK of the custody that is new is untold until the first message that brings it has left, which takes several calls and
// may fail for long. Until then PUSH messages go under its predecessor, which lives on, and TEKs that cannot wait for the
// KEK are told without it.

// holders are the members that can have an untold KEK: they have registered since. Others would take a message under it as a
// sign that they have missed something.
func (g *Group) holders(k *kek) (out []netip.AddrPort) {
	for _, m := range g.members.sorted {
		if !m.left && m.registered >= k.created && !g.shunned(m) {
			out = append(out, m.peer.Addr)
		}
	}
	return out
}

// endOf is when a KEK ends: later than it should while members know no other, but not later than it was made for.
func (g *Group) endOf(k *kek) machine.Instant {
	i := slices.Index(g.keks, k)
	if i >= 0 && slices.ContainsFunc(g.keks[i+1:], func(o *kek) bool { return o.untold }) {
		return max(k.expires, g.naturalEnd(k))
	}
	return k.expires
}

// naturalEnd is when members take a KEK to end that have not heard of another one.
func (g *Group) naturalEnd(k *kek) machine.Instant { return k.created.Add(g.cfg.KEKLifetime) }

// nowTold notes that a message leaves, and gives everybody the time to hear of the KEK that it brings.
func (g *Group) nowTold(now machine.Now, d *delivery) {
	if d.brings == "" {
		return
	}
	k := g.named(d.brings)
	if k == nil || !k.untold {
		return
	}
	k.untold = false
	at := slices.Index(g.keks, k)
	for _, o := range g.keks[:max(0, at)] {
		o.expires = max(o.expires, min(g.naturalEnd(o), now.Mono.Add(4*g.cfg.ActivationDelay)))
		k.active = max(k.active, now.Mono.Add(g.activation(o.expires.Sub(now.Mono))))
		g.durable.kek(o)
	}
	g.durable.kek(k)
	g.custody.retell.Stop()
}

// urgent says whether members must hear of a TEK, and could without the newest KEK, which is untold.
func (g *Group) urgent(now machine.Now, newest *kek) bool {
	return newest.untold && !g.custodyGone() && slices.ContainsFunc(g.teks, func(t *tek) bool { return t.sendAfter > now.Mono })
}

// tellWithout sends the TEKs without the KEK, whose value the custody does not tell; the KEK follows when it does.
func (g *Group) tellWithout(now machine.Now, d *delivery, k *kek, why error, out machine.Effects) machine.Effects {
	m := d.message
	m.Offer = g.announcement(now, k)
	m.Offer.KEK = nil
	if err := g.build(d, k, m); err != nil {
		return g.revealFailed(now, d, err, out)
	}
	d.brings, d.what = "", describe(m)
	g.custody.retell.Set(now.Mono.Add(maxMakeRetry))
	n := g.note(gdoi.NoteSignFailed, machine.Error, fmt.Sprintf("rekey %d goes out without the new KEK, which follows: %v", d.seq, why))
	n.Reason = "custody"
	return g.requestSignature(now, d, append(out, n))
}

// retell tells members of a KEK as soon as the custody gives it out.
func (g *Group) retell(now machine.Now, out machine.Effects) machine.Effects {
	untold := func() bool {
		n := len(g.keks)
		return n > 0 && g.keks[n-1].untold && g.Active() && !g.withdrawn &&
			!slices.ContainsFunc(g.deliveries, func(d *delivery) bool { return d.brings == g.keks[n-1].name && d.tx == nil })
	}
	if !g.custody.retell.Due(now.Mono) || !untold() {
		return out
	}
	return g.WithKEK(now, func(now machine.Now, err error, out machine.Effects) machine.Effects {
		switch {
		case !untold():
			return out
		case err != nil:
			g.custody.retell.Set(now.Mono.Add(maxMakeRetry))
			return out
		}
		return g.rekey(now, rekeying{}, out)
	}, nil, out)
}
