package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fragments cuts a packet in two, as a router in the core would.
func fragments(p []byte) [][]byte {
	const first = 480
	if p[0]>>4 == 4 {
		a, b := bytes.Clone(p[:20+first]), append(bytes.Clone(p[:20]), p[20+first:]...)
		for i, f := range [][]byte{a, b} {
			binary.BigEndian.PutUint16(f[2:], uint16(len(f)))
			binary.BigEndian.PutUint16(f[4:], 0x4711)
			binary.BigEndian.PutUint16(f[6:], []uint16{0x2000, first / 8}[i])
			f[10], f[11] = 0, 0
			binary.BigEndian.PutUint16(f[10:], checksum(f[:20]))
		}
		return [][]byte{a, b}
	}
	make6 := func(offset uint16, payload []byte) []byte {
		f := append(bytes.Clone(p[:40]), ProtocolESP, 0, 0, 0, 0, 0, 0x47, 0x11)
		binary.BigEndian.PutUint16(f[42:], offset)
		f[6] = 44
		f = append(f, payload...)
		binary.BigEndian.PutUint16(f[4:], uint16(len(f)-40))
		return f
	}
	return [][]byte{make6(1, p[40:40+first]), make6(first, p[40+first:])}
}

// TestFragments: what the core cut arrives whole, beside what it did not cut, each once.
func TestFragments(t *testing.T) {
	eachMode(t, func(t *testing.T, w *wan, l *Link) {
		in := background(l.Conns[0])
		for i, p := range [][]byte{v4("10.77.1.2", "10.1.0.5", 1, 1000), v6("fd77::2", "fd01::5", 3, 1000)} {
			whole := bytes.Clone(p)
			whole[len(p)-1] = 0xaa
			for _, f := range fragments(p) {
				w.inject(w.self(), f)
			}
			got := next(t, in)
			if i == 0 { // the kernel writes a header without the fragment's fields
				copy(got[4:8], p[4:8])
				copy(got[10:12], p[10:12])
			}
			if !bytes.Equal(got, p) {
				t.Fatalf("reassembled %x\nof %x", got, p)
			}
			w.inject(w.self(), whole)
			if got := next(t, in); !bytes.Equal(got, whole) {
				t.Fatalf("after fragments: %x", got)
			}
		}
		if s := l.Conns[0].Stats(); s.Received != 4 {
			t.Errorf("%+v", s)
		}
	})
}

