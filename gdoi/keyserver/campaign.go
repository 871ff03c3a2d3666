package keyserver

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// Timers of acknowledgements; not configurable.
const (
	// ackPatience after the last repeat an acknowledgement counts as missing (RFC 8263 §6: at least 10 s).
	ackPatience = 10 * time.Second
	// ackPatienceInDelays bounds that for groups that replace their keys every few seconds.
	ackPatienceInDelays = 3
	// maxMissed rekeys in a row that a member does not acknowledge take it off the list.
	maxMissed = 3
	// namedSilent members are named in a journal event; the others are counted.
	namedSilent = 5
)

// campaign is one announcement: the messages that say the same, each under another KEK, the members that they are for,
// and which of those have acknowledged one of them. A later campaign says all that an earlier one did.
type campaign struct {
	messages []*announced
	asked    []*asked
	byAddr   map[netip.Addr][]*asked
	open     int // asked that should answer and have not
	mute     int // asked that speak no acknowledgements
	end      machine.Timer
	// multicast: at least one message goes to a multicast group.
	multicast bool
	sent      machine.Instant // the last datagram to a multicast group
	// overtaken: another campaign has begun before this one ended, and counts instead.
	overtaken bool
	// course is how it went; nil: nothing has left.
	course *course
	// parted: a key server was out of reach, or not in step, while it went on. Who is silent may get its rekeys from that one.
	parted bool
}

// announced is one message of a campaign; key is for answers of those who are to use the KEK, nil where nobody is asked.
type announced struct {
	spi gdoi.KEKSPI
	seq uint32
	key *push.AckKey
}

// asked is a member as it was when the campaign began.
type asked struct {
	m       *member
	to      netip.AddrPort
	expects bool            // it should answer
	done    bool            // it has answered, or needs no answer any more
	forms   []push.AckType  // how, for each message; 0: not
	leaf    *machine.Secret // its key in the tree, where a form takes that
	sent    machine.Instant
	answers [][sha256.Size]byte
}

// newCampaign asks everybody on the list. Those before it are overtaken.
func (g *Group) newCampaign() *campaign {
	g.campaigns = slices.DeleteFunc(g.campaigns, func(c *campaign) bool {
		c.overtaken = true
		_, on := c.end.Deadline()
		waiting := slices.ContainsFunc(g.deliveries, func(d *delivery) bool { return d.campaign == c })
		if !on && !waiting {
			c.destroy() // none of its messages was ever signed
		}
		return !on && !waiting
	})
	return g.campaignFor(g.members.sorted)
}

// campaignFor asks some members, beside what is being announced to all.
func (g *Group) campaignFor(members []*member) *campaign {
	c := &campaign{byAddr: map[netip.Addr][]*asked{}, parted: !g.whole()}
	for _, m := range members {
		if m.left || g.shunned(m) {
			continue
		}
		a := &asked{m: m, to: m.peer.Addr}
		c.asked = append(c.asked, a)
		ip := a.to.Addr().Unmap()
		c.byAddr[ip] = append(c.byAddr[ip], a)
	}
	c.mute = len(c.asked)
	g.campaigns = append(g.campaigns, c)
	return c
}

// add says that the campaign has a message under k.
func (c *campaign) add(g *Group, k *kek, seq uint32) {
	msg := &announced{spi: k.spi, seq: seq}
	if g.cfg.Ack.Known() && k.name == "" {
		msg.key, _ = push.NewAckKey(g.cfg.Ack, k.key, k.spi)
	}
	c.messages = append(c.messages, msg)
	c.multicast = c.multicast || k.dst.IsValid()
	for _, a := range c.asked {
		form := g.asks(k, a.m)
		a.forms = append(a.forms, form)
		if form.Leaf() && a.leaf == nil {
			a.leaf = g.leafOf(a.m)
		}
		if form != 0 && !a.expects && !a.done {
			a.expects = true
			c.open++
			c.mute--
		}
	}
}

// verify says whether the member that is asked wrote the answer to message i.
func (c *campaign) verify(who *asked, i int, a *push.Ack) error {
	form := who.forms[i]
	if !form.Leaf() {
		return c.messages[i].key.Verify(a)
	}
	key, err := push.NewAckKey(form, who.leaf, c.messages[i].spi)
	if err != nil {
		return err
	}
	defer key.Destroy()
	return key.Verify(a)
}

