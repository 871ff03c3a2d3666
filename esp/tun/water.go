package tun

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"github.com/songgao/water"
	"golang.org/x/sys/unix"
)

// waterBatch is how many packets one Read drains. Beyond it nothing is gained: each is a system call.
const waterBatch = 64

// Water is a Device on songgao/water: a plain TUN interface, one packet a system call.
type Water struct {
	queue

	// The arguments of the call under way, so that the callbacks of RawConn are made once and not per call.
	rd    readCall
	read  func(fd uintptr) bool
	mu    sync.Mutex // Write
	wr    writeCall
	write func(fd uintptr) bool

	refused atomic.Uint64
}

type readCall struct {
	bufs   [][]byte
	sizes  []int
	offset int
	n      int
	err    error
}

type writeCall struct {
	bufs   [][]byte
	offset int
	next   int // packet to write
	n      int // packets written
	err    error
}

// OpenWater creates the interface. It is down, without an address and with the kernel's MTU: netcfg does the rest.
func OpenWater(name string) (*Water, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	cfg := water.Config{DeviceType: water.TUN}
	cfg.Name = name
	ifc, err := water.New(cfg)
	if err != nil {
		if errors.Is(err, syscall.EBUSY) {
			return nil, fmt.Errorf("tun: %s is held by another process; stop it or choose another name: %w", name, err)
		}
		return nil, fmt.Errorf("tun: create %s (needs CAP_NET_ADMIN and /dev/net/tun): %w", name, err)
	}
	file, ok := ifc.ReadWriteCloser.(*os.File)
	if !ok {
		_ = ifc.Close()
		return nil, fmt.Errorf("tun: %s: the device is not a file, batches are impossible", name)
	}
	conn, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("tun: %s: %w", name, err)
	}
	w := &Water{queue: queue{file: file, conn: conn, name: ifc.Name()}}
	w.read, w.write = w.readReady, w.writeReady
	return w, nil
}

// Read waits for a packet and drains what else is there.
func (w *Water) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	w.rd = readCall{bufs: bufs, sizes: sizes, offset: offset}
	if err := w.conn.Read(w.read); err != nil {
		return 0, w.closedOr(err)
	}
	if w.rd.n == 0 {
		return 0, fmt.Errorf("tun: read %s: %w", w.name, w.rd.err)
	}
	return w.rd.n, nil
}

// readReady runs when the descriptor may be readable; false asks the poller to wait. The descriptor never blocks, so
// the raw call need not tell the scheduler.
func (w *Water) readReady(fd uintptr) bool {
	c := &w.rd
	for c.n < len(c.bufs) && c.n < waterBatch {
		b := c.bufs[c.n][c.offset:]
		n, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			c.sizes[c.n] = int(n)
			c.n++
		case unix.EINTR:
		case unix.EAGAIN:
			return c.n > 0
		default:
			c.err = errno
			return true
		}
	}
	return true
}

// Write gives each packet to the kernel. What the kernel refuses (interface down, not an IP packet, no memory) is counted.
func (w *Water) Write(bufs [][]byte, offset int) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wr = writeCall{bufs: bufs, offset: offset}
	if err := w.conn.Write(w.write); err != nil {
		return w.wr.n, w.closedOr(err)
	}
	return w.wr.n, w.wr.err
}

func (w *Water) writeReady(fd uintptr) bool {
	c := &w.wr
	for c.next < len(c.bufs) {
		b := c.bufs[c.next][c.offset:]
		if len(b) == 0 {
			c.next++
			continue
		}
		_, _, errno := unix.RawSyscall(unix.SYS_WRITE, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		switch errno {
		case 0:
			c.n++
			c.next++
		case unix.EINTR:
		case unix.EAGAIN:
			return false
		case unix.EBADF, unix.EBADFD:
			c.err = fmt.Errorf("tun: write %s: %w", w.name, errno)
			return true
		default:
			w.refused.Add(1)
			c.next++
		}
	}
	return true
}

// Refused counts packets that the kernel did not take.
func (w *Water) Refused() uint64 { return w.refused.Load() }
