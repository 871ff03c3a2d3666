package push

import (
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// Pacing bounds the burst that a rekey of a large group makes: 50 datagrams every 10 ms are 5,000 members a second.
// Our choice; an operator may change it.
type Pacing struct {
	Burst int           // datagrams in one step
	Gap   time.Duration // between steps
}

// DefaultPacing is used where a field of Pacing is zero.
var DefaultPacing = Pacing{Burst: 50, Gap: 10 * time.Millisecond}

// Transmission delivers one datagram to a list of members, or to the one address of a multicast group, several times: loss
// is met by repetition of identical octets. Who has acknowledged it is taken off the list.
type Transmission struct {
	locals   machine.Locals
	members  []netip.AddrPort
	datagram []byte
	after    machine.PersistID
	pacing   Pacing
	rounds   []machine.Instant // when each round begins
	round    int
	next     int // member
	at       machine.Instant
}

// NewTransmission prepares delivery from locals to members, now and at each of the offsets after now. Every Send waits
// for the Persist after: the sequence number must be durable first. Nothing is sent before the first Timeout.
func NewTransmission(now machine.Now, locals machine.Locals, members []netip.AddrPort, datagram []byte, offsets []time.Duration, after machine.PersistID, pacing Pacing) *Transmission {
	if pacing.Burst <= 0 {
		pacing.Burst = DefaultPacing.Burst
	}
	if pacing.Gap <= 0 {
		pacing.Gap = DefaultPacing.Gap
	}
	t := &Transmission{
		locals: locals, members: append([]netip.AddrPort{}, members...), datagram: datagram, after: after,
		pacing: pacing, at: now.Mono, rounds: []machine.Instant{now.Mono},
	}
	for _, o := range offsets {
		t.rounds = append(t.rounds, now.Mono.Add(o))
	}
	if len(members) == 0 {
		t.round = len(t.rounds)
	}
	return t
}

// Deadline says when Timeout wants to be called; false when everything has been sent.
func (t *Transmission) Deadline() (machine.Instant, bool) { return t.at, t.round < len(t.rounds) }

// Done says that everything has been sent.
func (t *Transmission) Done() bool { return t.round == len(t.rounds) }

// Stop ends it: nothing more is sent.
func (t *Transmission) Stop() { t.round, t.next = len(t.rounds), 0 }

// Pending is how many datagrams are still to be sent.
func (t *Transmission) Pending() int { return (len(t.rounds)-t.round)*len(t.members) - t.next }

// Round is how many times the whole list has been served.
func (t *Transmission) Round() int { return t.round }

// Timeout sends the next burst. Early calls change nothing.
func (t *Transmission) Timeout(now machine.Now, out machine.Effects) machine.Effects {
	if t.Done() || now.Mono < t.at {
		return out
	}
	end := min(t.next+t.pacing.Burst, len(t.members))
	for _, m := range t.members[t.next:end] {
		out = append(out, machine.Send{Local: t.locals.For(m.Addr()), Remote: m, Bytes: t.datagram, After: t.after})
	}
	t.next, t.at = end, now.Mono.Add(t.pacing.Gap)
	t.endRound()
	return out
}

// endRound begins the next round when the whole list has been served.
func (t *Transmission) endRound() {
	if t.next < len(t.members) {
		return
	}
	t.next = 0
	t.round++
	if !t.Done() {
		t.at = max(t.at, t.rounds[t.round])
	}
}

// Drop takes a member off the list: it left, or registered again and so has what the datagram says.
func (t *Transmission) Drop(member netip.AddrPort) {
	for i, m := range t.members {
		if m != member {
			continue
		}
		t.members = append(t.members[:i], t.members[i+1:]...)
		if i < t.next {
			t.next--
		}
		break
	}
	if len(t.members) == 0 {
		t.round, t.next = len(t.rounds), 0
		return
	}
	if !t.Done() {
		t.endRound()
	}
}
