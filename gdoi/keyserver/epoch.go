package keyserver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// tek is a traffic key. Instants rule its life; wall time is computed from them for records and operators.
type tek struct {
	spi                         gdoi.SPI
	suite                       suite.ESP
	key                         *machine.Secret
	chain                       *chain
	epoch                       uint64
	created, sendAfter, expires machine.Instant
	stamped                     bool // all senders stamp their packets under it
}

// kek is a key-encryption key with the last sequence number used under it.
type kek struct {
	spi     gdoi.KEKSPI
	suite   suite.KEK
	key, iv *machine.Secret
	// name is that of a KEK in the custody: then key is empty, but for the steps in which the custody has told it.
	name string
	// wrapped are copies for the custodies of other key servers, which alone can open them.
	wrapped map[coop.ID][]byte
	// wraps are the calls that make them, coming the one that unwraps ours: until then the custody does not have it. missing: it
	// does not, and there is no copy for it. fetches counts how often it was unwrapped.
	wraps   map[coop.ID]*keyCall
	coming  *keyCall
	missing bool
	fetches int
	seq     uint32
	sign    signing
	// asks is the acknowledgement that the SAK of the PUSH which brings the key asks for; 0: none.
	asks push.AckType
	// dst is the multicast group that messages under the key go to; invalid: unicast.
	dst netip.AddrPort
	// untold: no message that brings it has left yet, so that only who registered since can have it (untold.go).
	untold bool
	// active is when PUSH messages no longer need the predecessor.
	created, active, expires machine.Instant
	// floor is the window of sequence numbers from which this key server has used none, where it lost its records of before.
	floor uint32
}

// signing is how PUSH messages under a KEK are signed. It does not change while the KEK lives: members learnt it with it.
type signing struct {
	key    string // in the custody
	hash   machine.Hash
	der    []byte // SubjectPublicKeyInfo
	public *suite.SignatureKey
}

// newTEK makes the next TEK of a chain; everybody sends with it from 2A on, or as the end of the old one allows.
func (g *Group) newTEK(now machine.Now, c *chain, out machine.Effects) machine.Effects {
	g.epoch++
	t := &tek{
		suite: c.suite, chain: c, epoch: g.epoch,
		created: now.Mono, sendAfter: max(now.Mono, g.policyAt), expires: now.Mono.Add(c.lifetime), stamped: g.stamps(now),
	}
	if g.derives() {
		t.spi, t.key, t.expires = g.deriveTEK(now, c)
	} else {
		t.spi, t.key = g.nextSPI(), machine.TakeSecret(g.env.KeyBytes(c.suite.KeymatLen()))
	}
	if old := g.newest(c); old != nil {
		t.sendAfter = now.Mono.Add(g.activation(old.expires.Sub(now.Mono)))
	}
	end := now.Mono.Add(4 * g.cfg.ActivationDelay)
	for _, old := range g.of(c) {
		if old.expires > end {
			old.expires = end
			g.durable.tek(old)
		}
	}
	g.teks = append(g.teks, t)
	g.version++
	g.durable.tek(t)
	return append(out, g.note(gdoi.NoteTEKCreated, machine.Info, fmt.Sprintf("new %s %v for %v", c.title(), t.spi, c.lifetime),
		machine.F("spi", t.spi.String()), machine.F("epoch", fmt.Sprint(t.epoch)), machine.F("sa", c.sa)))
}

// newKEK makes a KEK. Where the custody has none ready, it comes later; who cannot wait for that asks renewable before.
func (g *Group) newKEK(now machine.Now, out machine.Effects) machine.Effects {
	if !g.spareReady() {
		g.custody.owed = true
		return g.prepareSpare(now, out)
	}
	g.fitTree()
	k := &kek{suite: g.cfg.KEK}
	if g.cfg.Custody {
		k, out = g.takeSpare(now, out)
	}
	g.custody.owed = false
	k.sign, k.created, k.active, k.expires = g.signing(), now.Mono, now.Mono, now.Mono.Add(g.cfg.KEKLifetime)
	if g.cfg.Custody {
		// It is random: the custody derives nothing.
		if g.derives() && g.whole() {
			g.replica.stir = g.replica.head + 1
		}
	} else if g.derives() {
		k.spi, k.key, k.iv, k.expires = g.deriveKEK(now)
		g.openWindow(k) // others make the same KEK
		if g.whole() {
			g.replica.stir = g.replica.head + 1 // when all have this KEK
		}
	} else {
		k.key, k.iv = machine.TakeSecret(g.env.Bytes(g.cfg.KEK.KeyLen())), machine.TakeSecret(g.env.Bytes(g.cfg.KEK.IVLen()))
	}
	k.asks, k.dst = g.askable(g.members.allGetVPN()), g.cfg.Multicast
	for k.spi.IsZero() {
		g.env.Read(k.spi[:])
	}
	if n := len(g.keks); n > 0 {
		k.active = now.Mono.Add(g.activation(g.keks[n-1].expires.Sub(now.Mono)))
	}
	end := now.Mono.Add(4 * g.cfg.ActivationDelay)
	for _, old := range g.keks {
		if old.expires > end {
			old.expires = end
			g.durable.kek(old)
		}
	}
	g.keks = append(g.keks, k)
	g.version++
	g.durable.kek(k)
	return append(out, g.note(gdoi.NoteKEKCreated, machine.Info, fmt.Sprintf("new KEK %v for %v", k.spi, g.cfg.KEKLifetime),
		machine.F("spi", k.spi.String())))
}

