package member

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// tek is a TEK that the data plane holds; its key is there only.
type tek struct {
	spi                         gdoi.SPI
	suite                       suite.ESP
	permits                     policy.List
	class                       int
	epoch                       uint64
	created, sendAfter, expires machine.Instant
	// lasts is when it ends as long as the key server lists it; expires is earlier where one did not.
	lasts   machine.Instant
	waiting bool // sendAfter has not been acted upon
}

// kek is a rekey SA.
type kek struct {
	receiver         *push.Receiver
	created, expires machine.Instant
	// lasts is when it ends as long as it is the key server's newest; expires is earlier where another one took its place.
	lasts machine.Instant
	from  netip.AddrPort // the multicast group that messages under it go to; invalid: unicast
	used  bool           // a message came under it
}

// endedKEK is one that is held no more, with the last number heard under it.
type endedKEK struct {
	spi gdoi.KEKSPI
	seq uint32
}

// Limits: what a key server can make a member keep.
const (
	maxKEKs       = 8 // of several sides of a group, while these become one
	maxTEKs       = 512
	rememberedOld = 512
)

func (g *Group) tek(spi gdoi.SPI) *tek {
	for _, t := range g.teks {
		if t.spi == spi {
			return t
		}
	}
	return nil
}

func (g *Group) kek(spi gdoi.KEKSPI) *kek {
	for _, k := range g.keks {
		if k.receiver.Key().SPI == spi {
			return k
		}
	}
	return nil
}

func (g *Group) wasRetired(spi gdoi.SPI) bool { return slices.Contains(g.retired, spi) }

// learnBase takes A from an offer.
func (g *Group) learnBase(o *pull.Offer) {
	switch {
	case o.DTD > 0:
		g.base = max(o.DTD/4, minBase)
	case len(o.TEKs) > 0:
		life := time.Duration(o.TEKs[len(o.TEKs)-1].Lifetime) * time.Second
		g.base = min(max(life/20, minBase), maxBase)
	}
}

// takeKEK keeps the rekey SA of an offer; seq is what a PULL said.
func (g *Group) takeKEK(now machine.Now, o *pull.KEKOffer, seq uint32) error {
	if o == nil {
		return nil
	}
	life := time.Duration(o.Lifetime) * time.Second
	g.kekLife = max(g.kekLife, life)
	if k := g.kek(o.SPI); k != nil {
		k.receiver.Raise(seq)
		k.receiver.Key().Ack, k.from = push.AckType(o.Ack), multicast(o.Dst)
		k.lasts = min(k.lasts, now.Mono.Add(life))
		g.stays(k)
		return nil
	}
	key, err := push.KeyFromOffer(o)
	if err != nil {
		return err
	}
	g.keks = append(g.keks, &kek{receiver: push.NewReceiver(key, seq), created: now.Mono, expires: now.Mono.Add(life), lasts: now.Mono.Add(life), from: multicast(o.Dst)})
	for len(g.keks) > maxKEKs {
		g.dropKEK(0)
	}
	return nil
}

// stays takes a KEK that is known for the newest, because a key server has just said so. While two sides become one, each
// says that its own takes the place of all others, and it is the last word that counts.
func (g *Group) stays(k *kek) {
	k.expires = k.lasts
	i := slices.Index(g.keks, k)
	g.keks = append(slices.Delete(g.keks, i, i+1), k)
}

func (g *Group) dropKEK(i int) {
	if len(g.lostKEKs) == rememberedOld {
		g.lostKEKs = g.lostKEKs[1:]
	}
	g.lostKEKs = append(g.lostKEKs, g.keks[i].receiver.Key().SPI)
	g.keks[i].receiver.Destroy()
	g.keks = slices.Delete(g.keks, i, i+1)
}

