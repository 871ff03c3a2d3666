package tun

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// openVnetTest makes an interface that is up, with 10.77.0.1 and fd77::1.
func openVnetTest(t *testing.T, queues int) []*Vnet {
	t.Helper()
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("no /dev/net/tun")
	}
	v, err := OpenVnet("gvtest0", queues)
	if errors.Is(err, ErrNoVnet) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	link, err := netlink.LinkByName("gvtest0")
	if err != nil {
		t.Fatal(err)
	}
	four, _ := netlink.ParseAddr("10.77.0.1/24")
	six, _ := netlink.ParseAddr("fd77::1/64")
	six.Flags = unix.IFA_F_NODAD
	for _, err := range []error{netlink.LinkSetMTU(link, 1446), netlink.AddrAdd(link, four), netlink.AddrAdd(link, six), netlink.LinkSetUp(link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// mirror gives each packet back with its addresses exchanged, so that this host talks with itself through the device. The
// checksums stay right, and every packet's is verified.
func mirror(t *testing.T, v *Vnet, done chan<- struct{}) {
	defer close(done)
	const offset = 40
	bufs, sizes, out := make([][]byte, 32), make([]int, 32), make([][]byte, 0, 32)
	for i := range bufs {
		bufs[i] = make([]byte, offset+1446)
	}
	var swap [16]byte
	for {
		n, err := v.Read(bufs, sizes, offset)
		if err != nil {
			if !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			return
		}
		out = out[:0]
		for i := range n {
			p := bufs[i][offset : offset+sizes[i]]
			l4, proto, at, length := ip4Len, p[9], 12, 4
			if p[0]>>4 == 6 {
				l4, proto, at, length = ip6Len, p[6], 8, 16
			}
			if proto != protoTCP && proto != protoUDP {
				continue // the kernel's own multicast
			}
			if !sound(p, l4, proto) && (p[l4+tcpCsum]&p[l4+tcpCsum+1] != 0xff) {
				t.Errorf("a packet of %d octets has a wrong checksum: %x", len(p), p[:l4+20])
			}
			a, b := p[at:at+length], p[at+length:at+2*length]
			copy(swap[:], a)
			copy(a, b)
			copy(b, swap[:])
			out = append(out, p)
		}
		if n, err := v.Write(out, 0); err != nil && !errors.Is(err, ErrClosed) || err == nil && n != len(out) {
			t.Errorf("wrote %d of %d: %v", n, len(out), err)
		}
	}
}

func TestVnet(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	v := openVnetTest(t, 1)[0]
	if err := HasVnet(); err != nil {
		t.Error(err)
	}
	if _, err := OpenVnet("gvtest0", 1); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second open: %v", err)
	}
	if mtu, err := v.MTU(); mtu != 1446 || err != nil || v.Name() != "gvtest0" {
		t.Errorf("MTU %d, %v; name %s", mtu, err, v.Name())
	}
	done := make(chan struct{})
	go mirror(t, v, done)
	for _, row := range []struct{ network, self, far string }{{"tcp4", "10.77.0.1:0", "10.77.0.2"}, {"tcp6", "[fd77::1]:0", "fd77::2"}} {
		before := v.Stats()
		transfer(t, row.network, row.self, row.far)
		s := v.Stats()
		if s.Super-before.Super < 10 || s.Merged-before.Merged < 1000 || s.Malformed != 0 || s.Oversize != 0 || s.Refused != 0 {
			t.Errorf("%s: %+v after %+v", row.network, s, before)
		}
	}
	if v.Missing() == "" {
		for _, row := range []struct{ network, self, far string }{{"udp4", "10.77.0.1:0", "10.77.0.2"}, {"udp6", "[fd77::1]:0", "fd77::2"}} {
			before := v.Stats()
			segments(t, row.network, row.self, row.far)
			s := v.Stats()
			for end := time.Now().Add(30 * time.Second); s.Merged == before.Merged && time.Now().Before(end); s = v.Stats() {
				runtime.Gosched() // a write counts when it is over, and what it wrote may have arrived before
			}
			if s.Super == before.Super || s.Merged == before.Merged || s.Malformed != 0 || s.Refused != 0 {
				t.Errorf("%s: %+v after %+v", row.network, s, before)
			}
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	<-done // Close unblocks Read
	if _, err := v.Write([][]byte{make([]byte, 20)}, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if _, err := netlink.LinkByName("gvtest0"); err == nil {
		t.Error("the interface outlived Close")
	}
}

// transfer sends 8 MB from this host to itself by TCP.
func transfer(t *testing.T, network, self, far string) {
	t.Helper()
	l, err := net.Listen(network, self)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	data := bytes.Repeat([]byte("a whole number of octets, not of segments. "), 200_000)
	sent := make(chan error, 1)
	go func() {
		c, err := net.DialTimeout(network, net.JoinHostPort(far, port), 10*time.Second)
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			_, err = c.Write(data)
			err = errors.Join(err, c.Close())
		}
		sent <- err
	}()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Second))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err, <-sent)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	got := sha256.New()
	n, err := io.Copy(got, c)
	if err := errors.Join(err, <-sent); err != nil || n != int64(len(data)) || [32]byte(got.Sum(nil)) != sha256.Sum256(data) {
		t.Fatalf("%s: %d octets of %d arrived, %v", network, n, len(data), err)
	}
}

