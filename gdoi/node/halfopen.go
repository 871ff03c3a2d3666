package node

import (
	"net/netip"
	"slices"

	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// halfOpen is the negotiations under way. Those whose initiator has not answered our first message are young: nobody has
// shown yet to be reachable at that source, so where a limit is reached, the oldest young one gives way to a newcomer.
// Whoever forges sources then has to be faster than a member's round trip to keep it out.
type halfOpen struct {
	first   map[firstMessage]*session
	sources map[netip.Addr]*source
	// crowded orders the sources with young negotiations: those with most come first, as minus that number; among equals
	// the one that has had so many for longest.
	crowded machine.Deadlines[*source]
}

// firstMessage is how a repeated first message is recognised: its responder cookie is zero.
type firstMessage struct {
	cookie isakmp.Cookie
	remote netip.AddrPort
}

// sourceOf is what limits count a peer by that has not authenticated: its address, and of IPv6 the /64 prefix that it is in,
// because a host there has 2^64 addresses to speak from (RFC 4291 §2.5.1). Gateways that share a prefix share the limit; beyond
// it they are answered with a cookie like everybody (cookiejar.go), so that they get in all the same.
func sourceOf(a netip.Addr) netip.Addr {
	return keyserver.Site(a).Addr()
}

// source is the negotiations of one address, or IPv6 prefix.
type source struct {
	count int
	young []*session // oldest first
}

func newHalfOpen() halfOpen {
	return halfOpen{first: map[firstMessage]*session{}, sources: map[netip.Addr]*source{}}
}

func (h *halfOpen) len() int { return len(h.first) }

// of is the number of negotiations of a source.
func (h *halfOpen) of(a netip.Addr) int {
	if s := h.sources[sourceOf(a)]; s != nil {
		return s.count
	}
	return 0
}

// oldestOf is the oldest young negotiation of a source; nil when it has none.
func (h *halfOpen) oldestOf(a netip.Addr) *session {
	if s := h.sources[sourceOf(a)]; s != nil && len(s.young) > 0 {
		return s.young[0]
	}
	return nil
}

// oldest is the oldest young negotiation of the source that has most of them; nil when there is none.
func (h *halfOpen) oldest() *session {
	at, ok := h.crowded.Next()
	if !ok {
		return nil
	}
	s, _ := h.crowded.PopDue(at)
	h.order(s)
	return s.young[0]
}

func (h *halfOpen) order(s *source) {
	h.crowded.Set(s, -machine.Instant(len(s.young)), len(s.young) > 0)
}

// add takes in a negotiation that has just begun.
func (h *halfOpen) add(s *session) {
	a := sourceOf(s.first.remote.Addr())
	src := h.sources[a]
	if src == nil {
		src = &source{}
		h.sources[a] = src
	}
	h.first[s.first] = s
	src.count++
	src.young = append(src.young, s)
	h.order(src)
}

// progress notes that a negotiation may have grown up.
func (h *halfOpen) progress(s *session) {
	if h.first[s.first] == s && s.ike.State() != ike1.StateSentSA {
		h.grow(h.sources[sourceOf(s.first.remote.Addr())], s)
	}
}

func (h *halfOpen) grow(src *source, s *session) {
	if i := slices.Index(src.young, s); i >= 0 {
		src.young = slices.Delete(src.young, i, i+1)
		h.order(src)
	}
}

// leave ends a negotiation, once: it is established, or gone.
func (h *halfOpen) leave(s *session) {
	if h.first[s.first] != s {
		return
	}
	delete(h.first, s.first)
	a := sourceOf(s.first.remote.Addr())
	src := h.sources[a]
	h.grow(src, s)
	if src.count--; src.count == 0 {
		delete(h.sources, a)
	}
}