// TestStrangers: what is not for us, is tagged, is no ESP or lies about its length does not arrive.
func TestStrangers(t *testing.T) {
	eachMode(t, func(t *testing.T, w *wan, l *Link) {
		in := background(l.Conns[0])
		good := v4("10.77.1.2", "10.1.0.5", 1, 200)
		w.inject([]byte{2, 9, 9, 9, 9, 9}, good)
		udp := v4("10.77.1.2", "10.1.0.5", 2, 200)
		udp[9] = 17
		w.inject(w.self(), udp)
		long := v4("10.77.1.2", "10.1.0.5", 3, 200)
		w.inject(w.self(), long[:100])
		tagged := append(append(bytes.Clone(w.self()), 2, 0, 0, 0, 0, 9, 0x81, 0, 0, 5, 8, 0), good...)
		if err := unix.Send(w.far, tagged, 0); err != nil {
			t.Fatal(err)
		}
		last := v4("10.77.1.2", "10.1.0.5", 4, 200)
		w.inject(w.self(), last)
		if got := next(t, in); !bytes.Equal(got, last) {
			t.Errorf("%x", got)
		}
		if s := l.Conns[0].Stats(); s.Received != 1 || s.Truncated > 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestTooBigAndDown: each packet that does not leave is in exactly one counter.
func TestTooBigAndDown(t *testing.T) {
	eachMode(t, func(t *testing.T, w *wan, l *Link) {
		c := l.Conns[0]
		w.send(c, v4("10.1.0.5", "10.77.1.2", 1, 200), 1)
		before := c.Stats()
		n, err := c.WriteBatch([][]byte{
			v4("10.1.0.5", "10.77.1.2", 2, 1501), v6("fd01::5", "fd77::2", 2, 1501), v4("10.1.0.5", "10.77.1.2", 3, 1500), {0x45}, {},
		})
		if s := c.Stats(); n != 1 || err != nil || s.TooBig != before.TooBig+2 || s.Sent != before.Sent+1 || s.SendErrors != before.SendErrors+2 {
			t.Errorf("%d %v %+v", n, err, s)
		}
		if w.arrived(3, 30*time.Second) == nil {
			t.Error("did not arrive")
		}
		// A smaller MTU is followed.
		run(t, "ip", "link", "set", "wan0", "mtu", "1400")
		eventually(t, "1401 octets are too many", func() bool {
			before := c.Stats().TooBig
			_, err := c.WriteBatch([][]byte{v4("10.1.0.5", "10.77.1.2", 2, 1401)})
			return err == nil && c.Stats().TooBig == before+1
		})
		// Down: unreachable. Up again: as before, also what comes in.
		in := background(c)
		run(t, "ip", "link", "set", "wan0", "down")
		eventually(t, "the link is down", func() bool {
			before := c.Stats().Unreachable
			n, err := c.WriteBatch([][]byte{v4("10.1.0.5", "10.77.1.2", 2, 200)})
			return n == 0 && err == nil && c.Stats().Unreachable == before+1
		})
		run(t, "ip", "link", "set", "wan0", "up") // the kernel forgot the routes
		run(t, "ip", "route", "replace", "10.77.0.0/16", "via", "10.9.0.2")
		w.send(c, v4("10.1.0.5", "10.77.1.2", 5, 200), 5)
		if l.Mode != Raw {
			eventually(t, "the fast way again", func() bool {
				_, err := c.WriteBatch([][]byte{v4("10.1.0.5", "10.77.1.2", 5, 200)})
				return err == nil && viaFast(c, v4("10.1.0.5", "10.77.1.2", 5, 200))
			})
			w.send(c, v4("10.1.0.5", "10.77.1.2", 6, 200), 6)
		}
		p := v4("10.77.1.2", "10.1.0.5", 7, 200)
		w.inject(w.self(), p)
		if got := next(t, in); !bytes.Equal(got, p) {
			t.Errorf("after the flap: %x", got)
		}
	})
}

// TestNeighbourChange: a gateway that gets another Ethernet address without a word is followed within seconds; so is a route,
// and our own address.
func TestNeighbourChange(t *testing.T) {
	eachMode(t, func(t *testing.T, w *wan, l *Link) {
		if l.Mode == Raw {
			return // the kernel's neighbour table alone, on the kernel's terms
		}
		c := l.Conns[0]
		p := v4("10.1.0.5", "10.77.1.2", 1, 200)
		w.send(c, p, 1)
		eventually(t, "the fast way", func() bool { return viaFast(c, p) })
		w.there("sysctl", "-qw", "net.ipv4.conf.far0.arp_notify=0")
		w.there("ip", "link", "set", "far0", "address", "02:77:77:77:77:77")
		start := time.Now()
		eventually(t, "the new address", func() bool {
			if _, err := c.WriteBatch([][]byte{p}); err != nil {
				t.Fatal(err)
			}
			f := w.arrived(1, 50*time.Millisecond)
			return f != nil && bytes.Equal(f[:6], mac(t, "02:77:77:77:77:77"))
		})
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("after %v", d)
		} else {
			t.Logf("followed after %v", d)
		}
		// Our own.
		run(t, "ip", "link", "set", "wan0", "address", "02:55:55:55:55:55")
		eventually(t, "our new address", func() bool {
			_, err := c.WriteBatch([][]byte{p})
			f := w.arrived(1, 50*time.Millisecond)
			return err == nil && f != nil && bytes.Equal(f[6:12], mac(t, "02:55:55:55:55:55"))
		})
		in := background(c)
		q := v4("10.77.1.2", "10.1.0.5", 9, 200)
		w.inject(mac(t, "02:55:55:55:55:55"), q)
		if got := next(t, in); !bytes.Equal(got, q) {
			t.Errorf("%x", got)
		}
		// Another gateway.
		w.there("ip", "addr", "add", "10.9.0.3/24", "dev", "far0")
		run(t, "ip", "neigh", "replace", "10.9.0.3", "lladdr", "02:33:33:33:33:33", "dev", "wan0", "nud", "permanent")
		run(t, "ip", "route", "replace", "10.77.0.0/16", "via", "10.9.0.3")
		eventually(t, "the new gateway", func() bool {
			_, err := c.WriteBatch([][]byte{p})
			f := w.arrived(1, 50*time.Millisecond)
			return err == nil && f != nil && bytes.Equal(f[:6], mac(t, "02:33:33:33:33:33"))
		})
	})
}

// TestMulticast: groups have addresses of their own on the link, and come in once the interface has joined.
func TestMulticast(t *testing.T) {
	eachMode(t, func(t *testing.T, w *wan, l *Link) {
		c := l.Conns[0]
		for _, row := range []struct {
			p   []byte
			mac string
		}{
			{v4("10.1.0.5", "239.129.2.3", 1, 200), "01:00:5e:01:02:03"}, {v6("fd01::5", "ff0e::1:203", 2, 200), "33:33:00:01:02:03"},
		} {
			mark := byte(1)
			if row.p[0]>>4 == 6 {
				mark = 2
			}
			for range 2 { // the first asks for the way
				f := w.send(c, row.p, mark)
				if !bytes.Equal(f[:6], mac(t, row.mac)) || !bytes.Equal(f[etherLen:], row.p) {
					t.Fatalf("%x", f)
				}
			}
			if l.Mode != Raw && !viaFast(c, row.p) {
				eventually(t, "the fast way", func() bool { return viaFast(c, row.p) })
			}
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: [4]byte{239, 129, 2, 3}, Ifindex: int32(w.near.Attrs().Index)}); err != nil {
			t.Fatal(err)
		}
		in := background(c)
		p := v4("10.77.1.2", "239.129.2.3", 9, 200)
		w.inject(mac(t, "01:00:5e:01:02:03"), p)
		if got := next(t, in); !bytes.Equal(got, p) {
			t.Errorf("%x", got)
		}
	})
}

// TestRemoved: without its interface a Conn says so, and a new one works on the next interface of that name.
func TestRemoved(t *testing.T) {
	eachMode(t, func(t *testing.T, w *wan, l *Link) {
		c := l.Conns[0]
		in := background(c)
		run(t, "ip", "link", "del", "wan0")
		select {
		case g := <-in:
			if !errors.Is(g.err, ErrReopen) || !strings.Contains(g.err.Error(), "wan0") {
				t.Fatalf("%x %v", g.p, g.err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("nobody noticed")
		}
		if _, err := c.WriteBatch([][]byte{v4("10.1.0.5", "10.77.1.2", 1, 200)}); !errors.Is(err, ErrReopen) {
			t.Errorf("WriteBatch: %v", err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, err := Open(Config{Device: "wan0", Mode: l.Mode}); err == nil {
			t.Error("opened on nothing")
		}
		w.addPair()
		again, err := Open(Config{Device: "wan0", Mark: 0x848, Mode: l.Mode})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		w.send(again.Conns[0], v4("10.1.0.5", "10.77.1.2", 1, 200), 1)
	})
}
