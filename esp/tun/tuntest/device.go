// Package tuntest is a tun.Device in memory, for tests and for simulated members: the test plays the kernel.
package tuntest

import (
	"sync"
	"time"

	"github.com/getvpn/getvpn/esp/tun"
)

// Device is a tun.Device made of two queues.
type Device struct {
	name string
	mtu  int
	in   chan []byte // host to member
	out  chan []byte // member to host
	done chan struct{}
	once sync.Once
}

var _ tun.Device = (*Device)(nil)

// New returns a device whose queues hold depth packets each way. A full outward queue drops, as a kernel does.
func New(name string, mtu, depth int) *Device {
	return &Device{name: name, mtu: mtu, in: make(chan []byte, depth), out: make(chan []byte, depth), done: make(chan struct{})}
}

// Inject gives the member a packet from the host side. It keeps pkt; it waits while the queue is full and says whether the
// device was still open.
func (d *Device) Inject(pkt []byte) bool {
	select {
	case <-d.done:
		return false
	case d.in <- pkt:
		return true
	}
}

// Next returns the next packet that the member gave to the host, or nil after the timeout or Close.
func (d *Device) Next(timeout time.Duration) []byte {
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case p := <-d.out:
		return p
	case <-t.C:
		return nil
	case <-d.done:
		return nil
	}
}

// Read implements tun.Device.
func (d *Device) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	select {
	case <-d.done:
		return 0, tun.ErrClosed
	case p := <-d.in:
		sizes[0] = copy(bufs[0][offset:], p)
	}
	n := 1
	for n < len(bufs) {
		select {
		case p := <-d.in:
			sizes[n] = copy(bufs[n][offset:], p)
			n++
		default:
			return n, nil
		}
	}
	return n, nil
}

// Write implements tun.Device.
func (d *Device) Write(bufs [][]byte, offset int) (int, error) {
	n := 0
	for _, b := range bufs {
		select {
		case <-d.done:
			return n, tun.ErrClosed
		default:
		}
		select {
		case d.out <- append([]byte(nil), b[offset:]...):
			n++
		default:
		}
	}
	return n, nil
}

// Name implements tun.Device.
func (d *Device) Name() string { return d.name }

// MTU implements tun.Device.
func (d *Device) MTU() (int, error) { return d.mtu, nil }

// Close implements tun.Device.
func (d *Device) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}
