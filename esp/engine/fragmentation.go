package engine

import (
	"fmt"
	"math"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/sadb"
)

// Fragmentation is what becomes of an IPv4 packet that is too long once it is sealed, and may be cut.
type Fragmentation uint8

// Where packets are cut.
const (
	FragmentBefore Fragmentation = iota // the packet itself; its host puts it together again
	FragmentAfter                       // the ESP packet; the receiver's gateway puts it together again
	FragmentNever                       // nowhere: its sender is told, as if it had DF
)

// DFBit is what the outer IPv4 header says of DF.
type DFBit uint8

// What it is made from.
const (
	DFCopy  DFBit = iota // the inner one, RFC 4301 §8.1
	DFClear              // 0, and a packet with DF that is too long is cut all the same
	DFSet                // 1
)

// sizePolicy is fixed for the life of an Engine.
type sizePolicy struct {
	cut Fragmentation
	df  DFBit
}

func (s sizePolicy) check() error {
	switch {
	case s.cut > FragmentNever || s.df > DFSet:
		return fmt.Errorf("%w: fragmentation %d, DF bit %d", ErrConfig, s.cut, s.df)
	case s.cut == FragmentAfter && s.df == DFSet:
		return fmt.Errorf("%w: an ESP packet with DF cannot be cut", ErrConfig)
	}
	return nil
}

// outerDF is the DF of an ESP packet with a packet in it that has DF or not.
func (s sizePolicy) outerDF(inner bool) bool { return inner && s.df != DFClear || s.df == DFSet }

// seesLonger says whether packets that do not fit must come to the engine, since the kernel would do something else to them.
func (s sizePolicy) seesLonger() bool { return s.cut != FragmentBefore || s.df == DFClear }

// TUNMTU returns what the MTU of the TUN should be: InnerMTU, or the WAN's if the kernel must leave what is longer than
// InnerMTU to the engine. It changes when InnerMTU does.
func (e *Engine) TUNMTU() int {
	if e.size.seesLonger() {
		return int(e.wanMTU.Load())
	}
	return e.InnerMTU()
}

// tooLong decides about a packet that is longer than mtu, so that it does not fit once it is sealed. cut: see fits.
func (w *Worker) tooLong(entry *sadb.Entry, h *packet.Header, p *Packet, mtu int, cut bool, out []Result) []Result {
	policy := w.size
	// A packet with DF need not have an identification of its own (RFC 6864 §4.1), so its fragments might be taken for
	// another's: only the sealed packet can be cut.
	whole := h.DF || policy.cut == FragmentAfter
	switch {
	case h.Version == 6 || policy.cut == FragmentNever || h.DF && policy.df != DFClear:
		return append(out, w.tooBig(p.Bytes(), h, mtu))
	case whole && h.TotalLen <= entry.SA.Suite().InnerMax(math.MaxUint16, packet.IPv4HeaderLen)-esp.StampLen:
		return w.sealAndCut(entry, h, p, out)
	case h.DF:
		return append(out, w.tooBig(p.Bytes(), h, mtu))
	}
	h.DF = policy.outerDF(false) && !cut
	return w.fragments(entry, p.Bytes(), h, mtu, out)
}

// sealAndCut cuts the sealed packet into what the way to its destination takes (RFC 4303 §3.3.4). The receiver's kernel puts
// it together again by the identification, which is the sequence number's.
func (w *Worker) sealAndCut(entry *sadb.Entry, h *packet.Header, p *Packet, out []Result) []Result {
	h.DF = false
	whole := w.seal(entry, h, Packet{Buf: p.Buf, Off: p.Off, Len: h.TotalLen}, nil)
	if whole.Action != Send {
		return append(out, whole)
	}
	mtu := int(w.engine.wanMTU.Load())
	if w.paths != nil {
		if x, ok := w.paths.find(h.Dst, h.Version, w.now); ok {
			mtu = min(mtu, x.outer)
		}
	}
	b := whole.Bytes()
	outer, err := packet.Parse(b)
	if err != nil {
		return append(out, w.drop(Malformed))
	}
	f, err := packet.NewFragmenter(b, &outer, mtu)
	if err != nil {
		return append(out, w.drop(Malformed))
	}
	for range f.Count() {
		buf := w.buffer(mtu)
		n := f.Next(buf[esp.Headroom:])
		out = append(out, Result{Packet: Packet{Buf: buf, Off: esp.Headroom, Len: n}, Action: Send})
	}
	return out
}