// asks is the form in which the member was asked to acknowledge what comes under k: by the SAK of the PUSH that brought k,
// or of a registration since. It is 0 where it was not, or cannot.
func (g *Group) asks(k *kek, m *member) push.AckType {
	t := k.asks
	if m.registered >= k.created {
		t = m.asked
	}
	if !t.Known() || t.WithKEK() != g.cfg.Ack || !m.peer.GetVPN || t.Leaf() && m.slot == noSlot && m.loose == nil || !t.Leaf() && k.name != "" {
		return 0
	}
	return t
}

// leafOf is a copy of the leaf by which a member acknowledges: in the key tree, or outside.
func (g *Group) leafOf(m *member) *machine.Secret {
	if m.slot != noSlot {
		return g.tree.Leaf(lkh.Slot(m.slot))
	}
	return machine.NewSecret(m.loose.Bytes())
}

// askable is the form in which a SAK may ask those who all know, or do not all know, our vendor id. The former have a leaf, in the
// key tree or outside, and answer with it: with the KEK, any member could answer for another, and one that was just removed
// could keep others from the new KEK.
func (g *Group) askable(getvpn bool) push.AckType {
	if !getvpn || !g.cfg.Ack.Known() {
		return 0
	}
	return g.cfg.Ack.WithLeaf()
}

// settle ends the wait for a member at an address: what the campaign says has reached it, or need not any more.
func (c *campaign) settle(to netip.AddrPort) {
	for _, a := range c.byAddr[to.Addr().Unmap()] {
		if a.to != to || a.done {
			continue
		}
		a.done = true
		if a.expects {
			c.open--
		} else {
			c.mute--
		}
	}
}

// find is the member that an acknowledgement speaks for: by the address that it registered from, and where several
// members share that by the port as well.
func (c *campaign) find(addr netip.Addr, from netip.AddrPort) *asked {
	list := c.byAddr[addr]
	if len(list) == 1 {
		return list[0]
	}
	for _, a := range list {
		if a.to == from {
			return a
		}
	}
	return nil
}

func (c *campaign) destroy() {
	for _, m := range c.messages {
		m.key.Destroy()
	}
	for _, a := range c.asked {
		a.leaf.Destroy()
	}
}

// HasKEK says whether an acknowledgement under this KEK may be for this group.
func (g *Group) HasKEK(spi gdoi.KEKSPI) bool {
	return slices.ContainsFunc(g.keks, func(k *kek) bool { return k.spi == spi }) ||
		slices.ContainsFunc(g.campaigns, func(c *campaign) bool {
			return slices.ContainsFunc(c.messages, func(m *announced) bool { return m.spi == spi })
		})
}

