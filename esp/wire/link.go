package wire

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/getvpn/getvpn/esp"
)

// maxPacket is the largest IP packet: what the kernel reassembles may be longer than any MTU.
const maxPacket = 65535

// source is a receiving socket. receive does not wait: 0 says that nothing is there.
type source interface {
	receive(pkts [][]byte) (int, error)
	overflow() uint64
	close() error
}

// sender is the fast way out. put takes a packet for a neighbour, false if it is to go another way; end sends what was
// taken; interrupt makes it give up, now and later, and may be called meanwhile.
type sender interface {
	frames(n int) [][]byte
	put(p []byte, to *neighbour) bool
	end(s *counters) (sent int, err error)
	interrupt()
	close(s *counters) error
}

// conn is a Conn: raw sockets, and in front of them what its mode has.
type conn struct {
	shared *shared
	stats  counters
	closed atomic.Bool
	lost   atomic.Bool // the interface is not what it was
	wait   *waiter

	writing sync.Mutex
	spare   [][]byte // frames of heap memory
	fast    sender
	out     *rawSender
	slow    [][]byte

	reading sync.Mutex
	sources []source // the fast ones first
	nfast   int
	turn    uint
	// overflow is as last asked.
	overflow uint64
}

type counters struct {
	sent, tooBig, noBuffers, unreachable, refused, sendErrors atomic.Uint64
	received, truncated                                       atomic.Uint64
}

var _ Conn = (*conn)(nil)

// newConn opens the raw sockets; those that receive only for the first Conn, as each would get a copy.
func newConn(s *shared, first bool) (*conn, error) {
	c := &conn{shared: s}
	var err error
	if c.wait, err = newWaiter(); err != nil {
		return nil, err
	}
	if c.out, err = newRawSender(s.cfg); err == nil && first {
		err = c.addRawSources()
	}
	if err != nil {
		return nil, errors.Join(err, c.shut())
	}
	return c, nil
}

func (c *conn) addRawSources() error {
	for _, open := range []func(Config, *counters) (*receiver, error){openRaw4, openRaw6} {
		r, err := open(c.shared.cfg, &c.stats)
		if err != nil {
			return err
		}
		if r == nil {
			continue // no IPv6 here
		}
		c.add(r, r.fd)
	}
	return nil
}

// add appends a source, which is closed with the Conn.
func (c *conn) add(s source, fd int) {
	c.sources = append(c.sources, s)
	c.wait.add(fd)
}

// addFast puts a source before the others.
func (c *conn) addFast(s source, fd int) {
	c.sources = append([]source{s}, c.sources...)
	c.nfast++
	c.wait.add(fd)
}

// Frames implements Conn.
func (c *conn) Frames(n int) [][]byte {
	n = min(n, MaxBatch)
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.fast != nil && !c.closed.Load() {
		if f := c.fast.frames(n); len(f) > 0 {
			return f
		}
	}
	for len(c.spare) < n {
		c.spare = append(c.spare, make([]byte, esp.Headroom+maxPacket+esp.Tailroom))
	}
	return c.spare[:n]
}

// WriteBatch implements Conn. ESP for a neighbour that is known goes the fast way, everything else through the raw
// sockets: a flow does not change its way within a batch, so the order within it is kept.
func (c *conn) WriteBatch(pkts [][]byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.over(); err != nil {
		return 0, err
	}
	if c.fast == nil {
		sent, err := c.out.send(pkts, &c.stats)
		return sent, c.orOver(err)
	}
	sent := 0
	for len(pkts) > 0 {
		n := min(len(pkts), MaxBatch)
		done, err := c.write(pkts[:n])
		sent += done
		if err != nil {
			return sent, c.orOver(err)
		}
		pkts = pkts[n:]
	}
	return sent, nil
}

// write sends up to MaxBatch packets.
func (c *conn) write(pkts [][]byte) (int, error) {
	c.slow = c.slow[:0]
	h := c.shared.hops
	h.mu.RLock()
	for _, p := range pkts {
		if to := h.find(p); to == nil || !c.fast.put(p, to) {
			c.slow = append(c.slow, p)
		}
	}
	h.mu.RUnlock()
	sent, err := c.fast.end(&c.stats)
	if err == nil && len(c.slow) > 0 {
		var n int
		n, err = c.out.send(c.slow, &c.stats)
		sent += n
	}
	return sent, err
}

// slowTurn is after how many reads the raw sockets are looked at although the fast ones have packets.
const slowTurn = 16

// ReadBatch implements Conn.
func (c *conn) ReadBatch(pkts [][]byte) (int, error) {
	for {
		n, err := c.poll(pkts)
		if n > 0 || err != nil {
			c.stats.received.Add(uint64(n))
			return n, err
		}
		if err := c.wait.wait(); err != nil && c.over() == nil {
			return 0, fmt.Errorf("wire: wait: %w", err)
		}
	}
}

func (c *conn) poll(pkts [][]byte) (n int, err error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if err := c.over(); err != nil {
		return 0, err
	}
	c.turn++
	for i, s := range c.sources {
		if n == len(pkts) || n > 0 && i >= c.nfast && c.turn%slowTurn != 0 {
			break
		}
		got, err := s.receive(pkts[n:])
		if err != nil {
			return 0, err
		}
		n += got
	}
	return n, nil
}

// over says why the Conn is at its end, if it is.
func (c *conn) over() error {
	if c.closed.Load() {
		return ErrClosed
	}
	if c.lost.Load() {
		return c.shared.hops.why()
	}
	return nil
}

// orOver is what an error means: why the Conn is at its end, if it is.
func (c *conn) orOver(err error) error {
	if over := c.over(); err != nil && over != nil {
		return over
	}
	return err
}

// fail makes both directions return why.
func (c *conn) fail() {
	c.lost.Store(true)
	c.wait.wake()
}

// Stats implements Conn.
func (c *conn) Stats() Stats {
	s := &c.stats
	out := Stats{
		Sent: s.sent.Load(), TooBig: s.tooBig.Load(), NoBuffers: s.noBuffers.Load(), Unreachable: s.unreachable.Load(),
		Refused: s.refused.Load(), SendErrors: s.sendErrors.Load(), Received: s.received.Load(), Truncated: s.truncated.Load(),
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	if !c.closed.Load() {
		c.overflow = 0
		for _, r := range c.sources {
			c.overflow += r.overflow()
		}
	}
	out.Overflow = c.overflow
	return out
}

// Close implements Conn.
func (c *conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return errors.Join(c.shut(), c.shared.done())
}

// shut closes what is the Conn's own. A frame in somebody's hands stays good: it is memory like any other.
func (c *conn) shut() error {
	c.closed.Store(true)
	c.wait.wake()
	if c.fast != nil {
		c.fast.interrupt()
	}
	if c.out != nil {
		c.out.interrupt()
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	c.writing.Lock()
	defer c.writing.Unlock()
	var err error
	if c.fast != nil {
		err = c.fast.close(&c.stats)
	}
	for _, s := range c.sources {
		err = errors.Join(err, s.close())
	}
	if c.out != nil {
		err = errors.Join(err, c.out.close())
	}
	return errors.Join(err, c.wait.close())
}
