package wire

import (
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// inNamespace runs the calling test again as a child in a network namespace of its own and says whether this is the child.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Getenv("GETVPN_TEST_CHILD") == t.Name() {
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = errors.Join(netlink.LinkSetMTU(lo, 1500), netlink.LinkSetUp(lo))
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace and raw sockets")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=240s")
	cmd.Env = append(os.Environ(), "GETVPN_TEST_CHILD="+t.Name(), "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	return false
}

// esp makes an IPv4 packet of protocol 50; the kernel fills in the checksum.
func espPacket(dst [4]byte, mark byte, length int) []byte {
	p := make([]byte, length)
	p[0], p[8], p[9] = 0x45, 64, ProtocolESP
	binary.BigEndian.PutUint16(p[2:], uint16(length))
	copy(p[12:], []byte{127, 0, 0, 9})
	copy(p[16:], dst[:])
	p[20] = mark
	return p
}

func openOne(cfg Config) (Conn, error) {
	l, err := Open(cfg)
	if err != nil {
		return nil, err
	}
	return l.Conns[0], nil
}

func TestRaw(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r, err := openOne(Config{Device: "lo", Mark: 0x848, Mode: Raw})
	if err != nil {
		t.Fatal(err)
	}
	self := [4]byte{127, 0, 0, 1}
	batch := [][]byte{
		espPacket(self, 1, 100),
		espPacket(self, 0, 1501),                       // too big
		espPacket([4]byte{10, 99, 0, 1}, 0, 100),       // no route
		{1, 2, 3},                                      // not a packet
		espPacket([4]byte{255, 255, 255, 255}, 0, 100), // broadcast or no route
		espPacket(self, 2, 1500),
	}
	v6 := espPacket(self, 0, 39) // shorter than its header
	v6[0] = 0x60
	batch = append(batch, v6)
	// Several system calls' worth behind it.
	const more = 3 * MaxBatch
	for range more {
		batch = append(batch, espPacket(self, 3, 60))
	}
	sent, err := r.WriteBatch(batch)
	if sent != 2+more || err != nil {
		t.Errorf("sent %d, %v", sent, err)
	}
	s := r.Stats()
	if s.Sent != 2+more || s.TooBig != 1 || s.Unreachable+s.Refused != 2 || s.SendErrors != 2 {
		t.Errorf("%+v", s)
	}
	pkts := make([][]byte, 64)
	var marks []byte
	for len(marks) < 2+more {
		n, err := r.ReadBatch(pkts)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pkts[:n] {
			if len(p) != int(binary.BigEndian.Uint16(p[2:])) || p[15] != 9 {
				t.Fatalf("packet damaged: %x", p[:20])
			}
			marks = append(marks, p[20])
		}
	}
	if marks[0] != 1 || marks[1] != 2 || marks[2] != 3 {
		t.Errorf("order: %v", marks[:3])
	}

	done := make(chan error, 1)
	go func() {
		_, err := r.ReadBatch(pkts)
		done <- err
	}()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		if !errors.Is(err, ErrClosed) {
			t.Errorf("ReadBatch after Close: %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Close did not unblock ReadBatch")
	}
	if _, err := r.WriteBatch(batch); !errors.Is(err, ErrClosed) {
		t.Errorf("WriteBatch after Close: %v", err)
	}
}

func TestOverflowIsCounted(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	r, err := openOne(Config{SocketBuffer: 4096, Mode: Raw})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	const sent = 50
	for i := range sent {
		if _, err := r.WriteBatch([][]byte{espPacket([4]byte{127, 0, 0, 1}, byte(i), 1400)}); err != nil {
			t.Fatal(err)
		}
	}
	n, err := r.ReadBatch(make([][]byte, 2))
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	if r.Stats().Overflow == 0 {
		t.Errorf("%+v: %d packets into a 4 kB buffer and none lost?", r.Stats(), sent)
	}
}
