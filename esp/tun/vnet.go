package tun

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// ErrNoVnet is wrapped when this kernel's TUN cannot have what the fast path needs.
var ErrNoVnet = errors.New("tun: no super-packets (IFF_VNET_HDR) here")

// Vnet is a Device whose kernel side takes and gives super-packets: one system call carries up to 64 kB of a TCP
// connection. Read cuts, Write merges; what is read and written are the packets of a wire.
type Vnet struct {
	queue
	off string // offloads that the kernel refused

	unsteered error // why the kernel chooses queues by itself

	rd reader
	mu sync.Mutex // Write
	wr writer

	stats vnetCounters
}

type vnetCounters struct {
	read, super, malformed, oversize, written, merged, refused atomic.Uint64
}

// VnetStats counts what a Vnet did.
type VnetStats struct {
	Read      uint64 `json:"read"`      // packets and super-packets from the kernel
	Super     uint64 `json:"super"`     // of them, super-packets
	Malformed uint64 `json:"malformed"` // from the kernel, dropped
	Oversize  uint64 `json:"oversize"`  // packets that did not fit into their buffer, dropped
	Written   uint64 `json:"written"`   // packets and super-packets to the kernel
	Merged    uint64 `json:"merged"`    // packets that went in super-packets
	Refused   uint64 `json:"refused"`   // packets that the kernel did not take
}

// OpenVnet creates the interface with so many queues, one Device each. It is down, without an address and with the
// kernel's MTU: netcfg does the rest. ErrNoVnet: OpenWater may still work.
func OpenVnet(name string, queues int) ([]*Vnet, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	var out []*Vnet
	for range max(1, queues) {
		v, err := openVnet(name, queues > 1)
		if err != nil {
			for _, o := range out {
				_ = o.Close()
			}
			return nil, err
		}
		out = append(out, v)
	}
	if queues > 1 {
		out[0].unsteered = out[0].steer()
	}
	return out, nil
}

func openVnet(name string, multi bool) (*Vnet, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("tun: create %s (needs CAP_NET_ADMIN and /dev/net/tun): %w", name, err)
	}
	v := &Vnet{queue: queue{name: name}}
	if err := v.attach(fd, multi); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	v.file = os.NewFile(uintptr(fd), "/dev/net/tun")
	if v.conn, err = v.file.SyscallConn(); err != nil {
		_ = v.file.Close()
		return nil, fmt.Errorf("tun: %s: %w", name, err)
	}
	v.rd.init(v)
	v.wr.init(v)
	return v, nil
}

// attach makes fd a queue of the interface.
func (v *Vnet) attach(fd int, multi bool) error {
	ifr, err := unix.NewIfreq(v.name)
	if err != nil {
		return fmt.Errorf("tun: %s: %w", v.name, err)
	}
	flags := uint16(unix.IFF_TUN | unix.IFF_NO_PI | unix.IFF_VNET_HDR)
	if multi {
		flags |= unix.IFF_MULTI_QUEUE
	}
	ifr.SetUint16(flags)
	switch err := unix.IoctlIfreq(fd, unix.TUNSETIFF, ifr); {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("tun: %s is held by another process; stop it or choose another name: %w", v.name, err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: the kernel refuses the interface %s with them", ErrNoVnet, v.name)
	case err != nil:
		return fmt.Errorf("tun: create %s (needs CAP_NET_ADMIN and /dev/net/tun): %w", v.name, err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TUNSETVNETHDRSZ, vnetLen); err != nil {
		return fmt.Errorf("%w: length of the virtio header: %w", ErrNoVnet, err)
	}
	return v.offload(fd)
}

// offload asks for as much as the kernel knows: without UDP, before Linux 6.2; without IPv6, where it is not built in. TCP
// over IPv4 is the least that makes a difference.
func (v *Vnet) offload(fd int) error {
	const tcp4 = unix.TUN_F_CSUM | unix.TUN_F_TSO4
	var err error
	for _, o := range []struct {
		bits int
		off  []string
	}{
		{tcp4 | unix.TUN_F_TSO6 | unix.TUN_F_USO4 | unix.TUN_F_USO6, nil},
		{tcp4 | unix.TUN_F_TSO6, []string{"UDP"}},
		{tcp4, []string{"UDP", "TCP over IPv6"}},
	} {
		if err = unix.IoctlSetInt(fd, unix.TUNSETOFFLOAD, o.bits); err == nil {
			v.off = strings.Join(o.off, ", ")
			v.wr.m.udp = len(o.off) == 0
			return nil
		}
	}
	return fmt.Errorf("%w: segmentation offload: %w", ErrNoVnet, err)
}

// HasVnet says whether this kernel's TUN knows super-packets at all, without making one. ErrNoVnet: it does not.
func HasVnet() error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("tun: /dev/net/tun: %w", err)
	}
	defer unix.Close(fd)
	features, err := unix.IoctlGetInt(fd, unix.TUNGETFEATURES)
	if err != nil {
		return fmt.Errorf("%w: TUNGETFEATURES: %w", ErrNoVnet, err)
	}
	if features&unix.IFF_VNET_HDR == 0 {
		return fmt.Errorf("%w: features %#x", ErrNoVnet, features)
	}
	return nil
}

// Missing names the super-packets that the kernel refused; empty: none.
func (v *Vnet) Missing() string { return v.off }

func (v *Vnet) steer() error {
	var err error
	if cerr := v.conn.Control(func(fd uintptr) { err = steer(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// Unsteered says, of the first of several queues, why a flow may change queues and then lose its order for a moment; nil:
// it does not.
func (v *Vnet) Unsteered() error { return v.unsteered }

// Stats returns the counters.
func (v *Vnet) Stats() VnetStats {
	s := &v.stats
	return VnetStats{
		Read: s.read.Load(), Super: s.super.Load(), Malformed: s.malformed.Load(), Oversize: s.oversize.Load(),
		Written: s.written.Load(), Merged: s.merged.Load(), Refused: s.refused.Load(),
	}
}
