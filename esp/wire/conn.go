package wire

import "os"

// ErrClosed is what ReadBatch and WriteBatch return after Close.
var ErrClosed = os.ErrClosed

// Conn carries packets of the WAN side.
type Conn interface {
	// WriteBatch sends complete IP packets, in order. A packet that cannot be sent costs only itself and is counted;
	// sent is how many left. The error is set only when the connection is of no more use.
	WriteBatch(pkts [][]byte) (sent int, err error)
	// ReadBatch waits for at least one ESP packet, outer IP header included, and returns up to len(bufs) of them.
	// Packet i is in bufs[i][offset:] and sizes[i] octets long.
	ReadBatch(bufs [][]byte, sizes []int, offset int) (n int, err error)
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

// MaxBatch is the most packets that one system call takes.
const MaxBatch = 128

// ProtocolESP is the IP protocol number of ESP (RFC 4303 §2). A number: minimal images have no /etc/protocols.
const ProtocolESP = 50
