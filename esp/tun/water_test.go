package tun

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

func TestCheckName(t *testing.T) {
	for _, row := range []struct {
		name string
		ok   bool
	}{
		{"gv0", true}, {"abcdefghijklmno", true}, {"abcdefghijklmnop", false}, {"averyveryverylongname0", false},
		{"", false}, {".", false}, {"..", false}, {"a/b", false}, {"a b", false}, {"a:1", false}, {"tun%d", false}, {"a\x00", false},
	} {
		if err := CheckName(row.name); (err == nil) != row.ok || err != nil && !errors.Is(err, ErrName) {
			t.Errorf("%q: %v, want ok=%v", row.name, err, row.ok)
		}
	}
}

// inNamespace runs the calling test again as a child in a network namespace of its own and says whether this is the child.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv("GETVPN_TEST_CHILD") == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=30s")
	cmd.Env = append(os.Environ(), "GETVPN_TEST_CHILD="+t.Name(), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip(string(out))
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func TestWater(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("no /dev/net/tun")
	}
	w, err := OpenWater("gvtest0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenWater("gvtest0"); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("second open: %v", err)
	}
	link, err := netlink.LinkByName("gvtest0")
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := netlink.ParseAddr("10.77.0.1/24")
	for _, err := range []error{netlink.LinkSetMTU(link, 1446), netlink.AddrAdd(link, addr), netlink.LinkSetUp(link)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if mtu, err := w.MTU(); mtu != 1446 || err != nil || w.Name() != "gvtest0" {
		t.Errorf("MTU %d, %v; name %s", mtu, err, w.Name())
	}

	// Out of the kernel: more packets than one are drained in a batch, behind the offset.
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.77.0.1:5000")))
	if err != nil {
		t.Fatal(err)
	}
	const sent, offset = 20, 64
	for i := range sent {
		if _, err := conn.WriteToUDPAddrPort([]byte{byte(i)}, netip.MustParseAddrPort("10.77.0.2:5001")); err != nil {
			t.Fatal(err)
		}
	}
	bufs, sizes := make([][]byte, 64), make([]int, 64)
	for i := range bufs {
		bufs[i] = make([]byte, 2048)
	}
	var got [][]byte
	largest := 0
	for len(got) < sent {
		n, err := w.Read(bufs, sizes, offset)
		if err != nil {
			t.Fatal(err)
		}
		largest = max(largest, n)
		for i := range n {
			if p := bufs[i][offset : offset+sizes[i]]; p[0]>>4 == 4 && p[9] == 17 {
				got = append(got, append([]byte(nil), p...))
			}
		}
	}
	if largest < 2 {
		t.Errorf("no batch larger than %d", largest)
	}
	for i, p := range got {
		if p[28] != byte(i) {
			t.Fatalf("packet %d carries %d: order lost", i, p[28])
		}
	}

	// Into the kernel: the packets turned round arrive; a bad one in the middle costs only itself.
	var back [][]byte
	for i, p := range got {
		copy(p[12:16], []byte{10, 77, 0, 2})
		copy(p[16:20], []byte{10, 77, 0, 1})
		p[20], p[21], p[22], p[23] = p[22], p[23], p[20], p[21]
		p[26], p[27] = 0, 0 // no UDP checksum
		back = append(back, append(make([]byte, 10), p...))
		if i == 5 {
			back = append(back, append(make([]byte, 10), 0xff, 1, 2, 3))
		}
	}
	n, err := w.Write(back, 10)
	if n != sent || err != nil || w.Refused() != 1 {
		t.Errorf("wrote %d, refused %d, %v", n, w.Refused(), err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for i := range sent {
		var b [8]byte
		if n, _, err := conn.ReadFrom(b[:]); n != 1 || err != nil || b[0] != byte(i) {
			t.Fatalf("packet %d: %d %v %v", i, n, b, err)
		}
	}

	// Close unblocks Read and removes the interface.
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := w.Read(bufs, sizes, 0); err != nil {
				done <- err
				return
			}
		}
	}()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, ErrClosed) {
			t.Errorf("Read after Close: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Close did not unblock Read")
	}
	if _, err := w.Write(back, 10); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if _, err := netlink.LinkByName("gvtest0"); err == nil {
		t.Error("the interface outlived Close")
	}
}
