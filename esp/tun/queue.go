package tun

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"syscall"
)

// queue is the kernel's side of a Device: a descriptor of an interface.
type queue struct {
	file   *os.File
	conn   syscall.RawConn
	name   string
	closed atomic.Bool
}

// Name returns the interface's name.
func (q *queue) Name() string { return q.name }

// MTU asks the kernel.
func (q *queue) MTU() (int, error) {
	ifi, err := net.InterfaceByName(q.name)
	if err != nil {
		return 0, fmt.Errorf("tun: MTU of %s: %w", q.name, err)
	}
	return ifi.MTU, nil
}

// Close gives up the queue; with the last one the interface goes.
func (q *queue) Close() error {
	if q.closed.Swap(true) {
		return nil
	}
	return q.file.Close()
}

// closedOr names the error of a closed descriptor: RawConn reports an internal one of the runtime.
func (q *queue) closedOr(err error) error {
	if q.closed.Load() {
		return ErrClosed
	}
	return fmt.Errorf("tun: %s: %w", q.name, err)
}
