package keyserver

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
)

// rekeying says which keys a rekey replaces: the TEKs of chains, and the KEK; none means to announce those that exist.
type rekeying struct {
	chains []*chain
	kek    bool
}

func (r rekeying) any() bool { return len(r.chains) > 0 || r.kek }

// rekey makes the new keys and announces them.
func (g *Group) rekey(now machine.Now, r rekeying, out machine.Effects) machine.Effects {
	// Who reads what: a KEK that is made now is known to nobody yet.
	return g.rekeyUnder(now, g.announceUnder(now), r, nil, out)
}

// rekeyUnder announces under KEKs that were there before, and withdraws TEKs.
func (g *Group) rekeyUnder(now machine.Now, under []*kek, r rekeying, gone []gdoi.SPI, out machine.Effects) machine.Effects {
	g.timeTold(now)
	if r.kek {
		out = g.newKEK(now, out)
	}
	for _, c := range r.chains {
		out = g.newTEK(now, c, out)
	}
	if len(under) == 0 && g.custody.lost && len(g.keks) > 0 {
		// Nobody can read it; but who sees a KEK that it does not know registers again.
		under = g.keks[len(g.keks)-1:]
		under[0].active, g.custody.lost = now.Mono, false
	}
	if len(under) == 0 || len(g.receivers()) == 0 {
		g.trustTold(now) // by registrations
		out, _ = g.persist(now, out)
		return out
	}
	if newest := g.keks[len(g.keks)-1]; r.kek && newest.created == now.Mono && newest.name != "" && !slices.Contains(under, newest) {
		newest.untold = true
	}
	for _, k := range under {
		g.nextSeq(k)
		g.durable.kek(k)
	}
	out, after := g.persist(now, out)
	c := g.newCampaign()
	for _, k := range under {
		out = g.announceIn(now, c, k, push.Message{Seq: k.seq, Deletes: withdrawals(append(g.withdrawing(), gone...)), Offer: g.announcement(now, k)}, after, out)
	}
	return out
}

// announceUnder lists the KEKs under which a PUSH reaches everybody, oldest first: the newest one that all members
// must know by now, and those made since.
func (g *Group) announceUnder(now machine.Now) []*kek {
	from := 0
	for i, k := range g.keks {
		if k.active <= now.Mono && !k.untold {
			from = i
		}
	}
	return slices.DeleteFunc(slices.Clone(g.keks[from:]), func(k *kek) bool { return g.spent(k) || k.untold && len(g.holders(k)) == 0 })
}

// announcement is the offer of a PUSH under k. It aliases the group's secrets.
func (g *Group) announcement(now machine.Now, k *kek) *pull.Offer {
	o := g.offer(now)
	if g.keks[len(g.keks)-1] == k {
		// Everybody who can read this has it.
		o.KEK = nil
		if r := &g.replica; len(r.untold) == 0 && (r.trustAt == 0 || now.Mono >= r.trustAt.Add(g.trustDelay())) {
			o.Trusted = nil // everybody has heard of them
		}
	} else {
		o.KEK.Ack = uint16(g.keks[len(g.keks)-1].asks)
	}
	return o
}

// offer is what the group grants at now, without sender ids. It aliases the group's secrets.
func (g *Group) offer(now machine.Now) *pull.Offer {
	o := &pull.Offer{AccessList: g.cfg.AccessList(), Mode: g.cfg.Mode, ATD: max(0, g.policyAt.Sub(now.Mono)), DTD: 4 * g.cfg.ActivationDelay, SIDBits: g.cfg.SIDBits, Time: g.timeOffer(now), Trusted: g.trusted()}
	if n := len(g.keks); n > 0 {
		k := g.keks[n-1]
		o.Seq = k.seq
		o.KEK = g.kekOffer(now, k)
	}
	for _, t := range g.inOrder() {
		if g.nearEnd(now, t) {
			continue
		}
		o.TEKs = append(o.TEKs, pull.TEKOffer{
			SPI: t.spi, Suite: t.suite, Key: t.key, Lifetime: seconds(t.expires.Sub(now.Mono)), Policy: t.chain.permits,
		})
		// One value for all of them: members send with none of the new ones before.
		o.ATD = max(o.ATD, t.sendAfter.Sub(now.Mono))
	}
	return o
}

// kekOffer aliases the secrets of the KEK.
func (g *Group) kekOffer(now machine.Now, k *kek) *pull.KEKOffer {
	return &pull.KEKOffer{
		SPI: k.spi, Suite: k.suite, Key: k.key, IV: k.iv, Lifetime: seconds(k.expires.Sub(now.Mono)),
		Signature: k.sign.public.Signature(), SigHash: k.sign.hash, SigKeyDER: k.sign.der, SigKeyBits: k.sign.public.Bits(), Src: g.locals.First, Dst: k.dst,
	}
}

// seconds rounds a lifetime down, so that no member keeps a key longer than we do, but a lifetime of 0 cannot be sent.
func seconds(d time.Duration) uint32 { return uint32(max(1, d/time.Second)) }

// announce has a message built and signed; delivery follows when the signature is there.
func (g *Group) announce(now machine.Now, k *kek, m push.Message, after machine.PersistID, out machine.Effects) machine.Effects {
	return g.announceIn(now, g.newCampaign(), k, m, after, out)
}

// announceIn is announce for one of the messages that a campaign has.
func (g *Group) announceIn(now machine.Now, c *campaign, k *kek, m push.Message, after machine.PersistID, out machine.Effects) machine.Effects {
	// A newer message under the same KEK says all that an older one did.
	g.cancel(func(o *delivery) bool { return o.kek == k.spi })
	return g.announceTo(now, c, k, m, g.destinations(k), after, out)
}

