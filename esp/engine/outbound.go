package engine

import (
	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/sadb"
	"github.com/getvpn/getvpn/esp/spd"
)

func (w *Worker) outbound(p *Packet, input int, out []Result) []Result {
	b := p.Bytes()
	if packet.Version(b) == 6 {
		return append(out, w.outbound6(p, b, input))
	}
	h, err := packet.ParseIPv4(b)
	if err != nil {
		return append(out, w.drop(Malformed, input))
	}
	flow := h.Flow(b)
	v := w.outCache.Lookup(w.table, &flow)
	switch v.Outcome {
	case spd.Clear:
		w.counts.clear++
		return append(out, Result{Packet: *p, Action: Clear, Input: input})
	case spd.FailClosed:
		return append(out, w.drop(FailClosed, input))
	}
	entry, reason := w.sending(w.table.Class(v))
	if reason != None {
		return append(out, w.drop(reason, input))
	}
	if w.mss != 0 {
		packet.ClampMSS(b, &h, w.mss)
	}
	mtu := w.engine.InnerMTU()
	switch {
	case h.TotalLen <= mtu:
		r := w.seal(entry, &h, Packet{Buf: p.Buf, Off: p.Off, Len: h.TotalLen}, nil)
		r.Input = input
		return append(out, r)
	case h.DF:
		return append(out, w.tooBig(b, &h, mtu, input))
	}
	return w.fragments(entry, b, &h, mtu, input, out)
}

// outbound6 applies policy to IPv6, so that nothing leaks, but cannot protect it: RFC 5374 §3.1 would have an IPv6 outer
// header.
func (w *Worker) outbound6(p *Packet, b []byte, input int) Result {
	flow, err := packet.FlowIPv6(b)
	if err != nil {
		return w.drop(Malformed, input)
	}
	switch w.outCache.Lookup(w.table, &flow).Outcome {
	case spd.Clear:
		w.counts.clear++
		return Result{Packet: *p, Action: Clear, Input: input}
	case spd.FailClosed:
		return w.drop(FailClosed, input)
	}
	return w.drop(Unsupported, input)
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
func (w *Worker) seal(entry *sadb.Entry, h *packet.IPv4, p Packet, tickets *esp.Tickets) Result {
	if p.Off < esp.HeaderLen+esp.MaxIVLen+packet.IPv4HeaderLen || p.Off+p.Len+esp.Tailroom > len(p.Buf) {
		return w.drop(NoRoom, 0)
	}
	if tickets == nil {
		run, err := entry.Sender().Reserve(1)
		if err != nil {
			return w.drop(SeqExhausted, 0)
		}
		tickets = &run
	}
	t := tickets.Next()
	start, n, err := entry.SA.Seal(&w.context, t, p.Buf, p.Off, p.Len+w.stamp(entry, p.Buf[p.Off+p.Len:]), esp.NextIPv4)
	if err != nil {
		return w.drop(NoRoom, 0)
	}
	entry.OutPackets.Add(1)
	entry.OutBytes.Add(uint64(p.Len))
	w.counts.outPackets++
	w.counts.outBytes += uint64(p.Len)
	start -= packet.IPv4HeaderLen
	n += packet.IPv4HeaderLen
	// The sequence number makes the identification unique for as long as RFC 6864 §4.3 can be met at all.
	packet.PutOuter(p.Buf[start:], h, packet.ProtoESP, n, uint16(t.Seq))
	return Result{Packet: Packet{Buf: p.Buf, Off: start, Len: n}, Action: Send}
}

// fragments cuts a packet before it is sealed (RFC 4303 §3.3.4), so that the receiver's gateway need not reassemble it.
func (w *Worker) fragments(entry *sadb.Entry, b []byte, h *packet.IPv4, mtu, input int, out []Result) []Result {
	f, err := packet.NewFragmenter(b, h, mtu)
	if err != nil {
		return append(out, w.drop(Malformed, input))
	}
	run, err := entry.Sender().Reserve(f.Count())
	if err != nil {
		return append(out, w.drop(SeqExhausted, input))
	}
	for {
		buf := w.buffer(mtu)
		n := f.Next(buf[esp.Headroom:])
		if n == 0 {
			w.used-- // not needed after all
			return out
		}
		r := w.seal(entry, h, Packet{Buf: buf, Off: esp.Headroom, Len: n}, &run)
		r.Input = input
		out = append(out, r)
	}
}

// tooBig answers a packet that must not be cut with the size that would pass.
func (w *Worker) tooBig(b []byte, h *packet.IPv4, mtu, input int) Result {
	if w.engine.gateway == 0 || !w.mayICMP() {
		return w.drop(TooBig, input)
	}
	buf := w.buffer(packet.ICMPMaxLen)
	n := packet.FragNeeded(buf[esp.Headroom:], b, h, mtu, w.engine.gateway)
	if n == 0 {
		return w.drop(TooBig, input)
	}
	w.totals.drops[TooBig].Add(1)
	w.counts.replies++
	return Result{Packet: Packet{Buf: buf, Off: esp.Headroom, Len: n}, Action: Reply, Reason: TooBig, Input: input}
}
