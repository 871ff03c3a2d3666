// Package wiretest is a wire.Conn in memory: two ends of a WAN that a test can watch.
package wiretest

import (
	"sync"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/wire"
)

// Conn is one end of a pair.
type Conn struct {
	out, in  chan []byte
	done     chan struct{}
	once     sync.Once
	sent     atomic.Uint64
	received atomic.Uint64
	full     atomic.Uint64
	tap      func(pkt []byte) bool
	frames   [][]byte
}

var _ wire.Conn = (*Conn)(nil)

// Pair returns two connected ends. Only ESP arrives at the other end, as with the raw socket; tap, when not nil, sees
// every packet sent by either end and answers whether the WAN carries it on. A full queue of depth packets drops.
func Pair(depth int, tap func(pkt []byte) bool) (a, b *Conn) {
	x, y := make(chan []byte, depth), make(chan []byte, depth)
	a = &Conn{out: x, in: y, done: make(chan struct{}), tap: tap}
	b = &Conn{out: y, in: x, done: make(chan struct{}), tap: tap}
	return a, b
}

// WriteBatch implements wire.Conn.
func (c *Conn) WriteBatch(pkts [][]byte) (int, error) {
	n := 0
	for _, p := range pkts {
		select {
		case <-c.done:
			return n, wire.ErrClosed
		default:
		}
		n++
		c.sent.Add(1)
		p = append([]byte(nil), p...)
		if c.tap != nil && !c.tap(p) || len(p) < 20 || p[9] != wire.ProtocolESP {
			continue
		}
		select {
		case c.out <- p:
		default:
			c.full.Add(1)
		}
	}
	return n, nil
}

// Frames implements wire.Conn.
func (c *Conn) Frames(n int) [][]byte {
	for len(c.frames) < n {
		c.frames = append(c.frames, make([]byte, esp.Headroom+65535+esp.Tailroom))
	}
	return c.frames[:n]
}

// ReadBatch implements wire.Conn.
func (c *Conn) ReadBatch(pkts [][]byte) (int, error) {
	select {
	case <-c.done:
		return 0, wire.ErrClosed
	case pkts[0] = <-c.in:
	}
	n := 1
	for n < len(pkts) {
		select {
		case pkts[n] = <-c.in:
			n++
			continue
		default:
		}
		break
	}
	c.received.Add(uint64(n))
	return n, nil
}

// Stats implements wire.Conn.
func (c *Conn) Stats() wire.Stats {
	return wire.Stats{Sent: c.sent.Load(), Received: c.received.Load(), Overflow: c.full.Load()}
}

// Close implements wire.Conn.
func (c *Conn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}