// announceTo is announceIn beside what goes to other members under the same KEK.
func (g *Group) announceTo(now machine.Now, c *campaign, k *kek, m push.Message, to []netip.AddrPort, after machine.PersistID, out machine.Effects) machine.Effects {
	d := &delivery{kek: k.spi, name: k.name, signKey: k.sign.key, seq: m.Seq, made: now.Mono, after: after, to: to, campaign: c, what: describe(m), change: g.changeOf(after)}
	d.message = push.Message{Seq: m.Seq, Deletes: m.Deletes}
	if g.needsValue(&m) {
		d.brings = g.keks[len(g.keks)-1].name
	} else if err := g.build(d, k, m); err != nil {
		n := g.note(gdoi.NoteSignFailed, machine.Error, "cannot build a rekey: "+err.Error())
		n.Reason = "build"
		return append(out, n)
	}
	c.add(g, k, m.Seq)
	if g.cfg.Coop != nil {
		d.hold.Set(now.Mono.Add(g.cfg.ActivationDelay / 2))
	}
	d.multicast = k.dst.IsValid() && slices.Equal(to, g.destinations(k))
	g.deliveries = append(g.deliveries, d)
	return g.advance(now, d, out)
}

func describe(m push.Message) string {
	switch {
	case m.Offer == nil && m.DeletesTEK(gdoi.MinSPI):
		return "withdraws all keys"
	case m.Offer == nil:
		return "withdraws the KEK"
	case m.Offer.LKH != nil:
		return fmt.Sprintf("a new KEK by %d update arrays", len(m.Offer.LKH.Updates))
	case m.Offer.KEK != nil:
		return fmt.Sprintf("%d TEKs and a new KEK", len(m.Offer.TEKs))
	default:
		return fmt.Sprintf("%d TEKs", len(m.Offer.TEKs))
	}
}

// reset withdraws all keys from everybody, empties the list and begins anew (RFC 6407 §3.5).
func (g *Group) reset(now machine.Now, out machine.Effects) machine.Effects {
	under := g.announceUnder(now)
	for _, k := range under {
		g.nextSeq(k)
	}
	g.resets++
	g.endExclusion()
	g.endWaiting()
	out = append(out, g.note(gdoi.NoteGroupReset, machine.Warning, "all keys are withdrawn; all members must register again"))
	g.cancel(func(*delivery) bool { return true })
	// What withdraws the keys must not leave before their successors are durable.
	id := g.durable.reserve(g.env)
	if len(g.members.addresses()) > 0 {
		c := g.newCampaign()
		for _, k := range under {
			m := push.Message{Seq: k.seq, Deletes: []isakmp.Delete{push.DeleteTEKs(), push.DeleteKEK(gdoi.KEKSPI{})}}
			out = g.announceIn(now, c, k, m, id, out)
		}
	}
	for len(g.teks) > 0 {
		out = g.retireTEK(0, "withdrawn", out)
	}
	for len(g.keks) > 0 {
		out = g.retireKEK(0, "withdrawn", out)
	}
	out = g.dropAllMembers(out)
	g.renumber()
	g.trustTold(now) // by registrations
	g.breakSchedule()
	out = g.newKEK(now, out)
	for _, c := range g.chains {
		out = g.newTEK(now, c, out)
	}
	out, _ = g.persist(now, out)
	return out
}

// Clear takes a member off the list by address or identity and returns where it is and which KEKs it had,
// so that the node can tell it.
func (g *Group) Clear(now machine.Now, who string, out machine.Effects) (netip.AddrPort, []gdoi.KEKSPI, machine.Effects, error) {
	m, err := g.clearable(who)
	if err != nil {
		return netip.AddrPort{}, nil, out, err
	}
	n := g.note(gdoi.NoteGMCleared, machine.Info, fmt.Sprintf("%s was cleared; it must register again", m.peer.Identity))
	n.Peer = m.peer.Addr.String()
	out = g.dropMember(m, append(out, n))
	out, _ = g.persist(now, out)
	var spis []gdoi.KEKSPI
	for _, k := range g.keks {
		spis = append(spis, k.spi)
	}
	return m.peer.Addr, spis, out, nil
}

// onSchedule refuses what makes keys out of turn, while key servers that keep to the schedule do not hear of it.
func (g *Group) onSchedule() error {
	if !g.derives() || g.whole() {
		return nil
	}
	return fmt.Errorf("group %s: key servers are out of reach or not in step, and go on making the scheduled keys (split continue); new keys now would cut members off from theirs: wait until all are back, or remove whoever must not read on", g.cfg.Name)
}

// Rekey replaces keys now, at an operator's wish.
func (g *Group) Rekey(now machine.Now, kek bool, out machine.Effects) (string, machine.Effects, error) {
	if err := g.rekeyable(now); err != nil {
		return "", out, err
	}
	if err := g.renewable(); kek && err != nil {
		return "", g.hurrySpare(now, out), err
	}
	out = g.rekey(now, rekeying{chains: g.chains, kek: kek}, out)
	return g.made(now, kek), out, nil
}

// rekeyable says why no new TEKs can be made now, at an operator's wish.
func (g *Group) rekeyable(now machine.Now) error {
	return cmp.Or(g.commanded(), g.onSchedule(), g.room(now), g.tellable())
}

// made says which keys a rekey has made.
func (g *Group) made(now machine.Now, kek bool) string {
	var text []string
	for _, c := range g.chains {
		t := g.newest(c)
		text = append(text, fmt.Sprintf("new %s %v, sent with in %v", c.title(), t.spi, max(0, t.sendAfter.Sub(now.Mono))))
	}
	if kek {
		text = append(text, fmt.Sprintf("new KEK %v", g.keks[len(g.keks)-1].spi))
	}
	return strings.Join(text, "; ")
}
