package check

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// bulk: between two hosts datagrams of every size come back as they were, up to those that are cut on the way, and
// megabytes of TCP arrive as they were sent. All of it begins with the mark, so the capture can tell whether it was
// encrypted: Readable says that it must not have been, as with a suite that only authenticates.
type bulk struct {
	Pair      Pair          `yaml:"pair"`
	Megabytes int           `yaml:"megabytes"`
	Readable  bool          `yaml:"readable"`
	IPv6      bool          `yaml:"ipv6"`
	Within    time.Duration `yaml:"within"`
}

const (
	maxBulk  = 4096 // megabytes
	megabyte = 1 << 20
	// pingPatience is short, because the first datagram beyond the path's MTU is answered by ICMP only.
	pingPatience = 500 * time.Millisecond
	pingTries    = 4
)

func (c *bulk) Validate(s *scenario.Scenario) error {
	if c.Megabytes < 1 || c.Megabytes > maxBulk {
		return fmt.Errorf("megabytes: %d is outside 1..%d", c.Megabytes, maxBulk)
	}
	if err := hasIPv6(s, c.IPv6); err != nil {
		return err
	}
	return (Pairs{List: []Pair{c.Pair}}).validate(s)
}

func (c *bulk) Run(ctx context.Context, env *Env) []scenario.Result {
	ctx, cancel := context.WithTimeout(ctx, c.Within)
	defer cancel()
	before := env.Capture.Totals()
	from, to := env.address(c.Pair.A, c.IPv6), env.address(c.Pair.B, c.IPv6)
	sizes, err := c.pings(ctx, env.Lab, from, to)
	if err != nil {
		return c.broken(err)
	}
	start := time.Now()
	if err := c.transfer(ctx, env.Lab, from, to); err != nil {
		return c.broken(err)
	}
	took := time.Since(start)
	seen := env.Capture.Totals().Minus(before)
	readable := seen[PlaintextESP]
	r := scenario.Result{
		OK: seen.Offences() == readable && (readable > 0) == c.Readable,
		Value: fmt.Sprintf("%d sizes of datagrams, %d MB of TCP at %.0f Mbit/s; in the core %s, readable %d", sizes, c.Megabytes,
			float64(c.Megabytes)*8*1.048576/took.Seconds(), seen, readable),
		Want: c.want(),
	}
	if !r.OK {
		r.Message = env.Capture.Offences()
	}
	return []scenario.Result{r}
}

func (c *bulk) want() string {
	if c.Readable {
		return "everything as it was sent; nothing but ESP in the core, and readable, as the suite is"
	}
	return "everything as it was sent; nothing but ESP in the core, and none of it readable"
}

// garbled is what did not arrive as it was sent, or not at all: that is a measurement, too.
type garbled struct{ error }

func (c *bulk) broken(err error) []scenario.Result {
	if _, measured := errors.AsType[garbled](err); !measured {
		return failed(err)
	}
	return []scenario.Result{{Value: err.Error(), Want: c.want()}}
}

// pings has datagrams of many sizes echoed and compares them.
func (c *bulk) pings(ctx context.Context, l Lab, from, to netip.Addr) (sizes int, err error) {
	server, err := udpSocket(l, c.Pair.B, to)
	if err != nil {
		return 0, err
	}
	defer server.Close()
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, peer, err := server.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = server.WriteTo(buf[:n], peer)
			}
		}
	}()
	client, err := udpSocket(l, c.Pair.A, from)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	buf := make([]byte, 1<<16)
	// Every length modulo the blocks of the ciphers, all about what fits into the WAN's MTU, and two that are cut.
	for n := len(mark); n <= 8000; n++ {
		switch {
		case n >= len(mark)+20 && n < 1340, n > 1480 && n != 2800 && n != 8000:
			continue
		}
		question := pattern(n)
		if err := ask(ctx, client, server.LocalAddr(), question, buf); err != nil {
			return sizes, garbled{fmt.Errorf("%s, datagram of %d octets: %w", c.Pair, n, err)}
		}
		sizes++
	}
	return sizes, nil
}

func udpSocket(l Lab, node string, at netip.Addr) (c net.PacketConn, err error) {
	err = l.Inside(node, func() (err error) {
		c, err = net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("socket on %s: %w", node, err)
	}
	return c, nil
}

// ask sends a datagram until it comes back.
func ask(ctx context.Context, c net.PacketConn, to net.Addr, question, buf []byte) error {
	var err error
	for range pingTries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err = c.WriteTo(question, to); err != nil {
			continue // too big for the MTU that the path has turned out to have: cut at the next attempt
		}
		_ = c.SetReadDeadline(time.Now().Add(pingPatience))
		var n int
		for n, _, err = c.ReadFrom(buf); err == nil; n, _, err = c.ReadFrom(buf) {
			if bytes.Equal(buf[:n], question) {
				return nil
			}
			if n == len(question) {
				return errors.New("came back changed")
			}
		}
	}
	return fmt.Errorf("no answer in %d attempts: %w", pingTries, err)
}

// pattern is the mark, then octets that are not all the same.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := copy(b, mark); i < n; i++ {
		b[i] = byte(i*31 + n)
	}
	return b
}

// transfer sends the megabytes and compares what has arrived.
func (c *bulk) transfer(ctx context.Context, l Lab, from, to netip.Addr) error {
	var listener net.Listener
	if err := l.Inside(c.Pair.B, func() (err error) {
		listener, err = net.Listen("tcp", netip.AddrPortFrom(to, 0).String())
		return err
	}); err != nil {
		return fmt.Errorf("server on %s: %w", c.Pair.B, err)
	}
	defer listener.Close()
	var conn net.Conn
	if err := l.Inside(c.Pair.A, func() (err error) {
		d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: from.AsSlice()}}
		conn, err = d.DialContext(ctx, "tcp", listener.Addr().String())
		return err
	}); err != nil {
		return garbled{fmt.Errorf("%s, TCP: no connection: %w", c.Pair, err)}
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	server, err := listener.Accept()
	if err != nil {
		return err
	}
	defer server.Close()
	_ = server.SetDeadline(deadline)
	sent, block := sha256.New(), pattern(1000)
	failure := make(chan error, 1)
	go func() {
		w := io.MultiWriter(conn, sent)
		var err error
		for n := 0; n < c.Megabytes*megabyte && err == nil; n += len(block) {
			_, err = w.Write(block)
		}
		failure <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	got := sha256.New()
	_, err = io.Copy(got, server)
	if err := errors.Join(err, <-failure); err != nil {
		return garbled{fmt.Errorf("%s, TCP: %w", c.Pair, err)}
	}
	if !sameSum(got, sent) {
		return garbled{fmt.Errorf("%s, TCP: what arrived is not what was sent", c.Pair)}
	}
	return nil
}

func sameSum(a, b hash.Hash) bool { return bytes.Equal(a.Sum(nil), b.Sum(nil)) }
