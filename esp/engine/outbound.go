package engine

import (
	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/sadb"
	"github.com/getvpn/getvpn/esp/spd"
)

func (w *Worker) outbound(p *Packet, out []Result) []Result {
	b := p.Bytes()
	var h packet.Header
	if h.Parse(b) != nil {
		return append(out, w.drop(Malformed))
	}
	if h.Version == 6 && h.LinkLocal(b) {
		return append(out, w.drop(LinkLocal))
	}
	flow := h.Flow(b)
	v := w.outCache.Lookup(w.table, &flow)
	switch v.Outcome {
	case spd.Clear:
		w.counts.clear++
		return append(out, Result{Packet: *p, Action: Clear})
	case spd.FailClosed:
		return append(out, w.drop(FailClosed))
	}
	entry, reason := w.sending(w.table.Class(v))
	if reason != None {
		return append(out, w.drop(reason))
	}
	w.clampMSS(b, &h, h.Dst)
	mtu, cut := w.fits(&h)
	switch {
	case h.TotalLen <= mtu:
		if cut || w.size.df != DFCopy {
			h.DF = w.size.outerDF(h.DF) && !cut
		}
		r := w.seal(entry, &h, Packet{Buf: p.Buf, Off: p.Off, Len: h.TotalLen}, nil)
		return append(out, r)
	case h.Version == 6 && h.TotalLen <= packet.IPv6MinMTU:
		return w.sealInPieces(entry, &h, p, out)
	}
	return w.tooLong(entry, &h, p, mtu, cut, out)
}

// sending returns the SA that protects a class. An expired one is not used even if nobody has retired it.
func (w *Worker) sending(class uint32) (*sadb.Entry, Reason) {
	entry := w.view.Outbound(class)
	switch {
	case entry == nil:
		return nil, NoSA
	case entry.Expires != 0 && int64(w.now) >= entry.Expires:
		return nil, Expired
	}
	return entry, None
}

// seal makes the tunnel packet of p, whose header is h, in place. tickets is nil for a packet that comes alone.
func (w *Worker) seal(entry *sadb.Entry, h *packet.Header, p Packet, tickets *esp.Tickets) Result {
	outer := h.OuterLen()
	if p.Off < esp.HeaderLen+esp.MaxIVLen+outer || p.Off+p.Len+esp.Tailroom > len(p.Buf) {
		return w.drop(NoRoom)
	}
	if tickets == nil {
		run, err := entry.Sender().Reserve(1)
		if err != nil {
			return w.drop(SeqExhausted)
		}
		tickets = &run
	}
	t := tickets.Next()
	w.sent.put(entry.SA.SPI(), t.Seq, h.TTL, p.Bytes())
	start, n, err := entry.SA.Seal(&w.context, t, p.Buf, p.Off, p.Len+w.stamp(entry, p.Buf[p.Off+p.Len:]), nextHeader(h.Version))
	if err != nil {
		return w.drop(NoRoom)
	}
	w.counts.out(entry, p.Len)
	start -= outer
	n += outer
	// The sequence number makes the identification unique for as long as RFC 6864 §4.3 can be met at all.
	packet.PutOuter(p.Buf[start:], h, packet.ProtoESP, n, uint16(t.Seq))
	return Result{Packet: Packet{Buf: p.Buf, Off: start, Len: n}, Action: Send}
}

// fragments cuts a packet before it is sealed (RFC 4303 §3.3.4), so that the receiver's gateway need not reassemble it.
func (w *Worker) fragments(entry *sadb.Entry, b []byte, h *packet.Header, mtu int, out []Result) []Result {
	f, err := packet.NewFragmenter(b, h, mtu)
	if err != nil {
		return append(out, w.drop(Malformed))
	}
	run, err := entry.Sender().Reserve(f.Count())
	if err != nil {
		return append(out, w.drop(SeqExhausted))
	}
	for {
		buf := w.buffer(mtu)
		n := f.Next(buf[esp.Headroom:])
		if n == 0 {
			w.used-- // not needed after all
			return out
		}
		r := w.seal(entry, h, Packet{Buf: buf, Off: esp.Headroom, Len: n}, &run)
		out = append(out, r)
	}
}

// nextHeader is what the trailer says of a packet of that version.
func nextHeader(version uint8) uint8 {
	if version == 6 {
		return esp.NextIPv6
	}
	return esp.NextIPv4
}

// tooBig answers a packet that must not be cut with the size that would pass.
func (w *Worker) tooBig(b []byte, h *packet.Header, mtu int) Result {
	gateway := w.engine.gateway(h.Version)
	if gateway == nil || !w.mayICMP() {
		return w.drop(TooBig)
	}
	if h.Version == 6 {
		mtu = max(mtu, packet.IPv6MinMTU) // RFC 8200 §5: no link is narrower, see sealInPieces
	}
	buf := w.buffer(packet.ICMPMaxLen)
	n := packet.TooBig(buf[esp.Headroom:], b, h, mtu, *gateway)
	if n == 0 {
		return w.drop(TooBig)
	}
	w.totals.drops[TooBig].Add(1)
	w.counts.replies++
	return Result{Packet: Packet{Buf: buf, Off: esp.Headroom, Len: n}, Action: Reply, Reason: TooBig}
}
