package sim

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// TestBothFamilies: a group of both families, half of whose members speak IPv6 to the key server, through loss, crashes of
// members and of the key server, and a rekey of everything: no invariant is broken, no packet of either family is lost, and the
// same seed gives the same trace.
func TestBothFamilies(t *testing.T) {
	l, err := policy.ParseList("deny udp any6 eq 848 any6 eq 848\ndeny icmp6 any any\npermit ip 10.0.0.0/8 10.0.0.0/8\npermit ipv6 2001:db8::/32 2001:db8::/32")
	if err != nil {
		t.Fatal(err)
	}
	var packets []policy.Packet
	for _, text := range []string{"udp 10.1.1.1:5 > 10.1.2.2:6", "udp [2001:db8:1::1]:5 > [2001:db8:2::2]:6", "tcp [2001:db8:2::2]:7 > [2001:db8:1::1]:8", "icmp6 2001:db8:1::1 > 2001:db8:2::2"} {
		p, err := policy.ParsePacket(text)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, p)
	}
	g := quick
	g.Policy = l
	run := func(seed uint64) *Sim {
		s := New(Config{Seed: seed, Members: 6, Group: g, Network: wan, StartSpread: 3 * time.Second, Flows: packets, IPv6: true})
		over := map[bool]int{}
		s.Tap = func(from, to netip.AddrPort, _ []byte) {
			if from.Addr().Is4() != to.Addr().Is4() {
				t.Errorf("a datagram from %v to %v", from, to)
			}
			over[to.Addr().Is6()]++
		}
		s.After(100*time.Second, s.KS().Crash)
		s.After(101*time.Second, s.KS().Start)
		s.After(150*time.Second, func() { s.GM(2).Crash(); s.GM(2).Start() })
		s.After(200*time.Second, func() { s.KS().Do(gdoi.CmdRekey{Group: GroupName, KEK: true, ID: 1}) })
		s.Run(30 * time.Minute)
		want(t, s)
		wantAll(t, s)
		wantNoLoss(t, s)
		if over[true] < 100 || over[false] < 100 {
			t.Errorf("%d datagrams over IPv6, %d over IPv4", over[true], over[false])
		}
		return s
	}
	if a, b := run(1), run(1); a.TraceHash() != b.TraceHash() {
		t.Error("two runs with the same seed differ")
	}
}
