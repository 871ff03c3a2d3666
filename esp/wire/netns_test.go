package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The WAN of the tests is a veth pair between the child's namespace and a second one, where a packet socket is all that
// answers, beside the kernel:
//
//	here: wan0 10.9.0.1, fd09::1 ─── there: far0 10.9.0.2, fd09::2, and routes to 10.77/16 and fd77::/16 by it
type wan struct {
	t    testing.TB
	ns   string
	near netlink.Link
	// queues of each end, if not one.
	queues int
	far    int // packet socket in the other namespace
	// farIndex is the index of far0 there.
	farIndex int
}

func run(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func newWAN(t testing.TB) *wan { return newWideWAN(t, 1) }

func newWideWAN(t testing.TB, queues int) *wan {
	w := &wan{t: t, queues: queues, ns: fmt.Sprintf("gvwire%d", os.Getpid())}
	run(t, "ip", "netns", "add", w.ns)
	t.Cleanup(func() {
		_ = exec.Command("ip", "link", "del", "wan0").Run()
		_ = exec.Command("ip", "netns", "del", w.ns).Run()
	})
	run(t, "ip", "link", "set", "lo", "up")
	w.addPair()
	for _, rule := range []string{"", "-6"} {
		ip := strings.Fields("ip " + rule)
		run(t, append(ip, "rule", "add", "pref", "100", "iif", "wan0", "ipproto", "50", "lookup", "849")...)
		t.Cleanup(func() { _ = exec.Command(ip[0], append(ip[1:], "rule", "del", "pref", "100")...).Run() })
		run(t, append(ip, "route", "replace", "local", "default", "dev", "lo", "table", "849")...)
	}
	return w
}

// addPair makes the link, also anew.
func (w *wan) addPair() {
	t := w.t
	t.Helper()
	n := fmt.Sprint(w.queues)
	run(t, "ip", "link", "add", "wan0", "numrxqueues", n, "numtxqueues", n, "type", "veth",
		"peer", "name", "far0", "numrxqueues", n, "numtxqueues", n, "netns", w.ns)
	run(t, "ip", "addr", "add", "10.9.0.1/24", "dev", "wan0")
	run(t, "ip", "addr", "add", "fd09::1/64", "dev", "wan0", "nodad")
	w.there("ip", "addr", "add", "10.9.0.2/24", "dev", "far0")
	w.there("ip", "addr", "add", "fd09::2/64", "dev", "far0", "nodad")
	w.there("ip", "link", "set", "far0", "up")
	run(t, "ip", "link", "set", "wan0", "up")
	w.routes()
	var err error
	if w.near, err = netlink.LinkByName("wan0"); err != nil {
		t.Fatal(err)
	}
	w.far = w.packetSocket("far0")
}

func (w *wan) routes() {
	run(w.t, "ip", "route", "replace", "10.77.0.0/16", "via", "10.9.0.2")
	run(w.t, "ip", "-6", "route", "replace", "fd77::/16", "via", "fd09::2")
}

func (w *wan) there(args ...string) string {
	w.t.Helper()
	return run(w.t, append([]string{"ip", "netns", "exec", w.ns}, args...)...)
}

// packetSocket opens a socket on an interface of the other namespace.
func (w *wan) packetSocket(name string) int {
	w.t.Helper()
	fd, err := inNetns(w.ns, func() (int, error) {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return -1, err
		}
		w.farIndex = l.Attrs().Index
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return -1, err
		}
		return fd, errors.Join(
			setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, 8<<20),
			unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000}),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: l.Attrs().Index}))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func mac(t testing.TB, text string) []byte {
	t.Helper()
	out := make([]byte, 6)
	if _, err := fmt.Sscanf(text, "%x:%x:%x:%x:%x:%x", &out[0], &out[1], &out[2], &out[3], &out[4], &out[5]); err != nil {
		t.Fatal(text, err)
	}
	return out
}

// inject sends a frame from the far end.
func (w *wan) inject(dst []byte, ip []byte) {
	w.t.Helper()
	frame := append(append(append([]byte{}, dst...), 2, 0, 0, 0, 0, 9), 0, 0)
	setEtherType(frame, ip)
	if err := unix.Send(w.far, append(frame, ip...), 0); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wan) self() []byte {
	l, err := netlink.LinkByName("wan0")
	if err != nil {
		w.t.Fatal(err)
	}
	return l.Attrs().HardwareAddr
}

// arrived waits for a frame of ESP at the far end that bears the mark, and returns it.
func (w *wan) arrived(mark byte, within time.Duration) []byte {
	b := make([]byte, 70000)
	for end := time.Now().Add(within); time.Now().Before(end); {
		n, err := unix.Read(w.far, b)
		if err != nil || n < 60 {
			continue
		}
		if f := b[:n]; isMarked(f[etherLen:], mark) {
			return bytes.Clone(f)
		}
	}
	return nil
}

func isMarked(p []byte, mark byte) bool {
	switch {
	case p[0]>>4 == 4 && p[9] == ProtocolESP:
		return p[20] == mark
	case p[0]>>4 == 6 && p[6] == ProtocolESP:
		return p[40] == mark
	}
	return false
}

// v4 and v6 make ESP packets; the payload is the mark, then a pattern.
func v4(src, dst string, mark byte, length int) []byte {
	p := make([]byte, length)
	p[0], p[1], p[8], p[9] = 0x45, 0xb8, 61, ProtocolESP
	binary.BigEndian.PutUint16(p[2:], uint16(length))
	p[6] = 0x40
	a, b := addr(src).As4(), addr(dst).As4()
	copy(p[12:], a[:])
	copy(p[16:], b[:])
	binary.BigEndian.PutUint16(p[10:], checksum(p[:20]))
	fill(p[20:], mark)
	return p
}

func v6(src, dst string, mark byte, length int) []byte {
	p := make([]byte, length)
	p[0], p[1], p[2], p[3] = 0x6b, 0x8a, 0xbc, 0xde // class 0xb8, label 0xabcde
	binary.BigEndian.PutUint16(p[4:], uint16(length-40))
	p[6], p[7] = ProtocolESP, 61
	a, b := addr(src).As16(), addr(dst).As16()
	copy(p[8:], a[:])
	copy(p[24:], b[:])
	fill(p[40:], mark)
	return p
}

func fill(b []byte, mark byte) {
	for i := range b {
		b[i] = byte(i)
	}
	b[0] = mark
}

// eventually awaits a condition.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("never: %s", what)
}
