package member

import (
	"crypto/sha256"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// Timers and limits of acknowledgements; not configurable.
const (
	// ackUnicast and ackMulticast bound the jitter (RFC 8263 §6: at most 5 s). The key server paces what it sends by
	// unicast, and its answers with it; to a multicast group everybody answers at once. They are parts of A as well, so that
	// an answer comes before the key server repeats itself (A/4).
	ackUnicast, ackUnicastPart     = 100 * time.Millisecond, 32
	ackMulticast, ackMulticastPart = 4 * time.Second, 8
	// ackBurst repeated answers at once, then one each ackEvery: an answer is smaller than what asks for it, but a replay
	// must not make a member send as often as somebody likes.
	ackBurst = 4
	ackEvery = 2 * time.Second
	// rememberedAcks messages can be acknowledged again.
	rememberedAcks = 8
)

// acks are a member's acknowledgements of rekeys (RFC 8263).
type acks struct {
	local  netip.Addr // where the last registration was made from
	past   []pastAck  // oldest first
	bucket machine.Bucket
	sent   uint64
}

// pastAck is the acknowledgement of one message.
type pastAck struct {
	message [sha256.Size]byte
	send    machine.Send
	at      machine.Timer // when it goes out, once or again
}

// ReachedAt notes the local address of a registration: what the key server knows this member by (RFC 8263 §3.4).
func (g *Group) ReachedAt(local netip.Addr) {
	if local.IsValid() && !local.IsUnspecified() {
		g.acks.local = local
	}
}

// carriedOut says whether a message was obeyed: every key that it brought is, or was, in use.
func (g *Group) carriedOut(m *push.Message) bool {
	if m.Offer == nil {
		return true
	}
	for _, t := range m.Offer.TEKs {
		if g.tek(t.SPI) == nil && !g.wasRetired(t.SPI) {
			return false
		}
	}
	return m.Offer.KEK == nil || g.kek(m.Offer.KEK.SPI) != nil
}

// acknowledge answers message seq, which came as ev, after a jitter: to where it came from, with addresses and ports
// swapped (RFC 8263 §3).
func (g *Group) acknowledge(now machine.Now, key *push.AckKey, seq uint32, ev machine.Datagram) {
	a := &g.acks
	if !a.local.IsValid() {
		return
	}
	p := pastAck{message: sha256.Sum256(ev.Bytes), send: machine.Send{
		Local: netip.AddrPortFrom(a.local, ev.Local.Port()), Remote: ev.Remote, Bytes: key.Build(seq, a.local),
	}}
	p.at.Set(now.Mono.Add(g.ackJitter(ev)))
	if len(a.past) == rememberedAcks {
		a.past = slices.Delete(a.past, 0, 1)
	}
	a.past = append(a.past, p)
}

// acknowledgeAgain answers a repeated message once more, because the first answer may be lost: to the same place only,
// and within limits.
func (g *Group) acknowledgeAgain(now machine.Now, ev machine.Datagram) {
	digest := sha256.Sum256(ev.Bytes)
	for i := range g.acks.past {
		p := &g.acks.past[i]
		if p.message != digest || p.send.Remote != ev.Remote {
			continue
		}
		if _, waiting := p.at.Deadline(); !waiting && g.acks.bucket.Take(now.Mono, ackBurst, ackEvery) {
			p.at.Set(now.Mono.Add(g.ackJitter(ev)))
		}
	}
}

func (g *Group) ackJitter(ev machine.Datagram) time.Duration {
	if ev.Local.Addr().IsMulticast() {
		return g.jitter(min(ackMulticast, g.base/ackMulticastPart))
	}
	return g.jitter(min(ackUnicast, g.base/ackUnicastPart))
}

func (a *acks) deadline() (machine.Instant, bool) {
	var n machine.Next
	for i := range a.past {
		n.Add(a.past[i].at.Deadline())
	}
	return n.At, n.OK
}

// flush sends what is due.
func (a *acks) flush(now machine.Now, out machine.Effects) machine.Effects {
	for i := range a.past {
		if p := &a.past[i]; p.at.Due(now.Mono) {
			a.sent++
			out = append(out, p.send)
		}
	}
	return out
}

// multicast is the address of a SAK if it is that of a multicast group.
func multicast(dst netip.AddrPort) netip.AddrPort {
	if dst.Addr().IsMulticast() {
		return dst
	}
	return netip.AddrPort{}
}

// syncMulticast joins the multicast groups that the KEKs in use name, and leaves the others.
func (g *Group) syncMulticast(out machine.Effects) machine.Effects {
	var want []netip.AddrPort
	for _, k := range g.keks {
		if k.from.IsValid() && !slices.Contains(want, k.from) {
			want = append(want, k.from)
		}
	}
	for _, a := range want {
		if !slices.Contains(g.joined, a) {
			out = append(out, gdoi.JoinMulticast{Group: g.cfg.Name, Address: a})
		}
	}
	for _, a := range g.joined {
		if !slices.Contains(want, a) {
			out = append(out, gdoi.LeaveMulticast{Group: g.cfg.Name, Address: a})
		}
	}
	g.joined = want
	return out
}
