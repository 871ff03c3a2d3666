package node

import (
	"net/netip"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestJoinOfThousand: a key server that comes back with nothing has the state of a thousand members, and serves, soon after
// it has found the primary, on a path that loses some.
func TestJoinOfThousand(t *testing.T) {
	f := newFleet(t, 0, coop.FastTimers, nil)
	f.servers[2].dead, f.servers[2].disk = true, map[string]machine.Record{}
	f.run(2 * time.Second)
	p := f.settled()
	const members = 1000
	for i := range members {
		peer := keyserver.Peer{
			Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, byte(i >> 8), byte(i)}), 848), IDType: uint8(isakmp.IDIPv4Addr), GetVPN: true,
		}
		peer.Identity = peer.Addr.Addr().String()
		_, out, err := p.group().Policy(f.now, peer, nil)
		f.must(err)
		_, _, out, err = p.group().Register(f.now, peer, 1, p.group().Version(), out)
		f.must(err)
		f.do(p.addr, out)
		if i%50 == 0 {
			f.run(10 * time.Millisecond)
		}
	}
	f.run(time.Second)
	n := 0
	f.lose = func(machine.Datagram) bool { n++; return n%100 == 0 }
	began := f.now.Mono
	f.boot(f.servers[2])
	for !f.info(f.servers[2]).Ready && f.now.Mono.Sub(began) < time.Minute {
		f.run(10 * time.Millisecond)
	}
	took := f.now.Mono.Sub(began)
	s := f.servers[2].n.peer(p.id).link.Stats(f.now)
	t.Logf("%d members in %v; %d octets in %d datagrams between all", members, took, s.BytesRecv, n)
	if took > 2*time.Second {
		t.Errorf("took %v; want 2 s", took)
	}
	if got := len(f.servers[2].n.Snapshot(f.now).Groups[0].Members); got != members {
		t.Errorf("it has %d members", got)
	}
	f.settled()
}
