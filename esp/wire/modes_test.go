package wire

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

var modes = []Mode{XDP, Packet, Raw}

// eachMode runs a test for each mode, in a WAN of its own.
func eachMode(t *testing.T, f func(t *testing.T, w *wan, l *Link)) {
	if !inNamespace(t) {
		return
	}
	for _, m := range modes {
		t.Run(string(m), func(t *testing.T) {
			w := newWAN(t)
			l, err := Open(Config{Device: "wan0", Mark: 0x848, Mode: m})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			f(t, w, l)
		})
	}
}

// send sends a packet until it arrives: the first may meet a neighbour that is not known yet.
func (w *wan) send(c Conn, p []byte, mark byte) []byte {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if _, err := c.WriteBatch([][]byte{p}); err != nil {
			w.t.Fatal(err)
		}
		if f := w.arrived(mark, 100*time.Millisecond); f != nil {
			return f
		}
	}
	w.t.Fatal("never arrived")
	return nil
}

// viaFast says whether a packet goes the mode's own way, not through the raw sockets.
func viaFast(c Conn, p []byte) bool {
	h := c.(*conn).shared.hops
	h.mu.RLock()
	defer h.mu.RUnlock()
	return c.(*conn).fast != nil && h.find(p) != nil
}

type gotPacket struct {
	p   []byte
	err error
}

// receiver reads in the background: packets are cloned.
func background(c Conn) <-chan gotPacket {
	out := make(chan gotPacket, 4096)
	go func() {
		pkts := make([][]byte, 64)
		for {
			n, err := c.ReadBatch(pkts)
			for _, p := range pkts[:n] {
				out <- gotPacket{p: bytes.Clone(p)}
			}
			if err != nil {
				out <- gotPacket{err: err}
				return
			}
		}
	}()
	return out
}

func next(t *testing.T, in <-chan gotPacket) []byte {
	t.Helper()
	select {
	case g := <-in:
		if g.err != nil {
			t.Fatal(g.err)
		}
		return g.p
	case <-time.After(30 * time.Second):
		t.Fatal("nothing came")
		return nil
	}
}

func TestBothWays(t *testing.T) {
	eachMode(t, func(t *testing.T, w *wan, l *Link) {
		c := l.Conns[0]
		t.Log(l.Name)
		// Out: from a frame, and from memory of the caller's own.
		for i, p := range [][]byte{
			v4("10.1.0.5", "10.77.1.2", 1, 200), v6("fd01::5", "fd77::2", 2, 1300), v4("10.1.0.5", "10.9.0.2", 3, 1500), v6("fd01::5", "fd09::2", 4, 100),
		} {
			mark := byte(i + 1)
			if f := w.send(c, p, mark); !bytes.Equal(f[etherLen:], p) || !bytes.Equal(f[6:12], w.self()) {
				t.Fatalf("%d arrived as %x\nfor %x", i, f, p)
			}
			if l.Mode != Raw {
				eventually(t, "the neighbour is known", func() bool { return viaFast(c, p) })
			}
			frame := c.Frames(4)[1]
			const at = 96
			q := frame[at : at+len(p)]
			copy(q, p)
			before := c.Stats()
			if n, err := c.WriteBatch([][]byte{q, p}); n != 2 || err != nil {
				t.Fatal(n, err)
			}
			for range 2 {
				if f := w.arrived(mark, 30*time.Second); f == nil || !bytes.Equal(f[etherLen:], p) {
					t.Fatalf("%d from a frame arrived as %x", i, f)
				}
			}
			if s := c.Stats(); s.Sent != before.Sent+2 {
				t.Errorf("%+v", s)
			}
		}
		// In.
		in := background(c)
		for i, p := range [][]byte{
			v4("10.77.1.2", "10.1.0.5", 1, 200), v6("fd77::2", "fd01::5", 2, 1300), v4("10.77.1.2", "10.1.0.5", 3, 40), v4("10.77.1.2", "10.1.0.5", 4, 1500),
		} {
			w.inject(w.self(), p)
			if got := next(t, in); !bytes.Equal(got, p) {
				t.Fatalf("%d received as %x\nfor %x", i, got, p)
			}
		}
		if s := c.Stats(); s.Received != 4 || s.Truncated != 0 || s.Overflow != 0 {
			t.Errorf("%+v", s)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if g := <-in; !errors.Is(g.err, ErrClosed) {
			t.Errorf("after Close: %x %v", g.p, g.err)
		}
		if _, err := c.WriteBatch([][]byte{v4("10.1.0.5", "10.77.1.2", 1, 200)}); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}
