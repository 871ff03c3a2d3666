package wire

import (
	"os"

	"github.com/getvpn/getvpn/esp/packet"
)

// ErrClosed is what ReadBatch and WriteBatch return after Close.
var ErrClosed = os.ErrClosed

// Conn carries packets of the WAN side. It owns the memory of the packets, so that a backend that shares memory with the
// kernel needs no copy. One goroutine calls Frames and WriteBatch, one ReadBatch.
type Conn interface {
	// Frames returns up to n free buffers, good until the next call of Frames. Each holds a packet of the WAN's MTU with
	// esp.Headroom before and esp.Tailroom behind it. A packet built in one with at least LinkHeadroom octets free before it
	// is sent without a copy.
	Frames(n int) [][]byte
	// WriteBatch sends complete IP packets, in order, from Frames or from any other memory. A packet that cannot be sent
	// costs only itself and is counted; sent is how many left. The error is set only when the connection is of no more use.
	// A frame may be sent once: afterwards its contents are the Conn's.
	WriteBatch(pkts [][]byte) (sent int, err error)
	// ReadBatch waits for at least one ESP packet, outer IP header included, and sets up to len(pkts) of them. Their memory
	// is the Conn's, may be written to, and is good until the next ReadBatch.
	ReadBatch(pkts [][]byte) (n int, err error)
	// Stats returns the counters.
	Stats() Stats
	// Close unblocks both directions.
	Close() error
}

// Stats counts what a Conn did. Each unsent packet is in exactly one of the counters after Sent.
type Stats struct {
	Sent        uint64 `json:"sent"`
	TooBig      uint64 `json:"too_big"`     // EMSGSIZE: larger than the MTU of the way out
	NoBuffers   uint64 `json:"no_buffers"`  // ENOBUFS, ENOMEM: queue of the interface full
	Unreachable uint64 `json:"unreachable"` // no route, interface down
	Refused     uint64 `json:"refused"`     // EPERM, EACCES: a packet filter, the leak guard for one, or broadcast
	SendErrors  uint64 `json:"send_errors"` // anything else

	Received  uint64 `json:"received"`
	Truncated uint64 `json:"truncated"` // larger than the buffer, dropped
	Overflow  uint64 `json:"overflow"`  // lost in the kernel because nobody read in time
}

// LinkHeadroom is what a packet in a frame needs before it for a link header without a copy: Ethernet's 14 octets and
// virtio's 12, rounded up.
const LinkHeadroom = 32

// MaxBatch is the most packets that one system call takes.
const MaxBatch = 128

// ProtocolESP is the IP protocol number of ESP (RFC 4303 §2). A number: minimal images have no /etc/protocols.
const ProtocolESP = packet.ProtoESP
