package member

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// Timers of the choice of a key server; not configurable.
const (
	// impatience is how long a key server that does not answer is waited for while there are others that have not been
	// tried: four transmissions of phase 1. When none of the others may be there it is twice that, one more
	// transmission, and a single key server gets all the time that phase 1 takes.
	impatience = 8 * time.Second
	// minImpatience and patienceParts of A are the least that it becomes for a member that lacks new keys.
	minImpatience = time.Second
	patienceParts = 4
	// answering is the least that a key server gets for the keys when it has answered: it may wait for other key servers.
	answering = 3 * time.Second
	// unreachableFor is how long a key server that did not answer is tried after all others only. Longer than that, and a
	// member would not go back to the one that it prefers; shorter, and each registration might cost impatience. One
	// that was given less time than impatience may only have been unlucky, and is left out for a part of this.
	unreachableFor = 5 * time.Minute
)

// errSilent is why a key server is left for the next one.
var errSilent = &ike1.Error{Reason: ike1.ReasonTimeout, Err: errors.New("no answer, and there are other key servers to ask")}

// servers chooses among the key servers of a group. They are an order of preference: a registration begins with the first
// one that is not known to be unreachable, and goes round from there while it fails.
type servers struct {
	list []netip.AddrPort
	at   int
	down map[netip.AddrPort]machine.Instant // until when
}

func (s *servers) current() netip.AddrPort { return s.list[s.at] }

// first begins a registration.
func (s *servers) first(now machine.Now) {
	s.at = len(s.list) - 1
	s.next(now)
}

// next goes on to the next one that may be there; to the next one when none may.
func (s *servers) next(now machine.Now) {
	for i := range s.list {
		if at := (s.at + 1 + i) % len(s.list); !s.isDown(now, s.list[at]) {
			s.at = at
			return
		}
	}
	s.at = (s.at + 1) % len(s.list)
}

// left says whether there is another one that may be there.
func (s *servers) left(now machine.Now) bool {
	return slices.ContainsFunc(s.list, func(ks netip.AddrPort) bool { return ks != s.current() && !s.isDown(now, ks) })
}

func (s *servers) isDown(now machine.Now, ks netip.AddrPort) bool { return s.down[ks] > now.Mono }

// unreachable notes that ks did not answer in the time that it was given.
func (s *servers) unreachable(now machine.Now, ks netip.AddrPort, given time.Duration) {
	if slices.Contains(s.list, ks) {
		if s.down == nil {
			s.down = map[netip.AddrPort]machine.Instant{}
		}
		s.down[ks] = now.Mono.Add(unreachableFor / impatience * min(given, impatience))
	}
}

// reachable notes that ks did.
func (s *servers) reachable(ks netip.AddrPort) { delete(s.down, ks) }

// unreachables lists those that did not answer lately, in order.
func (s *servers) unreachables(now machine.Now) (out []netip.AddrPort) {
	for _, ks := range s.list {
		if s.isDown(now, ks) {
			out = append(out, ks)
		}
	}
	return out
}

// hurry bounds the wait for an answer of the key server in use. A member that lacks new keys has time until the others send
// with them, A after a rekey was missed; several dead key servers must fit into that.
func (g *Group) hurry(now machine.Now) {
	patience := impatience
	if g.state.HoldsKeys() && g.cause.lacks() {
		patience = min(patience, max(g.base/patienceParts, minImpatience))
	}
	g.given = patience
	switch g.impatient.Stop(); {
	case g.servers.left(now):
		g.impatient.Set(now.Mono.Add(patience))
	case len(g.servers.list) > 1:
		g.impatient.Set(now.Mono.Add(2 * patience))
	}
}

// answered says that the key server in use is there. One that dies in the middle of an exchange is still left in time, where
// time matters; elsewhere it gets all the time that an exchange takes.
func (g *Group) answered(now machine.Now) {
	_, on := g.impatient.Deadline()
	g.impatient.Stop()
	if on && g.state.HoldsKeys() && g.cause.lacks() {
		g.impatient.Set(now.Mono.Add(max(g.given, answering)))
	}
}

// waits is what key servers said that are not ready to register anybody: those of a group have no primary yet.
type waits struct {
	by    []netip.AddrPort // in this round
	count uint64           // since the last success
}

// otherSoon is the longest wait before another key server is asked, when one is not ready.
const otherSoon = 200 * time.Millisecond

// notReady has a key server that is not ready asked again, after the others. That is no failure: the wait does not grow.
func (g *Group) notReady(now machine.Now, err error, after time.Duration, out machine.Effects) machine.Effects {
	g.endExchange()
	g.reason = err.Error()
	w := &g.waits
	w.by = append(w.by, g.ks())
	if w.count++; w.count == 1 {
		n := g.note(gdoi.NoteRegisterLater, machine.Info, err.Error())
		out = append(out, n)
	}
	g.servers.next(now)
	wait := g.jitter(otherSoon)
	if slices.Contains(w.by, g.ks()) {
		wait = after/2 + g.jitter(after)
		w.by = nil
	}
	g.attempt.Set(now.Mono.Add(wait))
	return out
}

// silence says whether err is a key server that does not answer; one that refuses is there.
func silence(err error) bool {
	var ie *ike1.Error
	return errors.Is(err, pull.ErrTimeout) || errors.As(err, &ie) && (ie.Reason == ike1.ReasonTimeout || ie.Reason == ike1.ReasonDPD)
}

// Order is the order in which a member goes through key servers: first the preferred ones, then the others. With spread
// each of both parts has an order of the member's own, which its identity decides (rendezvous hashing): as many members
// begin with one key server as with another, and those of a key server that is gone spread evenly over the rest. Nothing
// but the identity and the addresses matters, so an order outlives restarts and changes little when the list does.
func Order(list []netip.AddrPort, preferred func(i int) bool, spread bool, identity string) []netip.AddrPort {
	type entry struct {
		ks     netip.AddrPort
		first  bool
		weight []byte
	}
	var es []entry
	for i, ks := range list {
		e := entry{ks: ks, first: preferred != nil && preferred(i)}
		if spread {
			w := sha256.Sum256([]byte(identity + "\x00" + ks.String()))
			e.weight = w[:]
		}
		es = append(es, e)
	}
	slices.SortStableFunc(es, func(a, b entry) int {
		return cmp.Or(-cmp.Compare(number(a.first), number(b.first)), bytes.Compare(a.weight, b.weight))
	})
	out := make([]netip.AddrPort, len(es))
	for i, e := range es {
		out[i] = e.ks
	}
	return out
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
