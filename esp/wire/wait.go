package wire

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// waiter waits for several sockets at once: an epoll of our own inside the runtime's, so that no thread is held while
// nothing happens and closing it ends the wait.
type waiter struct {
	fd    int
	file  *os.File
	conn  syscall.RawConn
	event int // eventfd that wakes

	woken  atomic.Bool
	ready  func(fd uintptr) bool
	events [4]unix.EpollEvent
}

func newWaiter() (*waiter, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true) // os.NewFile gives only such a descriptor to the runtime's poller
	}
	if err != nil {
		return nil, fmt.Errorf("wire: epoll: %w", err)
	}
	w := &waiter{fd: fd, file: os.NewFile(uintptr(fd), "getvpn-esp-wait"), event: -1}
	if w.conn, err = w.file.SyscallConn(); err == nil {
		if w.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err == nil {
			err = w.add(w.event)
		}
	}
	if err != nil {
		_ = w.close()
		return nil, fmt.Errorf("wire: wait: %w", err)
	}
	w.ready = w.look
	return w, nil
}

func (w *waiter) add(fd int) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if err := unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, fd, &e); err != nil {
		return fmt.Errorf("wire: epoll: %w", err)
	}
	return nil
}

// wait returns when something may be readable, or after wake.
func (w *waiter) wait() error { return w.conn.Read(w.ready) }

func (w *waiter) look(fd uintptr) bool {
	if w.woken.Load() {
		return true
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&w.events[0])), uintptr(len(w.events)), 0, 0, 0)
	return errno != 0 || n > 0
}

// wake makes wait return, for good.
func (w *waiter) wake() {
	if !w.woken.Swap(true) {
		one := [8]byte{1, 1, 1, 1, 1, 1, 1}
		_, _ = unix.Write(w.event, one[:])
	}
}

func (w *waiter) close() error {
	if w.event >= 0 {
		_ = unix.Close(w.event)
	}
	return w.file.Close()
}
