package mcast

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Options and messages of linux/mroute.h.
const (
	mrtInit   = 200
	mrtDone   = 201
	mrtAddVIF = 202
	mrtAddMFC = 204
	mrtDelMFC = 205

	vifByIndex    = 8 // VIFF_USE_IFINDEX
	maxVIFs       = 32
	upcallNoRoute = 1

	protoIGMP = 2
)

var (
	allSystems = netip.MustParseAddr("224.0.0.1")
	allRouters = netip.MustParseAddr("224.0.0.2")  // where IGMPv2 hosts say that they leave
	allIGMPv3  = netip.MustParseAddr("224.0.0.22") // where IGMPv3 hosts report
)

// socket is the raw socket that makes its owner the multicast router.
type socket struct {
	conn *net.IPConn
	raw  syscall.RawConn
}

func openSocket() (*socket, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protoIGMP)
	if err != nil {
		return nil, fmt.Errorf("mcast: raw socket for IGMP (needs CAP_NET_RAW): %w", err)
	}
	file := os.NewFile(uintptr(fd), "igmp")
	defer file.Close()
	p, err := net.FilePacketConn(file)
	if err != nil {
		return nil, fmt.Errorf("mcast: %w", err)
	}
	conn := p.(*net.IPConn)
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mcast: %w", err), conn.Close())
	}
	s := &socket{conn: conn, raw: raw}
	err = s.setInt("IP_PKTINFO", unix.IP_PKTINFO, 1)
	if err == nil {
		err = s.setInt("IP_MULTICAST_LOOP", unix.IP_MULTICAST_LOOP, 0)
	}
	if err == nil {
		err = s.setInt("IP_MULTICAST_TTL", unix.IP_MULTICAST_TTL, 1)
	}
	if err == nil { // RFC 2236 §2: every message has the router alert option (RFC 2113)
		err = s.set("IP_OPTIONS", unix.IP_OPTIONS, []byte{0x94, 4, 0, 0})
	}
	if err == nil {
		err = s.setInt("MRT_INIT (another multicast router, pimd or smcroute, on this system?)", mrtInit, 1)
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

func (s *socket) set(what string, option int, value []byte) error {
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = unix.SetsockoptString(int(fd), unix.IPPROTO_IP, option, string(value)) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("mcast: %s: %w", what, err)
	}
	return nil
}

func (s *socket) setInt(what string, option, value int) error {
	return s.set(what, option, binary.NativeEndian.AppendUint32(nil, uint32(value)))
}

// addVIF makes an interface part of multicast routing: struct vifctl.
func (s *socket) addVIF(vif, index int) error {
	b := binary.NativeEndian.AppendUint16(nil, uint16(vif))
	b = append(b, vifByIndex, 1, 0, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(index))
	return s.set("MRT_ADD_VIF", mrtAddVIF, append(b, 0, 0, 0, 0))
}

// join makes the socket hear a group on an interface.
func join(fd int, group netip.Addr, index int) error {
	err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group.As4(), Ifindex: int32(index)})
	if errors.Is(err, unix.EADDRINUSE) {
		return nil
	}
	return err
}

func (s *socket) join(group netip.Addr, index int) error {
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = join(int(fd), group, index) }); cerr != nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("mcast: join %s: %w", group, err)
	}
	return nil
}

// route is a line of the kernel's multicast routing table.
type route struct{ src, group netip.Addr }

// setRoute sends what arrives on vif in out to others: struct mfcctl.
func (s *socket) setRoute(r route, vif int, out []int) error {
	b := mfc(r, vif)
	for _, v := range out {
		b[10+v] = 1 // the TTL that a packet must exceed
	}
	return s.set("MRT_ADD_MFC", mrtAddMFC, b)
}

func (s *socket) delRoute(r route, vif int) error {
	err := s.set("MRT_DEL_MFC", mrtDelMFC, mfc(r, vif))
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func mfc(r route, vif int) []byte {
	b := make([]byte, 60)
	src, group := r.src.As4(), r.group.As4()
	copy(b, src[:])
	copy(b[4:], group[:])
	binary.NativeEndian.PutUint16(b[8:], uint16(vif))
	return b
}

// upcall is the kernel's question where packets of a source to a group go: struct igmpmsg.
type upcall struct {
	vif int
	route
}

func parseUpcall(b []byte) (upcall, bool) {
	if len(b) < 20 || b[9] != 0 || b[8] != upcallNoRoute {
		return upcall{}, false
	}
	return upcall{int(b[10]), route{netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))}}, true
}

// read returns the next packet, with its IP header, and the interface that it came by.
func (s *socket) read(b []byte) (n, index int, err error) {
	oob := make([]byte, 128)
	n, oobn, _, _, err := s.conn.ReadMsgIP(b, oob)
	if err != nil {
		return 0, 0, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return n, 0, nil
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 4 {
			index = int(binary.NativeEndian.Uint32(m.Data))
		}
	}
	return n, index, nil
}

// ask sends a query into a LAN.
func (s *socket) ask(index int, group netip.Addr, to netip.Addr, wait uint8) error {
	_, _, err := s.conn.WriteMsgIP(query(group, wait), unix.PktInfo4(&unix.Inet4Pktinfo{Ifindex: int32(index)}), &net.IPAddr{IP: to.AsSlice()})
	return err
}
