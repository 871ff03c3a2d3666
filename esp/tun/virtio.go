package tun

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp/packet"
)

// vnetLen is the length of struct virtio_net_hdr, in front of every packet of a TUN with IFF_VNET_HDR.
const vnetLen = 10

// vnetHeader is struct virtio_net_hdr. The checksum that covers everything from csumStart on goes to csumOffset behind
// it; what is there is the sum of the pseudo header.
type vnetHeader struct {
	flags, gsoType                         uint8
	hdrLen, gsoSize, csumStart, csumOffset uint16
}

// parse reads the header in the order of this machine's octets, as the kernel writes it unless told otherwise.
func (h *vnetHeader) parse(b []byte) {
	_ = b[vnetLen-1]
	h.flags, h.gsoType = b[0], b[1]
	h.hdrLen = binary.NativeEndian.Uint16(b[2:])
	h.gsoSize = binary.NativeEndian.Uint16(b[4:])
	h.csumStart = binary.NativeEndian.Uint16(b[6:])
	h.csumOffset = binary.NativeEndian.Uint16(b[8:])
}

func (h *vnetHeader) put(b []byte) {
	_ = b[vnetLen-1]
	b[0], b[1] = h.flags, h.gsoType
	binary.NativeEndian.PutUint16(b[2:], h.hdrLen)
	binary.NativeEndian.PutUint16(b[4:], h.gsoSize)
	binary.NativeEndian.PutUint16(b[6:], h.csumStart)
	binary.NativeEndian.PutUint16(b[8:], h.csumOffset)
}

const (
	needsCsum = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	gsoNone   = unix.VIRTIO_NET_HDR_GSO_NONE
	gsoTCP4   = unix.VIRTIO_NET_HDR_GSO_TCPV4
	gsoTCP6   = unix.VIRTIO_NET_HDR_GSO_TCPV6
	gsoUDP    = unix.VIRTIO_NET_HDR_GSO_UDP_L4
	gsoECN    = unix.VIRTIO_NET_HDR_GSO_ECN
)

const (
	protoTCP = packet.ProtoTCP
	protoUDP = packet.ProtoUDP

	ip4Len, ip6Len = packet.IPv4HeaderLen, packet.IPv6HeaderLen
	udpLen         = 8
	tcpLen         = 20 // without options
	tcpCsum        = 16
	udpCsum        = 6

	tcpFIN, tcpSYN, tcpRST, tcpPSH, tcpACK, tcpURG, tcpECE, tcpCWR = 1, 2, 4, 8, 16, 32, 64, 128
)

// errSuper refuses a super-packet or a virtio header that cannot be true.
var errSuper = errors.New("tun: bad super-packet")
