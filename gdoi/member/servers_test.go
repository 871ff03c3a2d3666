package member

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
)

var ks3 = netip.MustParseAddrPort("10.0.0.3:848")

func TestOrderAsListed(t *testing.T) {
	list := []netip.AddrPort{ks3, ks1, ks2}
	if got := Order(list, nil, false, "gm1"); !slices.Equal(got, list) {
		t.Errorf("listed: %v", got)
	}
	want := []netip.AddrPort{ks1, ks3, ks2}
	if got := Order(list, func(i int) bool { return i == 1 }, false, "gm1"); !slices.Equal(got, want) {
		t.Errorf("with a preferred one: %v; want %v", got, want)
	}
}

// TestOrderSpreads: members spread evenly, those of a dead key server evenly over the rest, and all others stay.
func TestOrderSpreads(t *testing.T) {
	const members = 3000
	list := []netip.AddrPort{ks1, ks2, ks3}
	first, second := map[netip.AddrPort]int{}, map[netip.AddrPort]int{}
	for i := range members {
		id := fmt.Sprintf("172.16.%d.%d", i>>8, i&255)
		o := Order(list, nil, true, id)
		if again := Order([]netip.AddrPort{ks3, ks2, ks1}, nil, true, id); !slices.Equal(o, again) {
			t.Fatalf("%s: %v, or %v when listed otherwise", id, o, again)
		}
		without := slices.DeleteFunc(slices.Clone(o), func(ks netip.AddrPort) bool { return ks == ks1 })
		if rest := Order([]netip.AddrPort{ks2, ks3}, nil, true, id); !slices.Equal(rest, without) {
			t.Fatalf("%s: without ks1 %v; want %v", id, rest, without)
		}
		first[o[0]]++
		if o[0] == ks1 {
			second[o[1]]++
		}
		if p := Order(list, func(i int) bool { return i == 2 }, true, id); p[0] != ks3 {
			t.Fatalf("%s: the preferred key server is not the first of %v", id, p)
		}
	}
	for _, ks := range list {
		if n := first[ks]; n < members/3*9/10 || n > members/3*11/10 {
			t.Errorf("%d of %d members begin with %v; want a third ± 10 %%", n, members, ks)
		}
	}
	if a, b := second[ks2], second[ks3]; a < b*8/10 || b < a*8/10 {
		t.Errorf("those of ks1 would go to ks2 (%d) and ks3 (%d); want about half each", a, b)
	}
}

// TestDeadServersCostLittle: how long it takes until a key server is asked that is there.
func TestDeadServersCostLittle(t *testing.T) {
	b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2, ks3}})
	asked := func(what string, from time.Duration, want ...netip.AddrPort) {
		t.Helper()
		b.run(from)
		if !slices.Equal(b.d.asked, want) {
			t.Errorf("%s: asked %v; want %v", what, b.d.asked, want)
		}
		b.d.asked = nil
	}
	asked("at the start", time.Second, ks1)
	asked("ks1 is silent", impatience+3*DefaultBackoff/2, ks2)
	asked("ks2 too", impatience+3*DefaultBackoff/2, ks3)
	b.g.endExchange()
	b.grant(offer(0, []gdoi.SID{1}, 0x1001))
	if s := b.g.Snapshot(b.now); s.RegisteredWith != ks3 || !slices.Equal(s.Unreachable, []netip.AddrPort{ks1, ks2}) {
		t.Errorf("registered with %v, unreachable %v", s.RegisteredWith, s.Unreachable)
	}

	_, b.out = b.g.Reregister(b.now, b.out)
	asked("those that are known to be dead", time.Second, ks3)
	b.g.endExchange()
	b.grant(offer(0, []gdoi.SID{2}, 0x1001))
	b.run(unreachableFor)
	b.d.asked = nil
	_, b.out = b.g.Reregister(b.now, b.out)
	asked("after a while the first one again", time.Second, ks1)
	b.g.endExchange()
	b.grant(offer(0, []gdoi.SID{3}, 0x1001))
	if s := b.g.Snapshot(b.now); s.RegisteredWith != ks1 || len(s.Unreachable) != 0 {
		t.Errorf("registered with %v, unreachable %v", s.RegisteredWith, s.Unreachable)
	}

	// What another group, or dead peer detection, found out counts.
	b.out = b.g.ConnectFailed(b.now, ks1, &ike1.Error{Reason: ike1.ReasonDPD}, b.out)
	_, b.out = b.g.Reregister(b.now, b.out)
	asked("a session has died", time.Second, ks2)
	b.out = b.g.Connected(b.now, ks1, nil, b.out)
	if s := b.g.Snapshot(b.now); len(s.Unreachable) != 0 {
		t.Errorf("ks1 speaks again, and %v count as unreachable", s.Unreachable)
	}
}

// TestAllServersDead: none is forgotten, and the wait for one that comes back is bounded.
func TestAllServersDead(t *testing.T) {
	b := newBench(t, Config{KeyServers: []netip.AddrPort{ks1, ks2}})
	b.run(10 * time.Minute)
	n := map[netip.AddrPort]int{}
	for _, ks := range b.d.asked {
		n[ks]++
	}
	round := 2 * (2*impatience + 3*DefaultBackoffMax/2)
	if least := int(10*time.Minute/round) - 1; n[ks1] < least || n[ks2] < least {
		t.Errorf("asked %v in 10 minutes; want each at least %d times", n, least)
	}
	for i := range b.d.asked[1:] {
		if b.d.asked[i] == b.d.asked[i+1] {
			t.Fatalf("attempt %d goes to %v again", i+1, b.d.asked[i])
		}
	}
}
