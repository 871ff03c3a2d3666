package engine

import (
	"slices"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
)

// ICMP errors that quote our ESP packets. With address preservation they are addressed to the inner host, which knows
// nothing of ESP, so the member takes them from the WAN: it learns the path MTU, and tells the host what the router said, in
// terms of the host's own packet. They are not authenticated (RFC 4301 §6.1.1), so they are believed only as far as they
// quote a packet that was sent, can only make packets smaller, and only for a while, and are limited in number.

// plausible is how far back a packet may lie that a router complains about, in sequence numbers.
const plausible = 1 << 20

// ICMPStats counts what routers of the core said about our packets; what was not believed is among the drops.
type ICMPStats struct {
	Translated uint64 // errors passed on to hosts, of all kinds
	PathMTU    uint64 // that lowered a path MTU
	Paths      int    // with a path MTU of their own now
	Narrowest  int    // path MTU of these, of ESP packets; 0: none
}

// Errors decides about ICMP errors from the WAN, with their IP header. Its results are Reply, for the host whose packet it
// was, or Drop.
func (w *Worker) Errors(now Instant, batch []Packet, out []Result) []Result {
	w.begin(now)
	for i := range batch {
		r := w.routerError(batch[i].Bytes())
		out = append(out, r)
	}
	w.end()
	return out
}

func (w *Worker) routerError(b []byte) Result {
	e, ok := packet.ParseICMPError(b)
	if !ok {
		return w.drop(Malformed)
	}
	entry := w.view.Inbound(e.SPI)
	if entry == nil || entry.Sender() == nil {
		return w.drop(ICMPForeign)
	}
	if !w.mayICMP() {
		return w.drop(ICMPLimited)
	}
	var room [memoLen]byte
	quote := w.engine.sentHead(room[:0], &e)
	if len(quote) == 0 && !recent(entry.Sender(), e.Seq) {
		return w.drop(ICMPForeign)
	}
	mtu := 0
	if e.Kind == packet.PacketLong {
		if mtu, ok = w.pathMTU(&e); !ok {
			return w.drop(ICMPImplausible)
		}
	}
	if len(quote) == 0 {
		return w.drop(ICMPForgotten) // a longer packet to there is answered by ourselves from now on
	}
	if e.TTL <= 1 {
		return w.drop(ICMPNoAnswer)
	}
	e.TTL-- // as a router that passes it on
	buf := w.buffer(packet.ICMPMaxLen)
	n := packet.PutICMPError(buf[esp.Headroom:], &e, quote, mtu)
	if n == 0 {
		return w.drop(ICMPNoAnswer)
	}
	w.engine.icmpTranslated.Add(1)
	w.counts.replies++
	return Result{Packet: Packet{Buf: buf, Off: esp.Headroom, Len: n}, Action: Reply}
}

// recent says whether a sequence number was used, and not long ago.
func recent(s *esp.Sender, seq uint32) bool {
	last := uint32(s.Used()) // as if of one sender id: with several the numbers begin again
	if len(s.SIDs()) > 1 {
		return seq != 0
	}
	return seq != 0 && seq <= last && last-seq < plausible
}

// pathMTU lowers the MTU of a path and returns what the host may send. False if the router contradicts itself.
func (w *Worker) pathMTU(e *packet.ICMPError) (inner int, ok bool) {
	mtu := e.MTU
	if mtu == 0 && e.Version == 4 {
		i := slices.IndexFunc(plateaus[:], func(p int) bool { return p < e.Length })
		if i < 0 {
			return 0, false
		}
		mtu = plateaus[i]
	}
	if mtu >= e.Length || e.Version == 6 && mtu < packet.IPv6MinMTU || e.Version == 4 && mtu < packet.IPv4MinMTU {
		return 0, false
	}
	x, news := w.engine.narrow(w.now, e.To, e.Version, mtu)
	if news {
		w.engine.icmpPathMTU.Add(1)
	}
	if x.inner == 0 {
		return 0, false // wider than our own link
	}
	if e.Version == 6 {
		return max(x.inner, packet.IPv6MinMTU), true // shorter ones are cut after they are sealed, see sealInPieces
	}
	return x.inner, true
}

// sentHead appends what is remembered of the packet that e quotes to b.
func (e *Engine) sentHead(b []byte, x *packet.ICMPError) []byte {
	e.mu.Lock()
	workers := slices.Clone(e.workers)
	e.mu.Unlock()
	for _, w := range workers {
		if b = w.sent.get(b, x); len(b) > 0 {
			break
		}
	}
	return b
}

// ICMPStats returns the counters.
func (e *Engine) ICMPStats(now Instant) ICMPStats {
	s := ICMPStats{Translated: e.icmpTranslated.Load(), PathMTU: e.icmpPathMTU.Load()}
	if p := e.paths.Load(); p != nil {
		for _, x := range p.to {
			if now >= x.until {
				continue
			}
			s.Paths++
			if s.Narrowest == 0 || x.outer < s.Narrowest {
				s.Narrowest = x.outer
			}
		}
	}
	return s
}
