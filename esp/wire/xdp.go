package wire

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// openXDP opens AF_XDP sockets on every receive queue of the interface, and the program that feeds them.
func openXDP(cfg Config) (*Link, error) {
	s, err := openShared(cfg, xdpMTU)
	if err != nil {
		return nil, fmt.Errorf("AF_XDP: %w", err)
	}
	l, err := s.openXDP()
	if err != nil {
		return nil, fmt.Errorf("AF_XDP on %s: %w", cfg.Device, err)
	}
	return l, nil
}

func (s *shared) openXDP() (*Link, error) {
	queues, err := receiveQueues(s.cfg.Device)
	if err != nil {
		return nil, errors.Join(err, s.releaseAll())
	}
	// Each Conn sends on a queue of its own: a completion ring has one reader.
	s.cfg.Queues = min(s.cfg.Queues, queues)
	p, err := newProgram(queues)
	if err != nil {
		return nil, errors.Join(err, s.releaseAll())
	}
	s.release = append(s.release, p.close)
	s.hops.mac = p.setMAC
	if err := errors.Join(p.setMAC(s.hops.self), p.attach(s.hops.index)); err != nil {
		return nil, errors.Join(err, s.releaseAll())
	}
	zero := false
	l, err := s.link("", func(c *conn, i int) error {
		for q := i; q < queues; q += s.cfg.Queues {
			z, err := c.addQueue(p, q, queues, q == i)
			if err != nil {
				return err
			}
			zero = zero || z
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	l.Name = fmt.Sprintf("AF_XDP (%s, %s)", word(p.native, "native", "generic"), word(zero, "zero copy", "copy"))
	return l, nil
}

func word(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// addQueue opens the sockets of one queue; send is for the one that the Conn sends on.
func (c *conn) addQueue(p *program, queue, queues int, send bool) (zero bool, err error) {
	rx, tx := rxFrames, 0
	if queues > manyQs {
		rx = rxFew
	}
	if send {
		tx = txFrames
	}
	q, err := openQueue(c.shared.hops.index, queue, newUmem(rx, tx), &c.stats)
	if err != nil {
		return false, err
	}
	c.addFast(q, q.fd)
	if send {
		if c.fast, err = openXSKSender(c.shared.hops.index, queue, q, c.shared.cfg); err != nil {
			c.fast = nil
			return false, err
		}
	}
	if err := p.sockets.Put(uint32(queue), uint32(q.fd)); err != nil {
		return false, fmt.Errorf("queue %d: %w", queue, err)
	}
	return q.zero, nil
}

// channels is struct ethtool_channels (linux/ethtool.h).
type channels struct {
	cmd                             uint32
	maxRx, maxTx, maxOther, maxBoth uint32
	rx, tx, other, both             uint32
}

// receiveQueues counts the receive queues that an interface uses. A driver that does not tell has one.
func receiveQueues(device string) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("count the receive queues: %w", err)
	}
	defer unix.Close(fd)
	c := channels{cmd: unix.ETHTOOL_GCHANNELS}
	var request struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // of the union in struct ifreq
	}
	copy(request.name[:unix.IFNAMSIZ-1], device)
	request.data = unsafe.Pointer(&c)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	switch errno {
	case 0:
		return max(int(c.rx+c.both), 1), nil
	case unix.EOPNOTSUPP:
		return 1, nil
	}
	return 0, fmt.Errorf("count the receive queues: %w", errno)
}
