package netcfg

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sweepArg asks for one UDP request to an echo for each size of IP packet. With DF it must not be cut; without, routers
// (IPv4) or the host itself (IPv6) may.
type sweepArg struct {
	Dst   string
	Sizes []int
	DF    bool
}

// swept is what became of one: the sizes that were sent because of what ICMP said, until one was answered.
type swept struct {
	Sizes    []int
	Answered bool
}

const sweepWait = 2 * time.Second

func sweepRole(arg string) error {
	var a sweepArg
	if err := json.Unmarshal([]byte(arg), &a); err != nil {
		return err
	}
	dst := netip.MustParseAddrPort(a.Dst)
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(dst))
	if err != nil {
		return err
	}
	head, how := 28, unix.IP_PMTUDISC_DONT
	if a.DF {
		how = unix.IP_PMTUDISC_PROBE // what it learned does not keep it from sending
	}
	err = discover(c, how)
	raw, rerr := c.SyscallConn()
	if err = errors.Join(err, rerr); err != nil {
		return err
	}
	if dst.Addr().Is6() {
		head = 48
		_ = raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVERR, 1)
			if a.DF {
				err = errors.Join(err, unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1))
			}
		})
	} else {
		_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1) })
	}
	if err != nil {
		return err
	}
	var out []swept
	for i, size := range a.Sizes {
		s := swept{}
		for try := range 6 {
			s.Sizes = append(s.Sizes, size)
			mtu, ok := request(c, raw, size-head, uint32(i<<8|try))
			if s.Answered = ok; ok {
				break
			}
			if mtu != 0 && a.DF {
				size = mtu
			} else if mtu == 0 && (a.DF || head == 28) && try > 0 {
				break // silence, twice: the second time for the echo's own host, which may have had to learn
			}
		}
		out = append(out, s)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

// request waits for the answer to one, or for the MTU of an ICMP error.
func request(c *net.UDPConn, raw interface{ Control(func(uintptr)) error }, n int, id uint32) (mtu int, ok bool) {
	msg, b := make([]byte, n), make([]byte, 65536)
	binary.BigEndian.PutUint32(msg, id)
	oob := make([]byte, 512)
	tooLong := func() (mtu int) {
		_ = raw.Control(func(fd uintptr) {
			for {
				_, k, _, _, err := unix.Recvmsg(int(fd), nil, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
				if err != nil {
					return
				}
				if h, err := readError(oob[:k]); err == nil && h.MTU != 0 {
					mtu = int(h.MTU)
				}
			}
		})
		return mtu
	}
	_, err := c.Write(msg)
	for end := time.Now().Add(sweepWait); time.Now().Before(end); {
		if mtu = tooLong(); mtu != 0 {
			return mtu, false
		}
		if errors.Is(err, unix.EMSGSIZE) {
			return 0, false
		}
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		k, err := c.Read(b)
		if err == nil && k == n && binary.BigEndian.Uint32(b) == id {
			return 0, true
		}
	}
	return 0, false
}