// takeTEKs installs the TEKs of an offer. With fresh sender ids (a PULL) it installs the known ones again.
func (g *Group) takeTEKs(now machine.Now, o *pull.Offer, fresh bool, out machine.Effects) machine.Effects {
	var listed []*tek
	var keys []*machine.Secret
	var unknown []gdoi.SPI
	for _, e := range o.TEKs {
		if !fresh && g.tek(e.SPI) == nil && g.wasRetired(e.SPI) {
			// A key in its last second, which we gave up by our own clock. Installed again with the same sender ids, it
			// would use its IVs again.
			continue
		}
		end := now.Mono.Add(time.Duration(e.Lifetime) * time.Second)
		t := g.tek(e.SPI)
		if t == nil {
			g.epoch++
			t = &tek{spi: e.SPI, suite: e.Suite, permits: e.Policy, class: g.classOf(e.Policy), epoch: g.epoch, created: now.Mono, sendAfter: now.Mono.Add(o.ATD), lasts: end, waiting: true}
			unknown = append(unknown, e.SPI)
		}
		// Key servers that do not hear each other do not list the same, and it is the last word that counts.
		t.lasts = min(t.lasts, end)
		t.expires = t.lasts
		listed, keys = append(listed, t), append(keys, e.Key)
	}
	held := slices.DeleteFunc(g.teks, func(t *tek) bool { return slices.Contains(listed, t) })
	if !fresh && len(unknown) > 0 && o.DTD > 0 {
		// There is news: what the key server does not list any more ends as it says (RFC 6407 §5.4.1.2). What it lists ends
		// with its lifetime.
		end := now.Mono.Add(max(o.DTD, o.ATD))
		for _, t := range held {
			t.expires = min(t.expires, end)
		}
	}
	g.teks = append(slices.Clone(held), listed...)
	g.inTime(now, unknown)
	for i, t := range listed {
		if !fresh && !slices.Contains(unknown, t.spi) {
			continue
		}
		out = append(out, gdoi.InstallSA{
			Group: g.cfg.Name, TEK: gdoi.TEK{
				SPI: t.spi, Suite: t.suite, Key: keys[i].Clone(), Created: now.WallAt(t.created),
				SendAfter: now.WallAt(t.sendAfter), Expires: now.WallAt(t.expires), Epoch: t.epoch,
			},
			Selectors: slices.Clone(t.permits), Class: t.class,
			SIDBits: g.sidBits, SIDs: slices.Clone(g.sids), Send: t.spi == g.sending[t.class] && t == choose(now, g.ofClass(t.class), g.sending),
		})
		if slices.Contains(unknown, t.spi) {
			out = append(out, g.note(gdoi.NoteSAInstalled, machine.Info, fmt.Sprintf("receiving with %v, sending with it in %v", t.spi, max(0, t.sendAfter.Sub(now.Mono))),
				machine.F("spi", t.spi.String()), machine.F("epoch", fmt.Sprint(t.epoch))))
		}
	}
	for len(g.teks) > maxTEKs {
		out = g.retire(now, 0, "too-many", out)
	}
	return g.activate(now, out)
}

// ofClass lists the TEKs of a class, oldest first.
func (g *Group) ofClass(c int) (out []*tek) {
	for _, t := range g.teks {
		if t.class == c {
			out = append(out, t)
		}
	}
	return out
}

// choose picks the key to send with: the newest whose time has come, else the one that is sent with for want of such, else
// the one whose time comes first; among equals, as after a registration, the oldest, which all others have.
func choose(now machine.Now, teks []*tek, sending map[int]gdoi.SPI) *tek {
	for i := len(teks) - 1; i >= 0; i-- {
		if t := teks[i]; t.sendAfter <= now.Mono && t.expires > now.Mono {
			return t
		}
	}
	var first *tek
	for _, t := range teks {
		switch {
		case t.expires <= now.Mono:
		case sending[t.class] == t.spi:
			return t
		case first == nil || t.sendAfter < first.sendAfter:
			first = t
		}
	}
	return first
}

// activate tells the data plane when the choice has changed, for each class that the access list in force uses.
func (g *Group) activate(now machine.Now, out machine.Effects) machine.Effects {
	for _, t := range g.teks {
		t.waiting = t.waiting && now.Mono < t.sendAfter
	}
	was, classes := g.sending, g.classify(now, g.policies.current.list)
	g.sending = map[int]gdoi.SPI{}
	for _, c := range classes {
		t := choose(now, g.ofClass(c), was)
		if t == nil || g.sending[c] != 0 {
			continue
		}
		g.sending[c] = t.spi
		if was[c] != t.spi {
			out = append(out, gdoi.ActivateSA{Group: g.cfg.Name, Class: c, SPI: t.spi},
				g.note(gdoi.NoteSAActivated, machine.Info, fmt.Sprintf("sending with %v", t.spi), machine.F("spi", t.spi.String())))
		}
	}
	return out
}

