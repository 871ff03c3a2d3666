package engine

import (
	"maps"
	"math"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/sadb"
)

// Path MTUs, RFC 1191, 8201 and 4301 §8.2.
const (
	pathLife    = Instant(10 * 60e9) // then a longer packet may try again, RFC 1191 §6.3
	maxPaths    = 1024
	pathMinMTU4 = 576
)

// destination is where a path leads to.
type destination struct {
	addr packet.Addr
	v6   bool
}

// path is what routers have said about the way to a destination.
type path struct {
	outer int // MTU of ESP packets
	inner int // of what is in them
	until Instant
	// cut says that ESP packets go without DF: a link narrower than pathMinMTU4, where routers must cut.
	cut bool
}

// paths is immutable, and replaced as a whole. Nil while no router has said anything: then it costs nothing.
type paths struct {
	to       map[destination]path
	shortest int // inner MTU of all: shorter packets fit everywhere
}

// find returns the path to the destination of a packet, if a router has said anything about it. A nil receiver has none.
func (p *paths) find(to packet.Addr, version uint8, now Instant) (path, bool) {
	x, ok := p.to[destination{to, version == 6}]
	return x, ok && now < x.until
}

// plateaus are the MTUs to try when an old router does not say its own, RFC 1191 §7.1.
var plateaus = [...]int{17914, 8166, 4352, 2002, 1492, 1006, pathMinMTU4}

// narrow notes that ESP packets to a destination must not be longer than mtu, and returns what may be in them. It only ever
// lowers: false if that is no news.
func (e *Engine) narrow(now Instant, to packet.Addr, version uint8, mtu int) (path, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := destination{to, version == 6}
	x := path{outer: mtu, until: now + pathLife}
	if version == 4 && mtu < pathMinMTU4 {
		x.outer, x.cut = pathMinMTU4, true
	}
	next := &paths{to: map[destination]path{}, shortest: math.MaxInt}
	if old := e.paths.Load(); old != nil {
		is, known := old.to[key]
		if known = known && now < is.until; known && (is.outer < x.outer || is.outer == x.outer && (is.cut || !x.cut)) {
			return is, false
		}
		*next = paths{maps.Clone(old.to), old.shortest}
	}
	if x.outer >= int(e.wanMTU.Load()) {
		return path{}, false
	}
	if len(next.to) >= maxPaths {
		maps.DeleteFunc(next.to, func(_ destination, x path) bool { return now >= x.until })
	}
	for k := range next.to { // whichever comes first: those that are still needed are learned again
		if len(next.to) < maxPaths {
			break
		}
		delete(next.to, k)
	}
	sas, _ := e.db.Entries()
	next.add(key, x, e, sas)
	e.paths.Store(next)
	return next.to[key], true
}

// add puts a path in, with what fits into its packets under the suite that needs most. Called with the engine's lock held.
func (p *paths) add(key destination, x path, e *Engine, sas []*sadb.Entry) {
	x.inner = e.fit(sas, x.outer, (&packet.Header{Version: key.version()}).OuterLen())
	p.to[key] = x
	p.shortest = min(p.shortest, x.inner)
	if x.cut {
		p.shortest = 0 // all are asked, since DF depends on it
	}
}

// fitPaths follows a change of suites. Called with the lock held.
func (e *Engine) fitPaths(sas []*sadb.Entry) {
	old := e.paths.Load()
	if old == nil {
		return
	}
	next := &paths{to: make(map[destination]path, len(old.to)), shortest: math.MaxInt}
	for key, x := range old.to {
		next.add(key, x, e, sas)
	}
	e.paths.Store(next)
}

func (d destination) version() uint8 {
	if d.v6 {
		return 6
	}
	return 4
}

// fit returns the longest packet that fits into an ESP packet of mtu octets with an outer header of that length, under the
// suite of these SAs that needs most; with none, under AES-GCM. Called with the lock held.
func (e *Engine) fit(sas []*sadb.Entry, mtu, outer int) int {
	inner := esp.AES256GCM.InnerMax(mtu, outer)
	for _, x := range sas {
		inner = min(inner, x.SA.Suite().InnerMax(mtu, outer)-e.stampLen(x.Group))
	}
	return inner
}

// fits returns the longest packet that can be sealed to where h goes, and whether routers may cut the sealed one.
func (w *Worker) fits(h *packet.Header) (mtu int, cut bool) {
	mtu = w.engine.InnerMTU()
	if h.Version == 6 {
		mtu = w.engine.InnerMTU6()
	}
	if w.paths == nil || h.TotalLen <= w.paths.shortest {
		return mtu, false
	}
	x, ok := w.paths.find(h.Dst, h.Version, w.now)
	if !ok {
		return mtu, false
	}
	return min(mtu, x.inner), x.cut
}

// clampMSS lowers the MSS of a TCP SYN, if that is wanted, to what the way to the peer carries: the destination of what
// goes out, the source of what comes in.
func (w *Worker) clampMSS(b []byte, h *packet.Header, peer packet.Addr) {
	mss, headers := int(w.mss4), packet.IPv4HeaderLen+tcpHeaderLen
	if h.Version == 6 {
		mss, headers = int(w.mss6), packet.IPv6HeaderLen+tcpHeaderLen
	}
	if mss == 0 || h.Proto != packet.ProtoTCP {
		return
	}
	if w.paths != nil && w.engine.mss == MSSAuto {
		if x, ok := w.paths.find(peer, h.Version, w.now); ok {
			inner := x.inner
			if h.Version == 6 {
				inner = max(inner, packet.IPv6MinMTU)
			}
			mss = min(mss, inner-headers)
		}
	}
	packet.ClampMSS(b, h, uint16(mss))
}
