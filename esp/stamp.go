package esp

import "encoding/binary"

// StampLen is what a time stamp costs: two octets that tell it from other padding, and the time.
const StampLen = 2 + 4

// stampMark begins a stamp. A peer of another make whose traffic flow confidentiality padding is six octets that begin
// with these would be taken for a member that stamps; zeros and counters do not.
const stampMark = 0xd7a5

// PutStamp writes the group's time behind an inner packet, before it is sealed with StampLen octets more. To everybody
// else it is padding that hides how long the packet is, which every receiver skips (RFC 4303 §2.7).
func PutStamp(b []byte, t uint32) {
	_ = b[StampLen-1]
	binary.BigEndian.PutUint16(b, stampMark)
	binary.BigEndian.PutUint32(b[2:], t)
}

// Stamp returns the time behind an inner packet that was opened; false if it has none.
func Stamp(payload []byte, next uint8) (t uint32, ok bool) {
	n, ok := innerLen(payload, next)
	if !ok || !stamped(payload, n) || len(payload) != n+StampLen {
		return 0, false
	}
	return binary.BigEndian.Uint32(payload[n+2:]), true
}

// stamped says whether a stamp may begin at n.
func stamped(b []byte, n int) bool {
	return n+StampLen <= len(b) && binary.BigEndian.Uint16(b[n:]) == stampMark
}

// innerLen is the length of an inner packet by its own header.
func innerLen(b []byte, next uint8) (n int, ok bool) {
	switch {
	case next == NextIPv4 && len(b) >= 20:
		return int(binary.BigEndian.Uint16(b[2:])), true
	case next == NextIPv6 && len(b) >= 40:
		return 40 + int(binary.BigEndian.Uint16(b[4:])), true
	}
	return 0, false
}
