package wire

import (
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// stuck returns one end of a pair of sockets that nobody reads from.
func stuck(t *testing.T) socket {
	t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pair[1]) })
	file := os.NewFile(uintptr(pair[0]), "stuck")
	conn, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	return socket{file, conn}
}

// An interface that is shaped, or stopped, holds what was sent; the sender waits for its socket, and Close must not.
func TestCloseEndsAWriteThatWaits(t *testing.T) {
	wait, err := newWaiter()
	if err != nil {
		t.Fatal(err)
	}
	c := &conn{shared: &shared{open: 1}, wait: wait, out: &rawSender{}}
	s := &c.out.v4
	s.socket = stuck(t)
	s.init(4, 0)
	for i := range s.msgs {
		s.msgs[i].hdr.Name, s.msgs[i].hdr.Namelen = nil, 0 // it has a peer
	}
	p := make([]byte, 1000)
	p[0], p[9] = 0x45, ProtocolESP
	batch := make([][]byte, MaxBatch)
	for i := range batch {
		batch[i] = p
	}
	wrote := make(chan error, 1)
	go func() {
		for {
			if _, err := c.WriteBatch(batch); err != nil {
				wrote <- err
				return
			}
		}
	}()
	for full := false; !full; { // until the writer waits in it
		if err := s.control("fill", func(fd int) error {
			full = errors.Is(unix.Sendto(fd, p, unix.MSG_DONTWAIT, nil), unix.EAGAIN)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	for name, ch := range map[string]chan error{"Close": closed, "WriteBatch": wrote} {
		select {
		case err := <-ch:
			if name == "Close" && err != nil || name == "WriteBatch" && !errors.Is(err, ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%s waits for an interface that does not move", name)
		}
	}
}

func testHops() *hops {
	return &hops{
		limit: xdpMTU, asked: make(chan netip.Addr, 8), stop: make(chan struct{}), lost: func() {}, mac: func([6]byte) error { return nil },
		dst: map[netip.Addr]*neighbour{}, next: map[netip.Addr]*neighbour{},
	}
}

// An interface that gets an MTU beyond the frames is given up, and until that is done nothing too long may be put in one.
func TestNoPacketBeyondItsFrame(t *testing.T) {
	h := testHops()
	to := netip.MustParseAddr("10.2.0.9")
	h.dst[to] = &neighbour{usable: true}
	p := make([]byte, frameSize+100)
	p[0], p[9] = 0x45, ProtocolESP
	copy(p[16:], to.AsSlice())
	looked := false
	h.mac = func([6]byte) error { // what a writer may see meanwhile
		looked = true
		if h.find(p) != nil {
			t.Errorf("a packet of %d octets goes into a frame of %d", len(p), frameSize)
		}
		if h.find(p[:xdpMTU]) == nil {
			t.Error("one that fits does not")
		}
		return nil
	}
	h.setLink(&netlink.LinkAttrs{MTU: 9000, RawFlags: unix.IFF_UP | unix.IFF_LOWER_UP, HardwareAddr: []byte{2, 0, 0, 0, 0, 1}})
	if !looked || !errors.Is(h.why(), ErrReopen) {
		t.Errorf("looked %v, ended by %v", looked, h.why())
	}
}

// On a link with very many hosts each is its own next hop.
func TestNextHopsAreBounded(t *testing.T) {
	h := testHops()
	a := netip.MustParseAddr("2001:db8::")
	for range maxDestinations {
		a = a.Next()
		h.next[a] = &neighbour{}
	}
	h.resolve(netip.MustParseAddr("ff0e::1"))
	if len(h.next) >= maxDestinations || len(h.dst) != 1 {
		t.Errorf("%d next hops and %d destinations", len(h.next), len(h.dst))
	}
}
