package wire

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp/packet"
)

// Lengths of the fixed headers; the destination ends both.
const (
	minIPv4 = packet.IPv4HeaderLen
	minIPv6 = packet.IPv6HeaderLen
)

// rawSender sends through raw sockets, where the kernel finds the way. A packet with IP_HDRINCL is never fragmented: what is
// larger than the MTU comes back as EMSGSIZE.
type rawSender struct{ v4, v6 rawSocket }

// rawSocket holds the arrays of sendmmsg for one family, so that a batch allocates nothing.
type rawSocket struct {
	socket
	version byte
	scope   uint32
	batch
	iovs [MaxBatch]unix.Iovec
	tos  [MaxBatch]unix.RawSockaddrInet6 // an IPv4 one fits
}

func newRawSender(cfg Config) (*rawSender, error) {
	s := &rawSender{}
	var err error
	if s.v4.socket, err = openSocket(unix.AF_INET, unix.IPPROTO_RAW, "getvpn-esp-out"); err != nil {
		return nil, err
	}
	err = errors.Join(
		s.v4.setInt(unix.IPPROTO_IP, unix.IP_HDRINCL, 1, "IP_HDRINCL"), s.v4.mark(cfg.Mark), s.v4.multicast(cfg.Device),
		s.v4.buffer(cfg.SocketBuffer),
	)
	s.v4.init(4, 0)
	if err == nil {
		s.v6.socket, err = openSocket(unix.AF_INET6, unix.IPPROTO_RAW, "getvpn-esp6-out") // implies IPV6_HDRINCL
		switch {
		case errors.Is(err, unix.EAFNOSUPPORT):
			return s, nil // a kernel without IPv6: nothing to send there
		case err == nil:
			var scope uint32
			scope, err = s.v6.multicast6(cfg.Device)
			err = errors.Join(err, s.v6.mark(cfg.Mark), s.v6.buffer(cfg.SocketBuffer))
			s.v6.init(6, scope)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (w *rawSocket) init(version byte, scope uint32) {
	w.version, w.scope = version, scope
	w.batch.init()
	for i := range w.msgs {
		h := &w.msgs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&w.tos[i]))
		h.Namelen, w.tos[i].Family = unix.SizeofSockaddrInet4, unix.AF_INET
		if version == 6 {
			h.Namelen, w.tos[i].Family = unix.SizeofSockaddrInet6, unix.AF_INET6
		}
		h.Iov = &w.iovs[i]
		h.SetIovlen(1)
	}
}

func (s *rawSender) close() error { return errors.Join(s.v4.Close(), s.v6.Close()) }

func (s *rawSender) interrupt() {
	s.v4.interrupt()
	s.v6.interrupt()
}

// send sends packets of both families, each family in order.
func (s *rawSender) send(pkts [][]byte, stats *counters) (sent int, err error) {
	s.v4.stats, s.v6.stats = stats, stats
	for len(pkts) > 0 {
		n := min(len(pkts), MaxBatch)
		s.v4.count, s.v6.count = 0, 0
		for _, p := range pkts[:n] {
			switch {
			case len(p) >= minIPv4 && p[0]>>4 == 4:
				s.v4.put(p)
			case len(p) >= minIPv6 && p[0]>>4 == 6:
				if s.v6.file == nil {
					stats.unreachable.Add(1)
					continue
				}
				s.v6.put(p)
			default:
				stats.sendErrors.Add(1)
			}
		}
		for _, w := range []*rawSocket{&s.v4, &s.v6} {
			done, werr := w.flush()
			sent += done
			if werr != nil {
				return sent, werr
			}
		}
		pkts = pkts[n:]
	}
	return sent, nil
}

func (w *rawSocket) put(p []byte) {
	i := w.count
	if w.version == 4 {
		copy((*unix.RawSockaddrInet4)(unsafe.Pointer(&w.tos[i])).Addr[:], p[16:20])
	} else {
		to := &w.tos[i]
		copy(to.Addr[:], p[24:40])
		if to.Scope_id = 0; isLinkLocal6(to.Addr) {
			to.Scope_id = w.scope
		}
	}
	w.iovs[i].Base = &p[0]
	w.iovs[i].SetLen(len(p))
	w.count++
}

// isLinkLocal6 says whether an address means something on one link only: fe80::/10, or multicast of link scope.
func isLinkLocal6(a [16]byte) bool {
	return a[0] == 0xfe && a[1]&0xc0 == 0x80 || a[0] == 0xff && a[1]&0xf == 2
}

func (w *rawSocket) flush() (int, error) {
	n := w.count
	sent, err := w.batch.send(w.socket)
	for i := range n {
		w.iovs[i].Base = nil
	}
	return sent, err
}
