package keyserver

import (
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
)

const (
	// rfcArrays is up to how many octets the update arrays have the form of the RFC; see package lkh.
	rfcArrays = 8 << 10
	// maxArrays is what fits into a datagram beside the rest.
	maxArrays = 60 << 10
	// secondPush is how long the TEKs follow after the KEK, unless a quarter of the repetition interval is less.
	secondPush = time.Second
)

// exclusion is a KEK on its way to everybody but those who were removed.
type exclusion struct {
	kek    gdoi.KEKSPI   // the new one, which the arrays lead to; another may have come since
	under  []gdoi.KEKSPI // the KEKs that those who stay may have
	arrays []isakmp.LKHUpdate
	// withdrawn TEKs end with the second PUSH.
	withdrawn []gdoi.SPI
	second    machine.Timer // when the TEKs follow
	until     machine.Instant
}

func arraysLen(arrays []isakmp.LKHUpdate) (n int) {
	for _, u := range arrays {
		n += 4 + u.Len()
	}
	return n
}

// split says who can derive the new KEK, and who can not.
func (g *Group) split() (told, again []netip.AddrPort) {
	for _, m := range g.members.sorted {
		switch {
		case m.left, g.shunned(m):
		case m.slot != noSlot && len(g.exclusion.arrays) > 0:
			told = append(told, m.peer.Addr)
		default:
			again = append(again, m.peer.Addr)
		}
	}
	return told, again
}

// pushExclusion sends the new KEK under the old ones: as update arrays to those who have a path in the tree, to others as
// the end of their KEK, which makes them register again while they keep their TEKs.
func (g *Group) pushExclusion(now machine.Now, out machine.Effects) machine.Effects {
	x := g.exclusion
	fresh := g.kekWith(x.kek)
	if n := len(g.keks); n > 0 && x.kek.IsZero() {
		fresh = g.keks[n-1]
	}
	if fresh == nil {
		g.endExclusion() // it has ended, and whoever missed it registers again
		return g.rekey(now, rekeying{}, out)
	}
	var under []*kek
	told, again := g.split()
	first := map[gdoi.KEKSPI]uint32{}
	for _, k := range g.keks {
		if slices.Contains(x.under, k.spi) {
			under = append(under, k)
			first[k.spi] = g.nextSeq(k)
			if len(told) > 0 && len(again) > 0 {
				g.nextSeq(k)
			}
			g.durable.kek(k)
		}
	}
	out, after := g.persist(now, out)
	c := g.newCampaign()
	for _, k := range under {
		g.cancel(func(o *delivery) bool { return o.kek == k.spi })
		if len(told) > 0 {
			o := &pull.Offer{KEK: g.kekOffer(now, fresh), DTD: 4 * g.cfg.ActivationDelay, LKH: &pull.LKHOffer{Updates: x.arrays}}
			o.KEK.Ack = uint16(fresh.asks)
			to := told
			if k.dst.IsValid() {
				to = g.destinations(k)
			}
			out = g.announceTo(now, c, k, push.Message{Seq: first[k.spi], Offer: o}, to, after, out)
		}
		if len(again) > 0 {
			// One by one, also where the group's messages are multicast: the others are to keep their KEK.
			out = g.announceTo(now, c, k, push.Message{Seq: k.seq, Deletes: ends(under)}, again, after, out)
		}
	}
	x.second.Set(now.Mono.Add(min(secondPush, g.cfg.ActivationDelay/8)))
	return out
}

// ends says that these KEKs have ended, and no others: whoever registers before the message comes has a new one already.
func ends(keks []*kek) (out []isakmp.Delete) {
	for _, k := range keks {
		out = append(out, push.DeleteKEK(k.spi))
	}
	return out
}

// followExclusion sends the TEKs under the new KEK, when everybody was sent that.
func (g *Group) followExclusion(now machine.Now, out machine.Effects) machine.Effects {
	x := g.exclusion
	if x == nil {
		return out
	}
	if x.second.Due(now.Mono) {
		busy := slices.ContainsFunc(g.deliveries, func(d *delivery) bool {
			return slices.Contains(x.under, d.kek) && (d.tx == nil || d.tx.Round() == 0)
		})
		if busy {
			x.second.Set(now.Mono.Add(min(secondPush, g.cfg.ActivationDelay/8)))
			return out
		}
		x.second.Stop()
		out = g.rekey(now, rekeying{}, out)
	}
	if _, waiting := x.second.Deadline(); !waiting && now.Mono >= x.until {
		g.endExclusion()
	}
	return out
}

// withdrawing lists the TEKs that a PUSH under the new KEK deletes.
func (g *Group) withdrawing() []gdoi.SPI {
	if g.exclusion == nil {
		return nil
	}
	return slices.Clone(g.exclusion.withdrawn)
}

func (g *Group) endExclusion() {
	if g.exclusion != nil {
		g.exclusion = nil
		g.durable.exclusion = true
	}
}

// announceAgain announces the keys once more, after a restart or when what was sent depended on records that were not written.
func (g *Group) announceAgain(now machine.Now, r rekeying, out machine.Effects) machine.Effects {
	if g.exclusion == nil || r.kek {
		return g.rekey(now, r, out)
	}
	for _, c := range r.chains {
		out = g.newTEK(now, c, out)
	}
	g.exclusion.until = now.Mono.Add(g.cfg.ActivationDelay)
	return g.pushExclusion(now, out)
}
