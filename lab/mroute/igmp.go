package mroute

import (
	"encoding/binary"
	"net/netip"

	"github.com/getvpn/getvpn/esp/packet"
)

// Types of IGMP messages: RFC 2236 §2.1, RFC 3376 §4.
const (
	typeQuery    = 0x11
	typeReportV2 = 0x16
	typeLeaveV2  = 0x17
	typeReportV3 = 0x22
)

// Types of the group records in a version 3 report, RFC 3376 §4.2.12.
const (
	modeIsInclude   = 1
	modeIsExclude   = 2
	changeToInclude = 3
	changeToExclude = 4
	allowSources    = 5
)

// change is what a report says about one group: somebody wants it, or nobody does any more.
type change struct {
	group netip.Addr
	want  bool
}

// parseIGMP reads an IGMP message; query says that it is a router's question. Source filters count as interest in the
// whole group. What is damaged, or of another kind, says nothing.
func parseIGMP(b []byte) (changes []change, query bool) {
	if len(b) < 8 || packet.Checksum(b) != 0 {
		return nil, false
	}
	group := netip.AddrFrom4([4]byte(b[4:8]))
	switch b[0] {
	case typeQuery:
		return nil, true
	case typeReportV2, typeLeaveV2:
		if group.IsMulticast() {
			return []change{{group, b[0] == typeReportV2}}, false
		}
	case typeReportV3:
		n := int(binary.BigEndian.Uint16(b[6:]))
		for b = b[8:]; n > 0 && len(b) >= 8; n-- {
			sources := int(binary.BigEndian.Uint16(b[2:]))
			size := 8 + 4*sources + 4*int(b[1])
			if size > len(b) {
				return changes, false
			}
			group = netip.AddrFrom4([4]byte(b[4:8]))
			want := b[0] == modeIsExclude || b[0] == changeToExclude || b[0] == allowSources && sources > 0 ||
				b[0] == modeIsInclude && sources > 0 || b[0] == changeToInclude && sources > 0
			if group.IsMulticast() && b[0] >= modeIsInclude && b[0] <= allowSources {
				changes = append(changes, change{group, want})
			}
			b = b[size:]
		}
	}
	return changes, false
}

// queryMessage is a general query, version 3 (RFC 3376 §4.1): answers within a second, every is how often it comes, in
// seconds.
func queryMessage(every byte) []byte {
	b := []byte{typeQuery, 10, 0, 0, 0, 0, 0, 0, 2, every, 0, 0}
	binary.BigEndian.PutUint16(b[2:], packet.Checksum(b))
	return b
}
