package engine

import (
	"hash/maphash"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/sadb"
)

// sealInPieces is for an IPv6 packet of at most 1280 octets that does not fit once it is sealed. Its sender may count on
// its passing (RFC 8200 §5), so the sealed packet is cut (RFC 2473 §7.1 (b)), to a size that every IPv6 link takes. The
// receiver's kernel puts it together again.
func (w *Worker) sealInPieces(entry *sadb.Entry, h *packet.Header, p *Packet, out []Result) []Result {
	whole := w.seal(entry, h, Packet{Buf: p.Buf, Off: p.Off, Len: h.TotalLen}, nil)
	if whole.Action != Send {
		return append(out, whole)
	}
	b := whole.Bytes()
	id := maphash.Bytes(hashSeed, b[packet.IPv6HeaderLen:][:pieceID])
	f := packet.NewFragmenter6(b, uint32(id), packet.IPv6MinMTU)
	for {
		buf := w.buffer(packet.IPv6MinMTU)
		n := f.Next(buf[esp.Headroom:])
		if n == 0 {
			w.used-- // not needed after all
			return out
		}
		out = append(out, Result{Packet: Packet{Buf: buf, Off: esp.Headroom, Len: n}, Action: Send})
	}
}

// pieceID is how much of the ESP packet makes the identification of its fragments: SPI, sequence number and the sender id
// in the IV are never the same twice, and what the host itself counts (RFC 8200 §4.5) is met with a chance of 1 in 2^32.
const pieceID = esp.HeaderLen + 8
