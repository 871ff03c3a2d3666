package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An IPv6 raw socket gives the payload alone (RFC 3542 §3): the header is put together again from what comes beside it.
// Extension headers before ESP are not in it, which is what RFC 4303 §3.1.1 makes of them for ESP in tunnel mode.

// ipv6FlowInfo is IPV6_FLOWINFO of linux/in6.h, as option and as type: traffic class and flow label as in the header.
const ipv6FlowInfo = 11

// controlLen holds in6_pktinfo (20 octets) and two integers, each behind a header of 16 and padded to 8.
const controlLen = 88

// openRaw6 is openRaw4 for IPv6; nil in a kernel without.
func openRaw6(cfg Config, stats *counters) (*receiver, error) {
	fd, err := rawReceiver(cfg, unix.AF_INET6)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, option := range []int{unix.IPV6_RECVPKTINFO, unix.IPV6_RECVHOPLIMIT, ipv6FlowInfo} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, option, 1); err != nil {
			_ = unix.Close(fd)
			return nil, fmt.Errorf("wire: option %d of the IPv6 raw socket: %w", option, err)
		}
	}
	r := newReceiver(fd, stats, rebuild6)
	r.head = minIPv6
	r.from = make([]unix.RawSockaddrInet6, MaxBatch)
	r.ctl = make([][controlLen]byte, MaxBatch)
	return r, nil
}

// rebuild6 puts the header before a payload.
func rebuild6(r *receiver, i, n int) []byte {
	p := r.bufs[i][:minIPv6+n]
	clear(p[:minIPv6])
	copy(p[8:24], r.from[i].Addr[:])
	hops, to := parseControl(p, r.ctl[i][:min(int(r.msgs[i].hdr.Controllen), controlLen)])
	if !hops || !to {
		r.stats.truncated.Add(1)
		return nil
	}
	p[0] = p[0]&0x0f | 0x60
	binary.BigEndian.PutUint16(p[4:], uint16(n))
	p[6] = ProtocolESP
	return p
}

// parseControl copies what the control messages say into the header, and says whether the hop limit and the destination
// were there; flow information is only when it is not zero.
func parseControl(p, ctl []byte) (hops, to bool) {
	const head = unix.SizeofCmsghdr
	for len(ctl) >= head {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&ctl[0]))
		n := int(h.Len)
		if n < head || n > len(ctl) {
			break
		}
		data := ctl[head:n]
		if h.Level == unix.IPPROTO_IPV6 {
			switch {
			case h.Type == unix.IPV6_PKTINFO && len(data) >= 16:
				to = true
				copy(p[24:40], data)
			case h.Type == unix.IPV6_HOPLIMIT && len(data) >= 4:
				hops = true
				p[7] = byte(binary.NativeEndian.Uint32(data))
			case h.Type == ipv6FlowInfo && len(data) >= 4:
				copy(p[:4], data)
			}
		}
		ctl = ctl[min(len(ctl), (n+7)&^7):]
	}
	return hops, to
}
