package config

import (
	"fmt"
	"net/netip"
	"time"
)

// Rekey says how new keys reach the members.
type Rekey struct {
	Transport       string // unicast or multicast
	ActivationDelay time.Duration
	Retransmit      time.Duration // at most so long between repeats
	Retransmits     int
	Acknowledge     string    // sha256, sha512 or off: the form of RFC 8263 that members are asked for
	Multicast       Multicast // with transport multicast
}

// Multicast is where rekeys go that all members hear at once.
type Multicast struct {
	Address   netip.AddrPort // the group's
	TTL       int
	Interface string // empty: as the routing table says
}

// How far multicast goes unless the configuration says otherwise: more hops than a WAN has, and no further.
const defaultTTL = 32

func defaultRekey() Rekey {
	return Rekey{
		Transport: "unicast", ActivationDelay: 30 * time.Second, Retransmit: 10 * time.Second, Retransmits: 2, Acknowledge: "sha256",
		Multicast: Multicast{TTL: defaultTTL},
	}
}

func (d *decoder) rekey(v *value, r *Rekey) {
	var multicastAt *value
	d.object(v,
		opt("transport", d.oneOf(&r.Transport, "unicast", "multicast")),
		opt("activation-delay", d.seconds(&r.ActivationDelay, time.Second, maxActivationDelay)),
		opt("retransmit", d.duration(&r.Retransmit, 100*time.Millisecond, time.Hour)),
		opt("retransmits", d.integer(&r.Retransmits, 0, maxRetransmits)),
		opt("acknowledge", d.oneOf(&r.Acknowledge, "sha256", "sha512", "off")),
		opt("multicast", func(v *value) {
			multicastAt = v
			d.object(v,
				must("address", func(v *value) {
					d.endpoint(&r.Multicast.Address)(v)
					if a := r.Multicast.Address.Addr(); a.IsValid() && (!a.Is4() || !a.IsMulticast()) {
						d.fail(v, "%s is no IPv4 multicast group; use one of 239.0.0.0/8, which stays inside an organisation (RFC 2365)", a)
					} else if a.IsLinkLocalMulticast() {
						d.fail(v, "%s is not forwarded by routers; use one of 239.0.0.0/8", a)
					}
				}),
				opt("ttl", d.integer(&r.Multicast.TTL, 1, 255)),
				opt("interface", d.ifname(&r.Multicast.Interface)))
		}))
	switch {
	case r.Transport == "multicast" && multicastAt == nil:
		d.fail(v, "transport multicast takes multicast: {address: 239.x.y.z}")
	case r.Transport != "multicast" && multicastAt != nil:
		d.fail(multicastAt, "multicast: has no effect with transport %s; write transport: multicast, or leave it out", r.Transport)
	}
}

// String is the flow mapping of the file.
func (r Rekey) String() string {
	s := fmt.Sprintf("{transport: %s, activation-delay: %s, retransmit: %s, retransmits: %d, acknowledge: %s", r.Transport,
		short(r.ActivationDelay), short(r.Retransmit), r.Retransmits, r.Acknowledge)
	if r.Transport == "multicast" {
		s += fmt.Sprintf(", multicast: {address: %s, ttl: %d", r.Multicast.Address, r.Multicast.TTL)
		if r.Multicast.Interface != "" {
			s += ", interface: " + r.Multicast.Interface
		}
		s += "}"
	}
	return s + "}"
}
