package policy

import (
	"strconv"
	"strings"
)

// IP protocol numbers that the text form knows by name.
const (
	protoICMP    = 1
	protoIGMP    = 2
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoICMP6   = 58
	protoSCTP    = 132
	protoUDPLite = 136
)

// wordIPv6 is "ip" in a rule that is of IPv6: canonical text has "ip" and says any6, which every build reads.
const wordIPv6 = "ipv6"

type named struct {
	name   string
	number uint16
}

// protocols in order of preference: the first name of a number is the canonical one.
var protocols = []named{
	{"ip", 0}, {"icmp", protoICMP}, {"igmp", protoIGMP}, {"ipinip", 4}, {"tcp", protoTCP}, {"udp", protoUDP},
	{"dccp", protoDCCP}, {"gre", 47}, {"esp", 50}, {"ah", 51}, {"icmp6", protoICMP6}, {"eigrp", 88}, {"ospf", 89},
	{"pim", 103}, {"vrrp", 112}, {"l2tp", 115}, {"sctp", protoSCTP}, {"udplite", protoUDPLite},
	{"icmpv6", protoICMP6},
}

// ports have names on input only: a number is what every tool prints back.
var ports = []named{
	{"ftp", 21}, {"ssh", 22}, {"telnet", 23}, {"smtp", 25}, {"domain", 53}, {"http", 80}, {"ntp", 123},
	{"snmp", 161}, {"bgp", 179}, {"ldp", 646}, {"https", 443}, {"isakmp", 500}, {"syslog", 514}, {"rip", 520},
	{"gdoi", 848}, {"bfd", 3784}, {"nat-t", 4500},
}

func protocolName(p uint8) string {
	for _, n := range protocols {
		if n.number == uint16(p) {
			return n.name
		}
	}
	return strconv.Itoa(int(p))
}

func lookup(table []named, name string) (uint16, bool) {
	for _, n := range table {
		if n.name == name {
			return n.number, true
		}
	}
	return 0, false
}

func nameList(table []named) string {
	names := make([]string, len(table))
	for i, n := range table {
		names[i] = n.name
	}
	return strings.Join(names, " ")
}

func hasPorts(proto uint8) bool {
	switch proto {
	case protoTCP, protoUDP, protoDCCP, protoSCTP, protoUDPLite:
		return true
	}
	return false
}

func writePorts(b *strings.Builder, r PortRange) {
	n := func(v uint16) string { return strconv.Itoa(int(v)) }
	switch {
	case r.Any():
	case r.Single():
		b.WriteString(" eq " + n(r.Lo))
	case r.Lo == 0:
		b.WriteString(" lt " + n(r.Hi+1))
	case r.Hi == 65535:
		b.WriteString(" gt " + n(r.Lo-1))
	default:
		b.WriteString(" range " + n(r.Lo) + " " + n(r.Hi))
	}
}
