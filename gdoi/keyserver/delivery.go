package keyserver

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// Timers of a signature; not configurable.
const (
	// signPatience is how long the key custody may take. A token needs 100 ms.
	signPatience = 10 * time.Second
	// signRetry is the wait after a failure.
	signRetry = 2 * time.Second
)

// delivery is one PUSH on its way: waiting for its signature, then in transmission. Under a KEK of the custody it may have
// to wait before that for the value of the KEK that it brings, and waits after that until it is encrypted (inside.go).
type delivery struct {
	kek     gdoi.KEKSPI
	name    string // of the KEK in the custody; empty: it is here
	signKey string
	key     *push.Key // a copy, until the datagram is there
	seq     uint32
	made    machine.Instant
	// brings is the name of the KEK that it brings, whose value is taken out of the message while that waits; empty: none.
	brings   string
	message  push.Message // without its offer
	unsigned *push.Unsigned
	signed   bool     // it is to be encrypted
	encrypt  *keyCall // under way
	dead     bool     // it cannot be sent any more
	after    machine.PersistID
	to       []netip.AddrPort
	campaign *campaign
	// multicast: to is the address of a multicast group.
	multicast bool
	what      string
	trusts    uint64 // the last change of trust that it tells; 0: none
	// change is the one that other key servers must have first; hold is how long that may take.
	change   uint64
	hold     machine.Timer
	datagram []byte // when it is signed

	op     machine.OpID  // the signature asked for
	retry  machine.Timer // when to ask again
	failed string
	fails  int
	tx     *push.Transmission
}

func (d *delivery) deadline() (machine.Instant, bool) {
	switch {
	case d.tx != nil:
		return d.tx.Deadline()
	case d.datagram != nil:
		return d.hold.Deadline()
	}
	return d.retry.Deadline()
}

func (d *delivery) destroy() {
	d.unsigned.Destroy()
	d.key.Destroy()
}

func (g *Group) requestSignature(now machine.Now, d *delivery, out machine.Effects) machine.Effects {
	d.op = g.env.NextOp()
	d.retry.Set(now.Mono.Add(signPatience))
	return append(out, d.unsigned.Sign(d.op, d.signKey))
}

// Signed takes the custody's answer; false means that it was not asked by this group.
func (g *Group) Signed(now machine.Now, ev machine.Signed, out machine.Effects) (machine.Effects, bool) {
	for i, d := range g.deliveries {
		if d.op == 0 || d.op != ev.ID || d.tx != nil || d.datagram != nil {
			continue
		}
		if ev.Err != nil {
			g.custody.failing = true
			d.retry.Set(now.Mono.Add(d.signRetry()))
			return append(out, g.signFailed(d, ev.Err)), true
		}
		if d.op = 0; d.name != "" || d.brings != "" {
			out = g.recovered(now, g.addSignature(now, d, ev.Signature, out))
			return g.deliver(now, out), true
		}
		datagram, err := d.unsigned.Finish(ev.Signature)
		if err != nil {
			// The message is gone with its keys; the next rekey, or members' registrations, carry what it said.
			g.deliveries = append(g.deliveries[:i:i], g.deliveries[i+1:]...)
			d.destroy()
			return append(out, g.signFailed(d, err)), true
		}
		d.destroy()
		d.failed, d.datagram = "", datagram
		return g.deliver(now, out), true
	}
	return out, false
}

// launch begins the transmission of what is signed, and what other key servers have.
func (g *Group) launch(now machine.Now, d *delivery, out machine.Effects) machine.Effects {
	offsets := g.offsets(d.multicast)
	d.tx = push.NewTransmission(now, g.locals, d.to, d.datagram, offsets, d.after, g.cfg.Pacing)
	end := now.Mono.Add(g.ackPatience())
	if n := len(offsets); n > 0 {
		end = end.Add(offsets[n-1])
	}
	d.campaign.end.Set(end)
	g.nowTold(now, d)
	if d.trusts > 0 && d.trusts == g.replica.trusts {
		g.trustTold(now)
		out = g.flush(now, out)
	}
	g.rekeysSent++
	g.lastRekey = now.Mono
	if d.campaign.course == nil {
		d.campaign.course = &course{begun: now.Mono, until: now.Mono}
	}
	g.course = d.campaign.course
	return append(out, g.note(gdoi.NoteRekeySent, machine.Info, fmt.Sprintf("rekey %d to %d members: %s", d.seq, len(d.campaign.asked), d.what),
		machine.F("seq", fmt.Sprint(d.seq)), machine.F("kek", d.kek.String()), machine.F("members", fmt.Sprint(len(d.campaign.asked)))))
}

