package mcast

import (
	"encoding/binary"
	"net/netip"
)

// IGMP types, RFC 1112, 2236, 3376.
const (
	typeQuery    = 0x11
	typeReportV1 = 0x12
	typeReportV2 = 0x16
	typeLeave    = 0x17
	typeReportV3 = 0x22
)

// Record types of RFC 3376 §4.2.12.
const (
	isInclude    = 1
	isExclude    = 2
	toInclude    = 3
	toExclude    = 4
	allowSources = 5
)

// report is one host's word about one group.
type report struct {
	group netip.Addr
	leave bool
}

// parse reads a packet with its IP header; nothing if it is not a sound report or leave. Checksums are the kernel's part:
// a forged report has a right one too.
func parse(b []byte) (out []report) {
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != protoIGMP {
		return nil
	}
	header := int(b[0]&15) * 4
	if header < 20 || len(b) < header+8 {
		return nil
	}
	b = b[header:]
	add := func(group []byte, leave bool) {
		if g := netip.AddrFrom4([4]byte(group)); g.IsMulticast() && !g.IsLinkLocalMulticast() {
			out = append(out, report{g, leave})
		}
	}
	switch b[0] {
	case typeReportV1, typeReportV2:
		add(b[4:8], false)
	case typeLeave:
		add(b[4:8], true)
	case typeReportV3:
		n := int(binary.BigEndian.Uint16(b[6:]))
		for b = b[8:]; n > 0 && len(b) >= 8; n-- {
			sources := int(binary.BigEndian.Uint16(b[2:]))
			size := 8 + 4*sources + 4*int(b[1])
			if len(b) < size {
				break
			}
			switch b[0] {
			case isExclude, toExclude, allowSources:
				add(b[4:8], false)
			case isInclude, toInclude:
				add(b[4:8], sources == 0)
			}
			b = b[size:]
		}
	}
	return out
}

// query asks a LAN who is in a group, or with the unspecified address, in any. It is IGMPv2's (RFC 2236 §2), which hosts
// of every version answer; wait is in tenths of a second.
func query(group netip.Addr, wait uint8) []byte {
	b := []byte{typeQuery, wait, 0, 0, 0, 0, 0, 0}
	g := group.As4()
	copy(b[4:], g[:])
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum+sum>>16))
	return b
}