// retire destroys keys whose end has come.
func (g *Group) retire(now machine.Now, out machine.Effects) machine.Effects {
	for i := 0; i < len(g.teks); {
		if g.teks[i].expires > now.Mono {
			i++
			continue
		}
		out = g.retireTEK(i, "expired", out)
	}
	for i := 0; i < len(g.keks); {
		if g.endOf(g.keks[i]) > now.Mono {
			i++
			continue
		}
		out = g.retireKEK(i, "expired", out)
	}
	g.forgetEnded(now)
	return g.endMerge(now, out)
}

func (g *Group) retireTEK(i int, why string, out machine.Effects) machine.Effects {
	t := g.teks[i]
	g.teks = append(g.teks[:i:i], g.teks[i+1:]...)
	g.version++
	t.key.Destroy()
	g.rememberSPI(t.spi)
	g.rememberTEK(t)
	g.durable.deleteTEK(t.spi)
	g.endTime()
	n := g.note(gdoi.NoteTEKRetired, machine.Info, fmt.Sprintf("%s %v destroyed: %s", t.chain.title(), t.spi, why), machine.F("spi", t.spi.String()))
	n.Reason = why
	return append(out, n)
}

func (g *Group) retireKEK(i int, why string, out machine.Effects) machine.Effects {
	k := g.keks[i]
	g.keks = append(g.keks[:i:i], g.keks[i+1:]...)
	g.version++
	k.key.Destroy()
	k.iv.Destroy()
	g.rememberKEK(k)
	g.durable.deleteKEK(k.spi)
	g.dispose(k)
	n := g.note(gdoi.NoteKEKRetired, machine.Info, fmt.Sprintf("KEK %v destroyed: %s", k.spi, why), machine.F("spi", k.spi.String()))
	n.Reason = why
	return append(out, n)
}

func (t *tek) info(now machine.Now, p gdoi.Phase) gdoi.TEKInfo {
	return gdoi.TEKInfo{
		SPI: t.spi, SA: t.chain.sa, Selectors: slices.Clone(t.chain.permits), Suite: t.suite.String(), Epoch: t.epoch, Phase: p, Created: now.WallAt(t.created),
		SendAfter: now.WallAt(t.sendAfter), Expires: now.WallAt(t.expires), Lifetime: t.expires.Sub(t.created),
		Remaining: max(0, t.expires.Sub(now.Mono)),
	}
}

func (k *kek) info(now machine.Now, g *Group) gdoi.KEKInfo {
	return gdoi.KEKInfo{
		SPI: k.spi, Suite: k.suite.String(), Seq: k.seq, Created: now.WallAt(k.created), Expires: now.WallAt(k.expires),
		Lifetime: k.expires.Sub(k.created), Remaining: max(0, k.expires.Sub(now.Mono)), NextRekey: now.WallAt(g.rekeyAt(k.expires)),
		SignatureKey: k.sign.key, SignatureAlg: fmt.Sprintf("%v %s", k.sign.public, suite.HashName(k.sign.hash)), SignatureLen: k.sign.public.Len(),
		SignatureKeyLen: len(k.sign.der),
	}
}

// pushKey is a copy for one message, with secrets of its own: the KEK may be withdrawn by the very message.
// Of one in the custody it has no value, not even in a step in which that is here.
func (k *kek) pushKey() *push.Key {
	p := &push.Key{SPI: k.spi, Suite: k.suite, IV: k.iv.Clone(), Hash: k.sign.hash, Public: k.sign.public}
	if k.name == "" {
		p.Key = k.key.Clone()
	}
	return p
}

// spiWalk yields SPIs: a random start and a random odd stride visit every 32-bit value once before any comes again.
type spiWalk struct{ at, stride uint32 }

func newSPIWalk(env *machine.Env) spiWalk { return spiWalk{env.Uint32(), env.Uint32() | 1} }

func (w *spiWalk) next() gdoi.SPI {
	for {
		s := gdoi.SPI(w.at)
		w.at += w.stride
		if s >= gdoi.MinSPI {
			return s
		}
	}
}

// nextSPI is the next SPI of the walk that nobody has. A member of several groups has one table for all of them
// (RFC 4301 §4.4.2), so an SPI is unique over the groups of a key server, and one that has ended here may live on a little
// at a member.
func (g *Group) nextSPI() gdoi.SPI {
	for {
		if s := g.ownSPI(g.spis.next()); s >= gdoi.MinSPI && !g.HasSPI(s) && (g.cfg.SPIInUse == nil || !g.cfg.SPIInUse(s)) {
			return s
		}
	}
}

// HasSPI says whether a TEK of the group has this SPI, or had it not long ago.
func (g *Group) HasSPI(s gdoi.SPI) bool {
	return slices.Contains(g.retiredSPIs, s) || slices.ContainsFunc(g.teks, func(t *tek) bool { return t.spi == s })
}

// rememberSPI notes that a TEK has ended.
func (g *Group) rememberSPI(s gdoi.SPI) {
	if g.retiredSPIs = append(g.retiredSPIs, s); len(g.retiredSPIs) > rememberedSPIs*max(1, len(g.chains)) {
		g.retiredSPIs = slices.Delete(g.retiredSPIs, 0, 1)
	}
}

// StoredSPIs lists the SPIs of the TEKs among records of any groups.
func StoredSPIs(stored []machine.Record) (out []gdoi.SPI) {
	for _, r := range stored {
		var s gdoi.SPI
		if n, err := fmt.Sscanf(r.Key, tekKeyFormat, &s); n == 1 && err == nil && strings.HasPrefix(r.Bucket, Bucket("")) {
			out = append(out, s)
		}
	}
	return out
}
