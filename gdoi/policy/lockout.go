package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

const (
	gdoiPort = 848
	sshPort  = 22
)

// service is traffic that runs the network itself: between devices of which some hold no traffic keys.
type service struct {
	name  string
	proto uint8
	port  uint16 // of the destination; 0 for protocols without
	both  bool   // the source has the same port
	group string // where it goes to when it is multicast
	level Level  // when the permit is for any address, or for the group
}

// services in order of importance.
var services = []service{
	{name: "GDOI", proto: protoUDP, port: gdoiPort, both: true, level: Warning},
	{name: "SSH", proto: protoTCP, port: sshPort, level: Warning},
	{name: "OSPF", proto: 89, group: "224.0.0.5", level: Warning},
	{name: "EIGRP", proto: 88, group: "224.0.0.10", level: Warning},
	{name: "PIM", proto: 103, group: "224.0.0.13", level: Warning},
	{name: "BGP", proto: protoTCP, port: 179, level: Warning},
	{name: "BFD", proto: protoUDP, port: 3784, level: Warning},
	{name: "multihop BFD", proto: protoUDP, port: 4784, level: Warning},
	{name: "NTP", proto: protoUDP, port: 123, level: Hint},
	{name: "syslog", proto: protoUDP, port: 514, level: Hint},
}

// rule is the service's traffic as a rule, to any place of the other's family.
func (s service) rule(like Rule) Rule {
	r := Rule{Action: Deny, Proto: s.proto, Src: any4, Dst: any4, SrcPorts: AnyPort, DstPorts: AnyPort}
	if !like.Src.Addr().Is4() {
		r.Src, r.Dst = any6, any6
	}
	if s.group != "" && like.Dst.Addr().Is4() && multicast(like.Dst) {
		r.Dst = netip.PrefixFrom(netip.MustParseAddr(s.group), 32)
	}
	if s.port != 0 {
		r.DstPorts = PortRange{s.port, s.port}
	}
	if s.both {
		r.SrcPorts = r.DstPorts
	}
	return r
}

func (s service) String() string {
	if s.port == 0 {
		return s.name
	}
	return fmt.Sprintf("%s (%s %d)", s.name, protocolName(s.proto), s.port)
}

// lockOut: a permit that encrypts what keeps the network running, and that no earlier rule exempts. Each service is
// reported once, at the first such permit.
func (j *judge) lockOut(i int) {
	r := j.all[i]
	if r.Action != Permit {
		return
	}
	found := map[Level][]service{}
	for _, s := range services {
		if multicast(r.Src) || multicast(r.Dst) && s.group == "" || !s.rule(r).reaches(r, j.all[:i]) {
			continue
		}
		server, known := j.server(s, i)
		key := s.name
		if !r.Src.Addr().Is4() {
			key += "6"
		}
		if known {
			key += server.String()
		}
		if j.told[key] {
			continue
		}
		j.told[key] = true
		switch {
		case s.port == gdoiPort:
			j.say(i, Warning, CodeLockOut, "%s encrypts GDOI itself; put %q before it", r, s.rule(r))
		case known:
			j.say(i, Warning, CodeLockOut, "%s encrypts %s to the key server %s, which holds no traffic keys; put %s before it", r, s, server, exempt(s, r))
		case s.everywhere(r):
			found[s.level] = append(found[s.level], s)
		default:
			found[Hint] = append(found[Hint], s)
		}
	}
	for _, level := range []Level{Warning, Hint} {
		if len(found[level]) == 0 {
			continue
		}
		var names []string
		for _, s := range found[level] {
			names = append(names, s.String())
		}
		why := "gateways speak it with devices that cannot decrypt"
		if level == Hint {
			why = "if devices outside of the group have addresses of these prefixes"
		}
		j.say(i, level, CodeLockOut, "%s encrypts %s; %s, put denies before it, as %s", r, strings.Join(names, ", "), why, exempt(found[level][0], r))
	}
}

// exempt is the rules that keep a service in clear.
func exempt(s service, like Rule) string {
	r := s.rule(like)
	if r.Mirror() != r {
		return fmt.Sprintf("%q and its mirror", r)
	}
	return fmt.Sprintf("%q", r)
}

// everywhere says whether a permit takes the service wherever it goes.
func (s service) everywhere(r Rule) bool {
	if s.group != "" && r.Dst.Addr().Is4() {
		return r.Dst.Contains(netip.MustParseAddr(s.group))
	}
	return r.Dst.Bits() == 0
}

// server finds a key server to which rule i encrypts SSH, as which all of its management is taken.
func (j *judge) server(s service, i int) (netip.Addr, bool) {
	if s.port != sshPort {
		return netip.Addr{}, false
	}
	k := slices.IndexFunc(j.around.Servers, func(a netip.Addr) bool {
		a = a.Unmap()
		to := s.rule(j.all[i])
		if a.Is4() != to.Dst.Addr().Is4() {
			return false
		}
		to.Dst = netip.PrefixFrom(a, a.BitLen())
		return to.reaches(j.all[i], j.all[:i])
	})
	if k < 0 {
		return netip.Addr{}, false
	}
	return j.around.Servers[k].Unmap(), true
}
