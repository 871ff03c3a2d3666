package member

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// granted takes the keys of a registration.
func (g *Group) granted(now machine.Now, o *pull.Offer, out machine.Effects) machine.Effects {
	was := slices.IndexFunc(g.withdrawn, func(e endedKEK) bool { return o.KEK != nil && e.spi == o.KEK.SPI })
	if was >= 0 && g.doubted < len(g.servers.list) {
		// Written before the message that withdrew these keys, and overtaken by it.
		// Another key server may know better than one that has not heard of it yet. When as many as there are say the same, the
		// key lives: who withdrew it was one of several primaries, and gave way.
		g.doubted++
		g.endExchange()
		g.servers.next(now)
		g.attempt.Set(now.Mono.Add(g.jitter(time.Second)))
		return out
	}
	seq := o.Seq
	if was >= 0 {
		seq = max(seq, g.withdrawn[was].seq) // what was said under it before is not to be said again
	}
	if err := g.takeKEK(now, o.KEK, seq); err != nil {
		return g.failed(now, err, out)
	}
	g.doubted = 0
	if was >= 0 {
		g.withdrawn = slices.Delete(g.withdrawn, was, was+1)
	}
	g.trust(o, nil)
	out = g.takePath(o, out)
	g.dropRefused(o)
	g.endExchange()
	g.attempt.Stop()
	g.withdraw.Stop()
	g.failures, g.reason, g.authFailure, g.waits = 0, "", "", waits{}
	g.registrations++
	g.rekeysSince = 0
	g.servers.reachable(g.ks())
	g.registeredWith, g.registeredAt = g.ks(), now.Mono
	g.sidBits, g.sids = o.SIDBits, slices.Clone(o.SIDs)
	g.learnBase(o)
	out = append(out, g.note(gdoi.NoteGMRegistered, machine.Info, fmt.Sprintf("registered, %d TEKs", len(o.TEKs)), machine.F("seq", fmt.Sprint(o.Seq))))
	g.learn(now, o, true)
	out = g.takeTEKs(now, o, true, g.takeTime(now, o, true, out))
	out = g.registered(now, out)
	g.checkAlarm()
	g.schedule(now)
	return g.syncMulticast(out)
}

// registered notes that there are keys.
func (g *Group) registered(now machine.Now, out machine.Effects) machine.Effects {
	if !g.state.HoldsKeys() || !g.busy() {
		g.state = Registered
	}
	return g.publish(now, g.activate(now, g.turn(now, out)))
}

// HoldsKEK says whether a PUSH under this KEK is for us.
func (g *Group) HoldsKEK(spi gdoi.KEKSPI) bool { return g.kek(spi) != nil }

// PushMessage takes a GROUPKEY-PUSH under a KEK that HoldsKEK knows.
func (g *Group) PushMessage(now machine.Now, spi gdoi.KEKSPI, ev machine.Datagram, out machine.Effects) (machine.Effects, error) {
	receiver := g.kek(spi).receiver
	m, err := receiver.Open(ev.Bytes)
	if errors.Is(err, push.ErrDuplicate) {
		g.acknowledgeAgain(now, ev)
	}
	var e *push.Error
	if errors.As(err, &e) && e.Genuine {
		// Only a registration can tell what it said (RFC 6407 §5.3.2).
		g.reason = err.Error()
		return g.renew(now, causeUnreadable, g.base/2, out), err
	}
	if errors.Is(err, push.ErrSignature) {
		out = g.unknownSigner(now, ev.Remote, out)
	}
	if err != nil {
		return out, err
	}
	// Now, because the message may delete the very key that it came under.
	leaf := g.path.Leaf()
	ack := receiver.Key().AckKey(leaf)
	leaf.Destroy()
	defer ack.Destroy()
	g.kek(spi).used = true
	g.rekeys++
	g.rekeysSince++
	g.lastRekey, g.rekeyedBy = now.Mono, ev.Remote
	note := g.note(gdoi.NoteRekeyReceived, machine.Info, fmt.Sprintf("rekey %d", m.Seq), machine.F("seq", fmt.Sprint(m.Seq)), machine.F("kek", spi.String()))
	out = append(out, from(ev.Remote, note))
	if len(m.Deletes) > 0 {
		out = g.deleted(now, m, out)
	}
	if m.Offer != nil {
		defer m.Offer.Destroy()
		if k := g.kek(spi); k != nil && m.Offer.KEK == nil {
			g.stays(k) // whoever sent it has none that is newer
		}
		out = g.rekeyed(now, m.Offer, m.Signer, out)
	}
	if ack != nil && g.carriedOut(m) {
		g.acknowledge(now, ack, m.Seq, ev)
	}
	return g.syncMulticast(out), nil
}

