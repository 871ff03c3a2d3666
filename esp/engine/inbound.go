package engine

import (
	"errors"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/sadb"
)

func (w *Worker) inbound(p *Packet) Result {
	b := p.Bytes()
	var outer, inner packet.Header
	if outer.Parse(b) != nil || outer.Proto != packet.ProtoESP {
		return w.drop(Malformed)
	}
	if outer.Fragment() {
		return w.drop(Fragmented)
	}
	sealed := b[outer.HeaderLen:outer.TotalLen]
	spi, ok := esp.Peek(sealed)
	if !ok {
		return w.drop(Malformed)
	}
	entry := w.view.Inbound(spi)
	if entry == nil {
		w.engine.strays.add(spi, &outer)
		return w.drop(UnknownSPI)
	}
	payload, next, reason := w.open(entry, &outer, sealed)
	if reason != None {
		return w.drop(reason)
	}
	switch next {
	case esp.NextIPv4, esp.NextIPv6:
	case esp.NextDummy:
		return w.drop(Dummy)
	default:
		return w.drop(BadNextHeader)
	}
	if inner.Parse(payload) != nil || nextHeader(inner.Version) != next {
		return w.drop(Malformed)
	}
	payload = payload[:inner.TotalLen] // RFC 4303 §2.7: what is behind is traffic flow confidentiality padding
	if reason := w.judge(entry, &outer, &inner, payload); reason != None {
		return w.drop(reason)
	}
	w.clampMSS(payload, &inner, inner.Src)
	w.counts.in(entry, len(payload))
	off := p.Off + outer.HeaderLen + esp.HeaderLen + entry.SA.Suite().IVLen()
	return Result{Packet: Packet{Buf: p.Buf, Off: off, Len: len(payload)}, Action: Deliver}
}

// open takes a packet through RFC 4303 §3.4: replay check, integrity, and only then the window moves.
func (w *Worker) open(entry *sadb.Entry, outer *packet.Header, sealed []byte) (payload []byte, next uint8, r Reason) {
	t, known, ok := entry.SA.Ticket(&w.context, sealed)
	if !ok {
		return nil, 0, Malformed
	}
	sid := entry.SA.SID(t)
	if !known {
		sid = foreigner(outer.Src, outer.Version)
	}
	switch {
	case entry.Expires != 0 && int64(w.now) >= entry.Expires:
		return nil, 0, Expired
	case entry.Owns(sid):
		// With one key for all, our own packet, sent back to us, would open, and be routed to its destination: in clear.
		return nil, 0, OwnSender
	case !entry.CheckReplay(sid, t.Seq):
		return nil, 0, Replay
	}
	payload, next, err := entry.SA.Open(&w.context, sealed)
	switch {
	case err == nil || errors.Is(err, esp.ErrPadding):
	case errors.Is(err, esp.ErrAuth):
		return nil, 0, AuthFailed
	default:
		return nil, 0, Malformed
	}
	if src, version, ok := packet.Source(payload); !known && ok {
		// The outer source is not authenticated, the inner one is: nobody else can make or move a window.
		sid = foreigner(src, version)
	}
	if r := w.timely(entry, payload, next); r != None && err == nil {
		return nil, 0, r
	}
	switch fresh, room := entry.CommitReplay(sid, t.Seq); {
	case !room:
		return nil, 0, SenderLimit
	case !fresh:
		return nil, 0, Replay
	case err != nil:
		return nil, 0, BadPadding
	}
	return payload, next, None
}

// permits says whether a packet may come under this SA (RFC 4301 §5.2 step 4).
func (w *Worker) permits(entry *sadb.Entry, flow *packet.Flow) bool {
	if x := entry.Selectors(); x != nil {
		return w.inCache.Match(w.table, x, flow)
	}
	return w.inCache.Permits(w.table, entry.Group, flow)
}

// judge says whether an opened packet may pass.
func (w *Worker) judge(entry *sadb.Entry, outer, inner *packet.Header, payload []byte) Reason {
	if !packet.SameAddresses(outer, inner) {
		return AddressMismatch
	}
	if inner.Version == 6 && inner.LinkLocal(payload) {
		return LinkLocal
	}
	if g := w.engine.gateway(inner.Version); g != nil && inner.Src == *g {
		return OwnAddress
	}
	flow := inner.Flow(payload)
	if !w.permits(entry, &flow) {
		return PolicyMismatch
	}
	if !packet.Decapsulate(outer.TOS, payload) {
		return BadECN
	}
	packet.LowerTTL(outer.TTL, payload)
	return None
}
