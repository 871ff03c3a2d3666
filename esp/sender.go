package esp

import (
	"fmt"
	"slices"
	"sync/atomic"
)

// Sender hands out tickets: it walks through the sender ids of this member under one SA, and through the counter of each,
// and never hands out the same ticket twice.
type Sender struct {
	sa    *SA
	sids  []uint32
	limit uint64         // tickets of one SID
	next  *atomic.Uint64 // tickets handed out; shared by a Sender and what Extend makes of it
}

// Sender starts sending with the given sender ids, which must never have been used with this key before.
func (s *SA) Sender(sids []uint32) (*Sender, error) {
	base := &Sender{sa: s, limit: s.ticketsPerSID(), next: new(atomic.Uint64)}
	x, _, err := base.Extend(sids)
	if err != nil {
		return nil, err
	}
	if len(x.sids) == 0 {
		return nil, ErrNoSenderID
	}
	return x, nil
}

// ticketsPerSID is where the sequence number (32 bits, 0 is never sent) or the counter in the IV ends.
func (s *SA) ticketsPerSID() uint64 {
	return min(1<<32-1, uint64(1)<<(64-s.sidBits)-1)
}

// Extend returns a Sender that goes on with the sender ids that x has and then uses those of sids that x does not have
// yet, and how many these were. A registration during the life of a key brings new sender ids; the old ones must not
// start again from 1.
func (x *Sender) Extend(sids []uint32) (*Sender, int, error) {
	all := slices.Clone(x.sids)
	for _, sid := range sids {
		if x.sa.sidBits < 32 && uint64(sid)>>x.sa.sidBits != 0 {
			return nil, 0, fmt.Errorf("%w: %d in %d bits", ErrSenderID, sid, x.sa.sidBits)
		}
		if !slices.Contains(all, sid) {
			all = append(all, sid)
		}
	}
	return &Sender{sa: x.sa, sids: all, limit: x.limit, next: x.next}, len(all) - len(x.sids), nil
}

// SIDs returns the sender ids in the order of their use; the caller must not change them.
func (x *Sender) SIDs() []uint32 { return x.sids }

// Owns says whether a sender id is one of this member's own. A packet with such an id that comes from outside is one of
// our own, thrown back at us.
func (x *Sender) Owns(sid uint64) bool {
	for _, s := range x.sids {
		if uint64(s) == sid {
			return true
		}
	}
	return false
}

// Used returns how many tickets were handed out.
func (x *Sender) Used() uint64 { return min(x.next.Load(), x.total()) }

// Remaining returns how many tickets are left.
func (x *Sender) Remaining() uint64 { return x.total() - x.Used() }

func (x *Sender) total() uint64 { return uint64(len(x.sids)) * x.limit }

// Tickets is a run of reserved tickets. They must be used at once and in order, or thrown away: a ticket that is kept
// falls out of the receivers' replay windows.
type Tickets struct {
	x     *Sender
	at, n uint64
}

// Reserve takes n tickets with one atomic addition, or none with ErrExhausted.
func (x *Sender) Reserve(n int) (Tickets, error) {
	total := x.total()
	// Compare and swap rather than add: a refused reservation must not use up what a smaller one could still have, and
	// must not push the counter into the sender ids that Extend may bring later.
	for {
		at := x.next.Load()
		if n < 0 || at+uint64(n) > total {
			return Tickets{}, ErrExhausted
		}
		if x.next.CompareAndSwap(at, at+uint64(n)) {
			return Tickets{x: x, at: at, n: uint64(n)}, nil
		}
	}
}

// Next returns the next ticket of the run; it panics when the run has none left, since reusing one would be worse.
func (r *Tickets) Next() Ticket {
	if r.n == 0 {
		panic("esp: more packets than reserved tickets")
	}
	sid := uint64(r.x.sids[r.at/r.x.limit])
	count := r.at%r.x.limit + 1
	r.at, r.n = r.at+1, r.n-1
	return Ticket{IV: sid<<(64-r.x.sa.sidBits) | count, Seq: uint32(count)}
}
