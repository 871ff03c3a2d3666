package packet

import "encoding/binary"

const (
	tcpHeaderLen = 20
	tcpSYN       = 0x02
)

// ClampMSS lowers the maximum segment size option (RFC 9293 §3.2) of a TCP SYN to mss, in place and with the checksum
// kept right, and says whether it changed anything. Whatever is not an unfragmented SYN with that option stays as it is.
func ClampMSS(pkt []byte, h *Header, mss uint16) bool {
	if h.Proto != ProtoTCP || h.Fragment() || h.TotalLen < h.HeaderLen+tcpHeaderLen {
		return false
	}
	tcp := pkt[h.HeaderLen:h.TotalLen]
	length := int(tcp[12]>>4) * 4
	if tcp[13]&tcpSYN == 0 || length < tcpHeaderLen || length > len(tcp) {
		return false
	}
	for at := tcpHeaderLen; at < length; {
		switch tcp[at] {
		case 0: // end of options
			return false
		case 1: // no-operation
			at++
			continue
		}
		if at+2 > length || tcp[at+1] < 2 || at+int(tcp[at+1]) > length {
			return false
		}
		if tcp[at] == 2 && tcp[at+1] == 4 {
			return lowerMSS(tcp, at+2, mss)
		}
		at += int(tcp[at+1])
	}
	return false
}

func lowerMSS(tcp []byte, at int, mss uint16) bool {
	if binary.BigEndian.Uint16(tcp[at:]) <= mss {
		return false
	}
	// The option may start at an odd octet, so its value may lie across two words of the checksum: update both.
	first := at &^ 1
	last := (at + 1) &^ 1
	check := binary.BigEndian.Uint16(tcp[16:])
	was1, was2 := binary.BigEndian.Uint16(tcp[first:]), binary.BigEndian.Uint16(tcp[last:])
	binary.BigEndian.PutUint16(tcp[at:], mss)
	check = UpdateChecksum(check, was1, binary.BigEndian.Uint16(tcp[first:]))
	if last != first {
		check = UpdateChecksum(check, was2, binary.BigEndian.Uint16(tcp[last:]))
	}
	binary.BigEndian.PutUint16(tcp[16:], check)
	return true
}
