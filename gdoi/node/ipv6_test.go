package node

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/policy"
)

var (
	ks6 = netip.MustParseAddrPort("[2001:db8::1]:848")
	gm6 = netip.MustParseAddrPort("[2001:db8:1:6::1]:848")
)

// both is a group of IPv4 and IPv6 under one SA, whose members speak either.
func both(t testing.TB) keyserver.Config {
	c := blue(t)
	c.Authorise = append(c.Authorise, policy.AuthRule{Prefix: netip.MustParsePrefix("2001:db8:1::/48")})
	c.Policy = append(c.Policy, accessList(t, "deny udp any6 eq 848 any6 eq 848\npermit ipv6 2001:db8::/32 2001:db8::/32")...)
	return c
}

// dualStack is a key server of two addresses.
func (w *world) dualStack(limits Limits, groups ...keyserver.Config) *KeyServer {
	n, err := NewKeyServer(seeded(0), KSConfig{Local: ksAddr, Other: ks6, Phase1: phase1(rightPSK), Groups: groups, Limits: limits}, nil)
	w.add(ksAddr, n, err)
	w.nodes[ks6] = n // one machine: the first address is in the order
	return n
}

func from6(ks netip.AddrPort) member.Config {
	return member.Config{Name: "blue", ID: blueID, KeyServers: []netip.AddrPort{ks}}
}

// TestEitherFamily: one member registers over IPv4 and one over IPv6; both hold the same keys and list, get rekeys at the
// address that they registered from, and acknowledge them. Who is authorised by neither prefix gets nothing.
func TestEitherFamily(t *testing.T) {
	w := newWorld(t)
	ks := w.dualStack(Limits{}, both(t))
	a, b := w.member(gm1, rightPSK), w.member(gm6, rightPSK, from6(ks6))
	stranger := netip.MustParseAddrPort("[2001:db8:2::1]:848")
	c := w.member(stranger, rightPSK, from6(ks6))
	w.run(time.Minute)
	for range 3 {
		w.step(ksAddr, gdoi.CmdRekey{Group: "blue"})
		w.run(time.Minute)
	}
	s, ga, gb, gc := ks.Snapshot(w.now), a.Snapshot(w.now).Groups[0], b.Snapshot(w.now).Groups[0], c.Snapshot(w.now).Groups[0]
	if ga.State != member.Registered || gb.State != member.Registered || gc.State.HoldsKeys() || gc.AuthFailure == "" {
		t.Fatalf("IPv4 %v, IPv6 %v, stranger %v (%s)", ga.State, gb.State, gc.State, gc.AuthFailure)
	}
	if !ga.Policy.Equal(gb.Policy) || len(ga.Policy) != 4 || ga.TEKs[len(ga.TEKs)-1].SPI != gb.TEKs[len(gb.TEKs)-1].SPI {
		t.Errorf("they differ: %v %v, %v %v", ga.Policy, ga.TEKs, gb.Policy, gb.TEKs)
	}
	if len(s.Groups[0].Members) != 2 {
		t.Fatalf("%d members", len(s.Groups[0].Members))
	}
	for _, m := range s.Groups[0].Members {
		if m.Addr != gm1 && m.Addr != gm6 || m.Identity != m.Addr.Addr().String() || m.Missed != 0 || m.LastSeq == 0 || m.AckedSeq != m.LastSeq {
			t.Errorf("member %+v", m)
		}
	}
	w.step(gm6, gdoi.CmdStop{})
	w.run(time.Second)
	for _, d := range w.log {
		if d.Local.Addr().Is4() != d.Remote.Addr().Is4() {
			t.Errorf("a datagram from %v to %v", d.Remote, d.Local)
		}
	}
}

// TestFailoverBetweenFamilies: a member with an address of each family goes from a key server that is silent over IPv6 to
// the same one over IPv4.
func TestFailoverBetweenFamilies(t *testing.T) {
	w := newWorld(t)
	w.dualStack(Limits{}, both(t))
	n, err := NewGroupMember(seeded(9), GMConfig{Local: gm6, Other: gm2, Phase1: phase1(rightPSK),
		Groups: []member.Config{{Name: "blue", ID: blueID, KeyServers: []netip.AddrPort{ks6, ksAddr}}}})
	w.add(gm6, n, err)
	w.nodes[gm2] = n
	w.lose = func(d machine.Datagram) bool { return d.Remote.Addr().Is6() }
	w.run(2 * time.Minute)
	if s := n.Snapshot(w.now).Groups[0]; s.State != member.Registered || s.RegisteredWith != ksAddr {
		t.Errorf("%v at %v", s.State, s.RegisteredWith)
	}
}

// TestOneSiteIsOneSource: whoever has a /64 has 2^64 addresses, and all of them are one source to the limits of strangers.
func TestOneSiteIsOneSource(t *testing.T) {
	w := newWorld(t)
	ks := w.dualStack(Limits{HalfOpen: 50, HalfOpenPerSource: 10}, both(t))
	w.member(gm6, rightPSK, from6(ks6))
	w.step(gm6, machine.Timeout{})
	first := long(t, w.log[0].Bytes)
	w.queue = nil
	for i := range uint32(1000) {
		a := netip.MustParseAddr("2001:db8:bad::").As16()
		binary.BigEndian.PutUint32(a[12:], i)
		binary.BigEndian.PutUint32(first, i+1)
		w.step(ksAddr, machine.Datagram{Local: ks6, Remote: netip.AddrPortFrom(netip.AddrFrom16(a), 848), Bytes: first})
	}
	if n := ks.halfOpen.len(); n != 10 || len(ks.halfOpen.sources) != 1 {
		t.Errorf("%d negotiations of %d sources; want 10 of 1", n, len(ks.halfOpen.sources))
	}
	w.queue = nil
	w.run(time.Minute)
	if g := ks.Snapshot(w.now).Groups[0]; len(g.Members) != 1 {
		t.Errorf("a member of another site is kept out: %+v", g.Members)
	}
}