// changeOf is the number of the change that a transaction makes, or made.
func (g *Group) changeOf(id machine.PersistID) uint64 {
	if id == g.durable.reserved {
		return g.replica.head + 1
	}
	return g.replica.head
}

// released says whether other key servers have what a message depends on. They may be too slow for it to wait.
func (g *Group) released(now machine.Now, d *delivery, out machine.Effects) (machine.Effects, bool) {
	if g.cfg.Coop == nil || d.change <= g.replica.confirmed {
		return out, true
	}
	if !d.hold.Due(now.Mono) {
		return out, false
	}
	n := g.note(gdoi.NoteCoopUnprotected, machine.Warning, fmt.Sprintf("rekey %d goes out though a key server has not confirmed the keys in time; look at the links between key servers", d.seq))
	n.Reason = "replication"
	return append(out, n), true
}

func (g *Group) signFailed(d *delivery, err error) machine.Note {
	d.failed = err.Error()
	n := g.note(gdoi.NoteSignFailed, machine.Error, fmt.Sprintf("rekey %d is not signed: %v", d.seq, err))
	n.Reason = "custody"
	return n
}

// deliver sends what is due and forgets what is done.
func (g *Group) deliver(now machine.Now, out machine.Effects) machine.Effects {
	kept := g.deliveries[:0]
	for _, d := range g.deliveries {
		if d.tx == nil && d.datagram != nil {
			var ok bool
			if out, ok = g.released(now, d, out); ok {
				out = g.launch(now, d, out)
			}
		}
		switch {
		case d.dead, d.datagram != nil && d.tx == nil:
		case d.tx != nil:
			from, again := len(out), d.tx.Round() > 0
			out = d.tx.Timeout(now, out)
			g.count(now, d, again, out[from:])
			g.enough(d)
		case d.retry.Due(now.Mono):
			g.custody.failing = true
			if d.failed == "" {
				out = append(out, g.signFailed(d, errPatience))
			}
			out = g.advance(now, d, out)
		}
		if d.dead {
			d.destroy()
		} else if d.tx == nil || !d.tx.Done() {
			kept = append(kept, d)
		}
	}
	clear(g.deliveries[len(kept):])
	g.deliveries = kept
	return g.sentMerge(now, out)
}

var errPatience = fmt.Errorf("no answer from the key custody in %v", signPatience)

// count keeps the statistics of what was sent, for the first time or again.
func (g *Group) count(now machine.Now, d *delivery, again bool, sent machine.Effects) {
	for _, e := range sent {
		s, ok := e.(machine.Send)
		if !ok {
			continue
		}
		if d.campaign.course.until = now.Mono; again {
			d.campaign.course.repeats++
		}
		if d.multicast {
			d.campaign.sent = now.Mono
			for _, a := range d.campaign.asked {
				a.m.told(d.seq, again)
			}
			continue
		}
		d.campaign.transmitted(now, s.Remote)
		if m := g.members.byAddr[s.Remote]; m != nil {
			m.told(d.seq, again)
		}
	}
}

// told counts a datagram that was sent to the member.
func (m *member) told(seq uint32, again bool) {
	m.rekeysSent++
	m.sentSeqs.add(seq)
	if !again {
		m.rekeys++
	}
}

// destinations is where messages under k go: to the members one by one, or to the multicast group that k came with.
func (g *Group) destinations(k *kek) []netip.AddrPort {
	if k.dst.IsValid() {
		return []netip.AddrPort{k.dst}
	}
	if k.untold {
		return g.holders(k)
	}
	return g.receivers()
}

// receivers is where rekeys go.
func (g *Group) receivers() []netip.AddrPort {
	out := make([]netip.AddrPort, 0, len(g.members.sorted))
	for _, m := range g.members.sorted {
		if !m.left && !g.shunned(m) {
			out = append(out, m.peer.Addr)
		}
	}
	return out
}

// cancel ends deliveries that were overtaken.
func (g *Group) cancel(which func(*delivery) bool) {
	kept := g.deliveries[:0]
	for _, d := range g.deliveries {
		if !which(d) {
			kept = append(kept, d)
		} else if d.datagram == nil {
			g.uncall(d.encrypt)
			d.destroy()
		}
	}
	clear(g.deliveries[len(kept):])
	g.deliveries = kept
}
