package wire

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp/linger"
)

// waiter waits for several sockets at once: as package linger does while there is traffic, then with an epoll of our own inside the runtime's, so
// that no thread is held while nothing happens and closing it ends the wait. The sockets are in the epoll only for that long: it is
// called for every packet, also when nobody waits.
type waiter struct {
	fd    int
	file  *os.File
	conn  syscall.RawConn
	event int // eventfd that wakes, always in the epoll

	woken atomic.Bool
	ready func(fd uintptr) bool
	polls []unix.PollFd // the eventfd, then the sockets
	armed bool
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
			w.add(w.event)
			err = w.watch(w.event)
		}
	}
	if err != nil {
		_ = w.close()
		return nil, fmt.Errorf("wire: wait: %w", err)
	}
	w.ready = w.look
	return w, nil
}

// add adds a socket, before the first wait.
func (w *waiter) add(fd int) {
	w.polls = append(w.polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
}

// wait returns when something may be readable, or after wake.
func (w *waiter) wait() error { return w.conn.Read(w.ready) }

// look says whether there is something; if not, the runtime's poller waits and calls it again.
func (w *waiter) look(uintptr) bool {
	w.disarm()
	if linger.For(w.polls) {
		return true
	}
	if !w.arm() || linger.Ready(w.polls, 0) { // what came before it was armed
		w.disarm()
		return true
	}
	return false
}

// arm says whether all sockets are in the epoll now.
func (w *waiter) arm() bool {
	w.armed = true
	for _, p := range w.polls[1:] {
		if w.watch(int(p.Fd)) != nil {
			return false
		}
	}
	return true
}

func (w *waiter) watch(fd int) error {
	return unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (w *waiter) disarm() {
	if !w.armed {
		return
	}
	for _, p := range w.polls[1:] {
		_ = unix.EpollCtl(w.fd, unix.EPOLL_CTL_DEL, int(p.Fd), nil)
	}
	w.armed = false
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