// age retires what has ended and activates what is due.
func (g *Group) age(now machine.Now, out machine.Effects) machine.Effects {
	had := len(g.teks)
	// The successor first, so that there is no moment without a key to send with.
	out = g.turn(now, out)
	out = g.activate(now, out)
	out = g.publish(now, out)
	for i := 0; i < len(g.teks); {
		if g.teks[i].expires > now.Mono {
			i++
			continue
		}
		out = g.retire(now, i, "expired", out)
	}
	for i := 0; i < len(g.keks); {
		if g.keks[i].expires > now.Mono {
			i++
			continue
		}
		n := g.note(gdoi.NoteKEKRetired, machine.Info, fmt.Sprintf("KEK %v has ended", g.keks[i].receiver.Key().SPI))
		g.dropKEK(i)
		out = append(out, n)
	}
	switch {
	case had > 0 && len(g.teks) == 0:
		return g.keysGone(now, causeMissed, 0, out)
	case had > len(g.teks):
		out = g.publish(now, g.activate(now, out))
		if g.lacking() {
			out = g.renew(now, causeMissed, 0, out)
		}
	}
	return out
}

func (g *Group) retire(_ machine.Now, i int, why string, out machine.Effects) machine.Effects {
	t := g.teks[i]
	g.teks = slices.Delete(g.teks, i, i+1)
	if g.sending[t.class] == t.spi {
		delete(g.sending, t.class)
	}
	if len(g.retired) == rememberedOld {
		g.retired = g.retired[1:]
	}
	g.retired = append(g.retired, t.spi)
	n := g.note(gdoi.NoteSARetired, machine.Info, fmt.Sprintf("%v retired: %s", t.spi, why), machine.F("spi", t.spi.String()))
	n.Reason = why
	return append(out, gdoi.RetireSA{Group: g.cfg.Name, SPI: t.spi, Reason: why}, n)
}

// retireAll gives up all TEKs.
func (g *Group) retireAll(now machine.Now, why string, out machine.Effects) machine.Effects {
	if len(g.teks) == 0 {
		return out
	}
	for len(g.teks) > 0 {
		out = g.retire(now, 0, why, out)
	}
	return g.keysGone(now, causeDeleted, 0, out)
}

// keysGone fails closed, or as configured, and goes on trying.
func (g *Group) keysGone(now machine.Now, c cause, within time.Duration, out machine.Effects) machine.Effects {
	g.state = Expired
	g.renewal.Stop()
	g.withdraw.Stop()
	out = append(out, g.note(gdoi.NoteKeysExpired, machine.Error, "no keys left: protected traffic stops until this member has registered"))
	out = g.publish(now, out)
	return g.renew(now, c, within, out)
}

func (g *Group) phase(t *tek) gdoi.Phase {
	switch {
	case t.spi == g.sending[t.class]:
		return gdoi.PhaseSending
	case t.waiting:
		return gdoi.PhaseWaiting
	default:
		return gdoi.PhaseDraining
	}
}

func (t *tek) info(now machine.Now, p gdoi.Phase) gdoi.TEKInfo {
	return gdoi.TEKInfo{
		SPI: t.spi, Selectors: slices.Clone(t.permits), Suite: t.suite.String(), Epoch: t.epoch, Phase: p, Created: now.WallAt(t.created),
		SendAfter: now.WallAt(t.sendAfter), Expires: now.WallAt(t.expires), Lifetime: t.expires.Sub(t.created),
		Remaining: max(0, t.expires.Sub(now.Mono)),
	}
}

func (k *kek) info(now machine.Now, base time.Duration) gdoi.KEKInfo {
	key := k.receiver.Key()
	return gdoi.KEKInfo{
		SPI: key.SPI, Suite: key.Suite.String(), Seq: k.receiver.Last(), Created: now.WallAt(k.created), Expires: now.WallAt(k.expires),
		Lifetime: k.expires.Sub(k.created), Remaining: max(0, k.expires.Sub(now.Mono)), NextRekey: now.WallAt(k.expires.Add(-4 * base)),
		SignatureAlg: fmt.Sprintf("%v %s", key.Public, suite.HashName(key.Hash)), SignatureLen: key.Public.Len(), SignatureKeyLen: len(key.Public.DER()), Used: k.used,
	}
}