// TestQueuesKeepFlowsInOrder sends numbered datagrams of several pairs of hosts through two queues that are read by two
// goroutines. Every flow must come back complete and in order, and both queues must have had some.
func TestQueuesKeepFlowsInOrder(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	queues := openVnetTest(t, 2)
	if err := queues[0].Unsteered(); err != nil {
		t.Skip(err)
	}
	var done []chan struct{}
	for _, v := range queues {
		d := make(chan struct{})
		done = append(done, d)
		go mirror(t, v, d)
	}
	const flows, window, count = 16, 32, 640
	var wg sync.WaitGroup
	for f := range flows {
		port := 5000 + f // of both ends, as the mirror leaves ports alone
		self, far := fmt.Sprintf("10.77.0.1:%d", port), fmt.Sprintf("10.77.0.%d:%d", 10+f, port)
		if f%2 == 1 {
			self, far = fmt.Sprintf("[fd77::1]:%d", port), fmt.Sprintf("[fd77::%x]:%d", 10+f, port)
		}
		wg.Go(func() { numbered(t, self, far, window, count) })
	}
	wg.Wait()
	for i, v := range queues {
		if n := v.Stats().Read; n < count {
			t.Errorf("queue %d gave %d packets", i, n)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, d := range done {
		<-d
	}
}

// numbered sends datagrams to far, which come back as if from there: never more than window on the way, so that none is lost.
func numbered(t *testing.T, self, far string, window, count int) {
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.MustParseAddrPort(self))}
	c, err := d.Dial("udp", far)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	const hello = 1 << 31
	var b [4]byte
	end := time.Now().Add(20 * time.Second)
	for ready := false; !ready && time.Now().Before(end); { // IPv6 on a fresh interface takes a moment
		binary.BigEndian.PutUint32(b[:], hello)
		_ = c.SetDeadline(time.Now().Add(50 * time.Millisecond))
		_, err = c.Write(b[:])
		_, rerr := c.Read(b[:])
		ready = err == nil && rerr == nil
	}
	_ = c.SetDeadline(end)
	for sent, got := 0, 0; got < count; got++ {
		for ; sent < count && sent < got+window; sent++ {
			binary.BigEndian.PutUint32(b[:], uint32(sent))
			if _, err := c.Write(b[:]); err != nil {
				t.Error(far, err)
				return
			}
		}
		_, err := c.Read(b[:])
		for err == nil && binary.BigEndian.Uint32(b[:]) == hello { // one that came late
			_, err = c.Read(b[:])
		}
		if err != nil || binary.BigEndian.Uint32(b[:]) != uint32(got) {
			t.Errorf("%s: number %d where %d is due, %v", far, binary.BigEndian.Uint32(b[:]), got, err)
			return
		}
	}
}

// segments sends a burst of datagrams as one super-packet (UDP_SEGMENT) and expects each.
func segments(t *testing.T, network, self, far string) {
	t.Helper()
	in, err := net.ListenPacket(network, self)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_, port, _ := net.SplitHostPort(in.LocalAddr().String())
	out, err := net.Dial(network, net.JoinHostPort(far, port))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	raw, err := out.(*net.UDPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const count, size = 20, 700
	var option error
	if err := raw.Control(func(fd uintptr) { option = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size) }); err != nil || option != nil {
		t.Fatal(err, option)
	}
	var burst []byte
	for i := range count {
		burst = append(burst, bytes.Repeat([]byte{byte(i)}, size)...)
	}
	if _, err := out.Write(burst); err != nil {
		t.Fatal(err)
	}
	_ = in.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 2000)
	for i := range count {
		if n, _, err := in.ReadFrom(buf); err != nil || !bytes.Equal(buf[:n], burst[i*size:(i+1)*size]) {
			t.Fatalf("%s: datagram %d: %d octets, %v", network, i, n, err)
		}
	}
}
