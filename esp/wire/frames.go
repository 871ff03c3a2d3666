package wire

import "github.com/getvpn/getvpn/esp"

// maxPacket is the largest IP packet: what the kernel reassembles may be longer than any MTU.
const maxPacket = 65535

// frames are the buffers of a backend that shares no memory with the kernel.
type frames [][]byte

// take returns up to n buffers for packets of room octets.
func (f *frames) take(n, room int) [][]byte {
	n = min(n, MaxBatch)
	for len(*f) < n {
		*f = append(*f, make([]byte, esp.Headroom+room+esp.Tailroom))
	}
	return (*f)[:n]
}

// Frames implements Conn.
func (r *Raw) Frames(n int) [][]byte { return r.frames.take(n, maxPacket) }
