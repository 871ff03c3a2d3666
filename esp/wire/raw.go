package wire

import (
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// DefaultSocketBuffer is what the kernel may queue for us, in octets: about 50 ms at 1 Gbit/s.
const DefaultSocketBuffer = 8 << 20

// Config says how the raw sockets are made.
type Config struct {
	// Device binds the receiving socket, so that ESP from a LAN is not mistaken for the group's. Empty: any interface.
	// Sending is not bound: the main table decides, as for any packet.
	Device string
	// Mark is the SO_MARK of what is sent; netcfg has a rule for it. Zero: no mark.
	Mark uint32
	// SocketBuffer overrides DefaultSocketBuffer.
	SocketBuffer int
}

// Raw is a Conn on two raw IPv4 sockets.
type Raw struct {
	tx, rx socket
	wr     writer
	rd     reader
	frames frames
	closed atomic.Bool
	stats  counters
}

type counters struct {
	sent, tooBig, noBuffers, unreachable, refused, sendErrors atomic.Uint64
	received, truncated, overflow                             atomic.Uint64
}

var _ Conn = (*Raw)(nil)

// OpenRaw opens the sockets; it needs CAP_NET_RAW, and CAP_NET_ADMIN for the mark and the large buffers.
func OpenRaw(cfg Config) (*Raw, error) {
	size := cfg.SocketBuffer
	if size == 0 {
		size = DefaultSocketBuffer
	}
	r := &Raw{}
	var err error
	if r.tx, err = openSocket(unix.IPPROTO_RAW, "getvpn-esp-out"); err != nil {
		return nil, err
	}
	if r.rx, err = openSocket(ProtocolESP, "getvpn-esp-in"); err != nil {
		_ = r.tx.Close()
		return nil, err
	}
	if err := errors.Join(
		r.tx.setInt(unix.IPPROTO_IP, unix.IP_HDRINCL, 1, "IP_HDRINCL"),
		r.tx.mark(cfg.Mark),
		r.tx.multicast(cfg.Device),
		r.tx.buffer(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, size),
		r.rx.buffer(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, size),
		r.rx.bind(cfg.Device),
	); err != nil {
		_ = r.Close()
		return nil, err
	}
	r.wr.init(r)
	r.rd.init(r)
	return r, nil
}

// Stats returns the counters; Overflow is asked from the kernel.
func (r *Raw) Stats() Stats {
	if n, ok := r.rx.drops(); ok {
		r.stats.overflow.Store(n)
	}
	c := &r.stats
	return Stats{
		Sent: c.sent.Load(), TooBig: c.tooBig.Load(), NoBuffers: c.noBuffers.Load(), Unreachable: c.unreachable.Load(),
		Refused: c.refused.Load(), SendErrors: c.sendErrors.Load(),
		Received: c.received.Load(), Truncated: c.truncated.Load(), Overflow: c.overflow.Load(),
	}
}

// Close closes both sockets.
func (r *Raw) Close() error {
	if r.closed.Swap(true) {
		return nil
	}
	return errors.Join(r.tx.Close(), r.rx.Close())
}

// closedOr names the error of a closed descriptor: RawConn reports an internal one of the runtime.
func (r *Raw) closedOr(what string, err error) error {
	if r.closed.Load() {
		return ErrClosed
	}
	return fmt.Errorf("wire: %s: %w", what, err)
}
