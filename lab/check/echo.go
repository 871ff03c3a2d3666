package check

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// echoServer answers datagrams on a node until it is closed.
func echoServer(l Lab, node string, at netip.Addr) (net.PacketConn, error) {
	var c net.PacketConn
	err := l.Inside(node, func() (err error) {
		c, err = net.ListenPacket("udp", netip.AddrPortFrom(at, 0).String())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("echo server on %s: %w", node, err)
	}
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = c.WriteTo(buf[:n], from) // an answer that gets lost is asked for again
			}
		}
	}()
	return c, nil
}

// echo asks until an answer comes back or the context ends; it returns the round trip of the answered question and how
// many were asked.
func echo(ctx context.Context, l Lab, node string, from netip.Addr, to net.Addr) (rtt time.Duration, asked int, err error) {
	var c net.PacketConn
	err = l.Inside(node, func() (err error) {
		c, err = net.ListenPacket("udp", netip.AddrPortFrom(from, 0).String())
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("echo from %s: %w", node, err)
	}
	defer c.Close()
	question := make([]byte, trafficSize)
	copy(question, mark)
	buf := make([]byte, 2048)
	for ctx.Err() == nil {
		asked++
		binary.BigEndian.PutUint32(question[len(mark):], uint32(asked)) //nolint:gosec // counts up from one
		start := time.Now()
		_, sendErr := c.WriteTo(question, to) // refused locally, as a member that fails closed does: asked again
		_ = c.SetReadDeadline(start.Add(500 * time.Millisecond))
		// An answer to a question before, which was late, is not this one's: to ask again because of it would be late for ever.
		for n, _, err := c.ReadFrom(buf); err == nil; n, _, err = c.ReadFrom(buf) {
			if bytes.Equal(buf[:n], question) {
				return time.Since(start), asked, nil
			}
		}
		if sendErr != nil && (wallClock{}).sleep(ctx, 100*time.Millisecond) != nil {
			break
		}
	}
	return 0, asked, fmt.Errorf("%s has no answer from %s to %d questions", node, to, asked)
}
