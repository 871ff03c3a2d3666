package check

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Class is what a packet in the core is, from the point of view of somebody who must not see anything.
type Class int

// The classes of packets.
const (
	ESP            Class = iota // ESP between addresses of the protected range
	GDOI                        // UDP port 848 from or to a gateway
	ClearByPolicy               // clear between protected addresses, or of a gateway, where a line of the policy says deny
	Membership                  // IGMP of a gateway: it joins or leaves a multicast group for its rekeys
	GatewayICMP                 // ICMP error of a gateway about a GDOI datagram, as when a key server is dead
	SecretICMP                  // ICMP error of a core router about ESP, as when it has no way any more: what it quotes nobody can read
	Link                        // ARP, neighbour discovery and what else stays on a link
	Other                       // none of our business
	ClearProtected              // OFFENCE: clear where the policy says permit
	GatewayClear                // OFFENCE: a gateway's address outside GDOI
	ForeignESP                  // OFFENCE: ESP that does not carry host addresses
	PlaintextESP                // OFFENCE: ESP in which the traffic generator's mark can be read
	Malformed                   // OFFENCE: not even a packet
	classes
)

var classNames = [classes]string{"ESP", "GDOI", "clear by policy", "IGMP", "ICMP about GDOI", "ICMP about ESP", "link", "other",
	"CLEAR OF PROTECTED RANGE", "GATEWAY OUTSIDE GDOI", "ESP WITH FOREIGN ADDRESSES", "READABLE ESP", "MALFORMED"}

// String names the class in a report.
func (c Class) String() string { return classNames[c] }

// Offence says whether the class must never be seen.
func (c Class) Offence() bool { return c >= ClearProtected }

// Numbers of RFC 791, 792, 1112, 768, 9293, 4303, 6407.
const (
	protoICMP = 1
	protoIGMP = 2
	protoTCP  = 6
	protoUDP  = 17
	protoESP  = 50
	portGDOI  = 848
)

// Packet is what a capture knows about one packet. Payload aliases the capture's buffer: a tap must copy it.
type Packet struct {
	Time             time.Time
	Node             string
	Class            Class
	Src, Dst         netip.Addr
	Proto            uint8
	SrcPort, DstPort uint16
	SPI              uint32 // of ESP
	Len              int
	Payload          []byte // behind the UDP header
}

// String gives one line for a report.
func (p *Packet) String() string {
	s := fmt.Sprintf("%s at %s: %s > %s, protocol %d, %d octets", p.Time.Format("15:04:05.000"), p.Node, p.Src, p.Dst, p.Proto, p.Len)
	if p.Proto == protoTCP || p.Proto == protoUDP {
		s += fmt.Sprintf(", ports %d > %d", p.SrcPort, p.DstPort)
	}
	return s
}

// rules is what classification depends on.
type rules struct {
	protected []netip.Prefix
	policy    policy.List
	gateways  []netip.Addr
}

func rulesOf(s *scenario.Scenario) (rules, error) {
	r := rules{protected: s.Protected, gateways: s.Gateways()}
	for _, text := range s.Policy {
		rule, err := policy.ParseRule(text)
		if err != nil {
			return r, err
		}
		r.policy = append(r.policy, rule)
	}
	return r, nil
}

func (r *rules) isProtected(a netip.Addr) bool {
	return slices.ContainsFunc(r.protected, func(p netip.Prefix) bool { return p.Contains(a) })
}

// classify parses an IPv4 packet and fills p.
func (r *rules) classify(b []byte, p *Packet) {
	p.Len = len(b)
	header := 0
	if len(b) >= 20 {
		header = int(b[0]&0x0f) * 4
	}
	if header < 20 || b[0]>>4 != 4 || len(b) < header || int(binary.BigEndian.Uint16(b[2:])) > len(b) {
		p.Class = Malformed
		return
	}
	b = b[:max(header, int(binary.BigEndian.Uint16(b[2:])))]
	p.Proto = b[9]
	p.Src, p.Dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	r.judge(p, b[header:], binary.BigEndian.Uint16(b[6:])&0x1fff == 0)
}

// judge classifies what is behind the IP header; first is false for a later fragment, which has no ports.
func (r *rules) judge(p *Packet, body []byte, first bool) {
	if first && (p.Proto == protoTCP || p.Proto == protoUDP) && len(body) >= 8 {
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:])
		if p.Proto == protoUDP {
			p.Payload = body[8:]
		}
	}
	if p.Proto == protoESP && len(body) >= 4 {
		p.SPI = binary.BigEndian.Uint32(body)
	}
	p.Class = r.class(p, body)
	if !first && p.Class == GatewayClear && p.Proto == protoUDP && slices.Contains(r.gateways, p.Src) && slices.Contains(r.gateways, p.Dst) {
		// The rest of a long datagram between gateways: its first fragment has the ports and is judged by them.
		p.Class = GDOI
	}
}

func (r *rules) class(p *Packet, body []byte) Class {
	src, dst := r.isProtected(p.Src), r.isProtected(p.Dst)
	gateway := slices.Contains(r.gateways, p.Src) || slices.Contains(r.gateways, p.Dst)
	about, quoted := inError(p.Proto, body)
	switch {
	case p.Proto == protoESP && bytes.Contains(body, mark):
		return PlaintextESP
	case p.Proto == protoESP && src && dst:
		return ESP
	case p.Proto == protoESP:
		return ForeignESP
	case gateway && p.Proto == protoUDP && (p.SrcPort == portGDOI || p.DstPort == portGDOI):
		return GDOI
	case gateway && p.Proto == protoIGMP && p.Dst.IsMulticast():
		return Membership
	case gateway && about == protoUDP && (binary.BigEndian.Uint16(quoted) == portGDOI || binary.BigEndian.Uint16(quoted[2:]) == portGDOI):
		return GatewayICMP
	case !gateway && about == protoESP && !bytes.Contains(body, mark):
		return SecretICMP
	}
	action, line := r.policy.Lookup(policy.Packet{Src: p.Src, Dst: p.Dst, Proto: p.Proto, SrcPort: p.SrcPort, DstPort: p.DstPort})
	switch {
	case gateway && action == policy.Deny && line >= 0: // a line of the list names it, as routing between CE and PE
		return ClearByPolicy
	case gateway:
		return GatewayClear
	case action == policy.Permit, src && dst && len(r.policy) == 0:
		return ClearProtected
	case src && dst:
		return ClearByPolicy
	}
	return Other
}

// inError is what an ICMP error tells of the packet that it is about: its protocol, and at least four octets behind its header; 0 and nil
// when it is none.
func inError(proto uint8, body []byte) (about uint8, quoted []byte) {
	switch proto {
	case protoICMP:
		return inError4(body)
	case protoICMP6:
		return inError6(body)
	}
	return 0, nil
}

// inError4 knows those of RFC 792: destination unreachable, time exceeded, parameter problem.
func inError4(body []byte) (about uint8, quoted []byte) {
	if len(body) < 8+20+4 || (body[0] != 3 && body[0] != 11 && body[0] != 12) {
		return 0, nil
	}
	packet := body[8:]
	header := int(packet[0]&0x0f) * 4
	if header < 20 || len(packet) < header+4 {
		return 0, nil
	}
	return packet[9], packet[header:]
}