// rekeyed takes the keys of a PUSH.
func (g *Group) rekeyed(now machine.Now, o *pull.Offer, signer *suite.SignatureKey, out machine.Effects) machine.Effects {
	updated, err := g.updateKEK(now, o)
	if o.KEK != nil && g.kek(o.KEK.SPI) == nil && o.DTD > 0 {
		// A new KEK: its predecessors end with the rollover, and not only when they would have.
		for _, k := range g.keks {
			k.expires = min(k.expires, now.Mono.Add(o.DTD))
		}
	}
	if err == nil {
		err = g.takeKEK(now, o.KEK, 0)
	}
	if err != nil {
		return g.renew(now, causeUnreadable, g.base/2, append(out, g.note(gdoi.NoteRegisterFailed, machine.Warning, err.Error())))
	}
	g.trust(o, signer)
	if len(o.TEKs) == 0 {
		g.schedule(now)
		if updated {
			out = g.rekeyedByTree(now, o, out)
		}
		return out
	}
	if err := g.suitesAllowed(o); err != nil {
		// The keys that are there stay until they end; a registration will say the same, or bring something better.
		out = g.renew(now, causeUnreadable, g.base/2, append(out, g.note(gdoi.NoteRegisterFailed, machine.Warning, err.Error())))
		g.reason = err.Error()
		return out
	}
	g.dropRefused(o)
	if len(g.sids) == 0 && o.CounterMode() {
		// RFC 6407 §5.6.4: a counter-mode sender without a sender id must not install what is pushed.
		return g.renew(now, causeDeleted, g.base/2, out)
	}
	g.learnBase(o)
	enough := g.learn(now, o, false)
	out = g.takeTEKs(now, o, false, g.takeTime(now, o, false, out))
	if len(g.teks) == 0 {
		// Nothing but keys that we had given up: only a registration, with new sender ids, brings them back.
		return g.renew(now, causeMissed, g.base/2, out)
	}
	g.found()
	out = g.registered(now, out)
	g.schedule(now)
	if !enough {
		out = g.renew(now, causePolicy, g.base/2, out)
	}
	return out
}

// deleted applies the DELETE payloads of a PUSH.
func (g *Group) deleted(now machine.Now, m *push.Message, out machine.Effects) machine.Effects {
	had := len(g.teks)
	for i := 0; i < len(g.teks); {
		if !m.DeletesTEK(g.teks[i].spi) {
			i++
			continue
		}
		out = g.retire(now, i, "deleted", out)
	}
	for i := 0; i < len(g.keks); {
		if !m.DeletesKEK(g.keks[i].receiver.Key().SPI) {
			i++
			continue
		}
		g.withdrawn = append(g.withdrawn, endedKEK{g.keks[i].receiver.Key().SPI, g.keks[i].receiver.Last()})
		g.dropKEK(i)
	}
	if n := len(g.withdrawn); n > rememberedOld {
		g.withdrawn = slices.Delete(g.withdrawn, 0, n-rememberedOld)
	}
	out = append(out, from(g.rekeyedBy, g.note(gdoi.NoteDeleteReceived, machine.Warning, causeDeleted.String())))
	within := min(g.base/2, deleteJitter)
	switch {
	case m.Offer != nil:
		return g.activate(now, out)
	case len(g.teks) == 0:
		g.sids = nil
		if had == 0 {
			return g.renew(now, causeDeleted, within, out)
		}
		return g.keysGone(now, causeDeleted, within, out)
	default:
		return g.renew(now, causeDeleted, within, g.activate(now, out))
	}
}

// schedule sets the time of the next registration: when a rekey is overdue, or the registration grows old.
func (g *Group) schedule(now machine.Now) {
	overdue := func(end machine.Instant) machine.Instant {
		at := end.Add(-3*g.base + g.jitter(g.base/2))
		if at <= now.Mono {
			// The key server is late, or the key short.
			at = min(now.Mono.Add(g.base/2+g.jitter(g.base/2)), now.Mono.Add(end.Sub(now.Mono)/2))
		}
		return at
	}
	g.renewal.Stop()
	var first machine.Next
	for _, t := range g.wanted(g.policies.latest().list) {
		first.Add(t.expires, true)
	}
	if first.OK {
		g.renewal.Set(overdue(first.At))
		g.renewalCause = causeMissed
	}
	if n := len(g.keks); n > 0 {
		if at := overdue(g.keks[n-1].expires); g.sooner(at) {
			g.renewal.Set(at)
			g.renewalCause = causeMissed
		}
		// Between 80 and 95 % of a KEK lifetime after the last registration.
		old := g.registeredAt.Add(g.kekLife/100*80 + g.jitter(g.kekLife/100*15))
		if old = max(old, now.Mono.Add(time.Second)); g.sooner(old) {
			g.renewal.Set(old)
			g.renewalCause = causeOld
		}
	}
}

func (g *Group) sooner(at machine.Instant) bool {
	was, on := g.renewal.Deadline()
	return !on || at < was
}

func (g *Group) renewAt() (machine.Instant, bool) { return g.renewal.Deadline() }
