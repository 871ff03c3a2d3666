package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// jumbo is the largest MTU that packet sockets are used with; whatever Ethernet carries is less.
const jumbo = 65535 - etherLen - 4

// openPacket opens AF_PACKET sockets. They see a packet beside the kernel, not instead of it: newShield keeps the kernel
// from handling what they took.
func openPacket(cfg Config) (*Link, error) {
	s, err := openShared(cfg, jumbo)
	if err != nil {
		return nil, fmt.Errorf("AF_PACKET: %w", err)
	}
	shield, err := newShield(cfg.Device)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("AF_PACKET: %w", err), s.releaseAll())
	}
	s.release = append(s.release, shield.Close)
	l, err := s.link("AF_PACKET", func(c *conn, _ int) error {
		p, err := newPacketSender(s.hops.index, cfg)
		if err != nil {
			return err
		}
		c.fast = p
		r, err := newPacketReceiver(s.hops.index, cfg, &c.stats)
		if err != nil {
			return err
		}
		c.addFast(r, r.fd)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("AF_PACKET: %w", err)
	}
	return l, nil
}

// openShared starts a link of a mode that makes Ethernet headers itself.
func openShared(cfg Config, limit int) (*shared, error) {
	if cfg.Device == "" {
		return nil, errors.New("no interface is named")
	}
	h, err := newHops(cfg, limit)
	if err != nil {
		return nil, err
	}
	switch {
	case !h.ethernet:
		return nil, fmt.Errorf("%s is not Ethernet", cfg.Device)
	case h.mtu > limit:
		return nil, fmt.Errorf("%s has an MTU of %d, and at most %d is possible", cfg.Device, h.mtu, limit)
	}
	return &shared{cfg: cfg, hops: h, release: []func() error{h.close}}, nil
}

func htons(v uint16) uint16 { return binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)}) }

// isESP is the filter of both packet socket and shield: whole ESP packets for us or for a group, without a VLAN tag. It
// runs at the start of the IP header.
var isESP = []bpf.Instruction{
	bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0, SkipTrue: 12},
	bpf.LoadExtension{Num: bpf.ExtType},
	bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: unix.PACKET_MULTICAST, SkipTrue: 10}, // somebody else's, or going out
	bpf.LoadExtension{Num: bpf.ExtProto},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.ETH_P_IPV6, SkipTrue: 5},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.ETH_P_IP, SkipTrue: 7},
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: ProtocolESP, SkipTrue: 5},
	bpf.LoadAbsolute{Off: 6, Size: 2},
	bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x3fff, SkipTrue: 3, SkipFalse: 2}, // MF or an offset: a fragment
	bpf.LoadAbsolute{Off: 6, Size: 1},                                         // IPv6
	bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: ProtocolESP, SkipTrue: 1},
	bpf.RetConstant{Val: 0xffffffff},
	bpf.RetConstant{Val: 0},
}

// attachFilter makes a packet socket receive only what the program takes.
func attachFilter(fd int, program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("packet filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		filter[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

// newPacketReceiver opens a socket that gets ESP from the device; several share it by a hash of the addresses.
func newPacketReceiver(index int, cfg Config, stats *counters) (*receiver, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket (needs CAP_NET_RAW): %w", err)
	}
	err = errors.Join(
		attachFilter(fd, isESP),
		setBuffer(fd, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, cfg.SocketBuffer),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_ALL), Ifindex: index}),
	)
	if err == nil && cfg.Queues > 1 {
		err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, os.Getpid()&0xffff|unix.PACKET_FANOUT_HASH<<16)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("packet socket on %s: %w", cfg.Device, err)
	}
	r := newReceiver(fd, stats, func(r *receiver, i, n int) []byte {
		p := trim(r.bufs[i][:n])
		if p == nil {
			r.stats.truncated.Add(1)
		}
		return p
	})
	// The socket forgets what it lost when it tells.
	var total atomic.Uint64
	r.lost = func(fd int) uint64 {
		if st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			total.Add(uint64(st.Drops))
		}
		return total.Load()
	}
	return r, nil
}

// packetSender sends frames past the queueing discipline: a header and a packet for each message.
type packetSender struct {
	socket
	batch
	iovs    [MaxBatch][2]unix.Iovec
	headers [MaxBatch][etherLen]byte
}

func newPacketSender(index int, cfg Config) (*packetSender, error) {
	sock, err := openSocket(unix.AF_PACKET, 0, "getvpn-esp-link-out")
	if err != nil {
		return nil, err
	}
	s := &packetSender{socket: sock}
	err = errors.Join(
		sock.setInt(unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1, "PACKET_QDISC_BYPASS"),
		sock.mark(cfg.Mark),
		sock.buffer(cfg.SocketBuffer),
		sock.control("bind", func(fd int) error { return unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index}) }),
	)
	if err != nil {
		return nil, errors.Join(err, sock.Close())
	}
	s.batch.init()
	for i := range s.msgs {
		s.iovs[i][0] = unix.Iovec{Base: &s.headers[i][0]}
		s.iovs[i][0].SetLen(etherLen)
		s.msgs[i].hdr.Iov = &s.iovs[i][0]
		s.msgs[i].hdr.SetIovlen(2)
	}
	return s, nil
}

func (s *packetSender) frames(int) [][]byte { return nil }

func (s *packetSender) put(p []byte, to *neighbour) bool {
	i := s.count
	s.headers[i] = to.header
	setEtherType(s.headers[i][:], p)
	s.iovs[i][1].Base = &p[0]
	s.iovs[i][1].SetLen(len(p))
	s.count++
	return true
}

func setEtherType(header, p []byte) {
	if p[0]>>4 == 4 {
		binary.BigEndian.PutUint16(header[12:], unix.ETH_P_IP)
	} else {
		binary.BigEndian.PutUint16(header[12:], unix.ETH_P_IPV6)
	}
}

func (s *packetSender) end(stats *counters) (int, error) {
	n := s.count
	s.stats = stats
	sent, err := s.batch.send(s.socket)
	for i := range n {
		s.iovs[i][1].Base = nil
	}
	return sent, err
}

func (s *packetSender) close(*counters) error { return s.Close() }