func ackError(reason, format string, args ...any) error {
	return &push.Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

// Acknowledged takes an acknowledgement (RFC 8263 §5). An error is a *push.Error: it was dropped, and nothing changed.
func (g *Group) Acknowledged(now machine.Now, a *push.Ack, from netip.AddrPort, datagram []byte, out machine.Effects) (machine.Effects, error) {
	at, i := g.announcedAs(a.SPI, a.Seq)
	if i < 0 {
		if n := slices.IndexFunc(g.keks, func(k *kek) bool { return k.spi == a.SPI }); n >= 0 && a.Seq <= g.keks[n].seq {
			return out, ackError(gdoi.DropAckOld, "rekey %d has ended", a.Seq)
		}
		return out, ackError(gdoi.DropAckUnasked, "there was no rekey %d under KEK %v", a.Seq, a.SPI)
	}
	c := g.campaigns[at]
	who := c.find(a.Member, from)
	if who == nil || who.forms[i] == 0 {
		return out, ackError(gdoi.DropAckUnasked, "%v was not asked to acknowledge rekey %d", a.Member, a.Seq)
	}
	digest := sha256.Sum256(datagram)
	if slices.Contains(who.answers, digest) {
		return out, ackError(gdoi.DropAckDuplicate, "rekey %d was acknowledged before", a.Seq)
	}
	if err := c.verify(who, i, a); err != nil {
		return out, err
	}
	if len(who.answers) < len(c.messages) {
		who.answers = append(who.answers, digest)
	}
	m := who.m
	m.missed = 0
	if !who.done {
		m.acks++
		m.rtt = now.Mono.Sub(max(who.sent, c.sent))
		m.ackedSeqs.add(a.Seq)
		if c.course != nil {
			c.course.until = now.Mono
		}
	}
	for _, older := range g.campaigns[:at+1] {
		older.settle(who.to)
	}
	g.stopRepeating(who.to, g.campaigns[:at+1])
	return out, nil
}

// announcedAs finds a message that was sent not long ago: the places of its campaign and in that; -1 for none.
func (g *Group) announcedAs(spi gdoi.KEKSPI, seq uint32) (at, message int) {
	for at, c := range g.campaigns {
		if i := slices.IndexFunc(c.messages, func(m *announced) bool { return m.spi == spi && m.seq == seq }); i >= 0 {
			return at, i
		}
	}
	return 0, -1
}

// stopRepeating takes an address off the transmissions of some campaigns.
func (g *Group) stopRepeating(to netip.AddrPort, of []*campaign) {
	for _, d := range g.deliveries {
		if !slices.Contains(of, d.campaign) {
			continue
		}
		if d.tx != nil {
			d.tx.Drop(to)
		} else {
			d.to = slices.DeleteFunc(d.to, func(o netip.AddrPort) bool { return o == to })
		}
		g.enough(d)
	}
}

// enough ends the repeats to a multicast group when everybody has acknowledged. Where there are members that cannot,
// those repeats go out that unicast would send.
func (g *Group) enough(d *delivery) {
	c := d.campaign
	if d.tx != nil && d.multicast && c.open == 0 && (c.mute == 0 || d.tx.Round() > max(0, g.cfg.Retransmits)) && d.tx.Round() > 0 {
		d.tx.Stop()
	}
}

// transmitted notes the time of what was just sent.
func (c *campaign) transmitted(now machine.Now, to netip.AddrPort) {
	for _, a := range c.byAddr[to.Addr().Unmap()] {
		if a.to == to {
			a.sent = now.Mono
		}
	}
}

// judge ends campaigns whose time is over, and draws the consequences for those who have not answered.
func (g *Group) judge(now machine.Now, out machine.Effects) machine.Effects {
	for len(g.campaigns) > 0 {
		i := slices.IndexFunc(g.campaigns, func(c *campaign) bool { return c.end.Due(now.Mono) })
		if i < 0 {
			break
		}
		c := g.campaigns[i]
		g.campaigns = slices.Delete(g.campaigns, i, i+1)
		if !c.overtaken {
			out = g.silent(c, out)
		}
		c.destroy()
	}
	return out
}

// silent counts what members have missed.
func (g *Group) silent(c *campaign, out machine.Effects) machine.Effects {
	var names []string
	n := 0
	for _, a := range c.asked {
		if !a.expects || a.done || g.members.byAddr[a.to] != a.m || a.m.left {
			continue
		}
		if !c.parted {
			a.m.missed++
		}
		a.m.missedTotal++
		if n++; n <= namedSilent {
			names = append(names, a.m.peer.Identity)
		}
	}
	if n == 0 {
		return out
	}
	text := fmt.Sprintf("rekey %d: %d of %d members did not acknowledge: %s", c.messages[0].seq, n, len(c.asked), strings.Join(names, ", "))
	if n > namedSilent {
		text += fmt.Sprintf(" and %d more", n-namedSilent)
	}
	out = append(out, g.note(gdoi.NoteRekeyUnacked, machine.Warning, text, machine.F("seq", fmt.Sprint(c.messages[0].seq)), machine.F("members", fmt.Sprint(n))))
	if c.multicast {
		return out
	}
	return g.eject(out)
}

// eject takes members off the list that have been silent too often. RFC 8263 §6 would spare those that never answered,
// because they may be unable to; ours are known by their vendor id to be able. Never with multicast, where a rekey costs
// nothing more for a member that is not there.
func (g *Group) eject(out machine.Effects) machine.Effects {
	for _, m := range slices.Clone(g.members.sorted) {
		if m.missed < maxMissed {
			continue
		}
		n := g.note(gdoi.NoteGMEjected, machine.Warning, fmt.Sprintf("%s did not acknowledge %d rekeys in a row and left the list; it must register again", m.peer.Identity, m.missed))
		n.Peer, n.Reason = m.peer.Addr.String(), "unacknowledged"
		out = g.dropMember(m, append(out, n))
		g.ejected++
	}
	return out
}
