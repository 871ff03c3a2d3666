package netcfg

import (
	"fmt"
	"syscall"
	"testing"

	"github.com/getvpn/getvpn/esp/engine"
)

// TestFragmentationPolicy: a host's packet that does not fit in ESP is cut where the policy says, or answered, and never lost;
// the receiver's kernel puts together what was cut after encryption.
func TestFragmentationPolicy(t *testing.T) {
	const fits = 1446
	l := newLab(t)
	l.run("h2", "echo", "10.2.2.2:7")
	for _, row := range []struct {
		cut        engine.Fragmentation
		df         engine.DFBit
		tun        int
		whole      bool // 1500 octets without DF arrive in ESP that was cut
		answered   bool // they draw ICMP
		dfAnswered bool // with DF
	}{
		{engine.FragmentBefore, engine.DFCopy, fits, false, false, true},
		{engine.FragmentAfter, engine.DFCopy, 1500, true, false, true},
		{engine.FragmentAfter, engine.DFClear, 1500, true, false, false},
		{engine.FragmentBefore, engine.DFClear, 1500, false, false, false},
		{engine.FragmentBefore, engine.DFSet, fits, false, false, true},
		{engine.FragmentNever, engine.DFCopy, 1500, false, true, true},
	} {
		t.Run(fmt.Sprintf("fragmentation %d DF %d", row.cut, row.df), func(t *testing.T) {
			l.in("h1", "ip", "route", "flush", "cache")
			var members []*proc
			for i, a := range []memberArg{memberOf("gm2", "10.2.2.1", 2), memberOf("gm1", "10.1.1.1", 1)} {
				a.Fragmentation, a.DF = row.cut, row.df
				members = append(members, l.run([]string{"gm2", "gm1"}[i], "member", a))
			}
			eventually(t, "the way is there", func() bool { return l.probe("h1", probeArg{Dst: "10.2.2.2:7", Count: 1, Wait: 500}).Received == 1 })
			if got := members[1].state().Net.TUNMTU; got != row.tun {
				t.Errorf("the TUN has an MTU of %d, want %d", got, row.tun)
			}
			for _, df := range []bool{false, true} {
				answered, whole := row.answered, row.whole
				if df {
					answered, whole = row.dfAnswered, !row.dfAnswered
				}
				before := l.reassembled("gm2")[0]
				r := l.probe("h1", probeArg{Dst: "10.2.2.2:7", Size: 1500, DF: df, Count: 3, Wait: 500})
				switch {
				case answered && (r.MTU != fits || df && r.Received != 0 || r.Received == 3): // without DF the host cuts once it knows
					t.Errorf("1500 octets, DF %v: want ICMP, %+v", df, r)
				case !answered && r.Received != 3:
					t.Errorf("1500 octets, DF %v: %+v", df, r)
				}
				if n := l.reassembled("gm2")[0] - before; (n > 0) != whole {
					t.Errorf("1500 octets, DF %v: gm2 put together %d packets", df, n)
				}
			}
			if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7", Size: fits, DF: true, Count: 3}); r.Received != 3 {
				t.Errorf("what fits: %+v", r)
			}
			if t.Failed() {
				t.Logf("gm1: %v", members[1].state().Engine["Drops"])
			}
			for _, m := range members {
				if err := m.signal(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
