package netcfg

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTwoMembersIPv6(t *testing.T) {
	l := dualLab(t)
	l.run("h2", "echo", "[2001:db8:2::2]:7 [2001:db8:2::2]:7777 10.2.2.2:7")
	l.run("h2", "stream", "listen [2001:db8:2::2]:80")
	l.run("gm2", "echo", "[2001:db8:2::1]:7")
	gm1 := l.run("gm1", "member", dualMember("gm1", "10.1.1.1", 1))
	gm2 := l.run("gm2", "member", dualMember("gm2", "10.2.2.1", 2))
	const hosts = "2001:db8:1::2-2001:db8:2::2"
	t.Run("ping, UDP and TCP, both versions at once", func(t *testing.T) {
		onlyESP(t, l.captured(func() {
			four := l.run("h1", "probe", probeArg{Dst: "10.2.2.2:7", Count: 50, Wait: 1000})
			if n := l.ping("h1", pingArg{Dst: "2001:db8:2::2", Size: 56, Count: 20, Wait: 1000}); n != 20 {
				t.Errorf("%d echo replies", n)
			}
			if r := l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:7", Count: 50}); r.Received != 50 {
				t.Errorf("%+v", r)
			}
			var whole bool
			if l.run("h1", "stream", "send [2001:db8:2::2]:80 3000000").decode(&whole); !whole {
				t.Error("TCP")
			}
			var r probeResult
			if four.decode(&r); r.Received != 50 {
				t.Errorf("IPv4 meanwhile: %+v", r)
			}
		}), hosts, "10.1.1.2-10.2.2.2")
	})
	t.Run("own traffic", func(t *testing.T) {
		onlyESP(t, l.captured(func() {
			if r := l.probe("gm1", probeArg{Dst: "[2001:db8:2::2]:7"}); r.Received != 5 || r.Source != "2001:db8:1::1" {
				t.Errorf("source not said: %+v", r)
			}
			if r := l.probe("h1", probeArg{Dst: "[2001:db8:2::1]:7"}); r.Received != 5 {
				t.Errorf("host to the other member: %+v", r)
			}
		}), "2001:db8:1::1-2001:db8:2::2", "2001:db8:1::2-2001:db8:2::1")
	})
	t.Run("denied", func(t *testing.T) {
		seen := l.captured(func() {
			if r := l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:7777"}); r.Received != 5 {
				t.Errorf("%+v", r)
			}
		})
		if seen["2001:db8:1::2>2001:db8:2::2 17/7777"] != 5 {
			t.Errorf("not in clear: %v", seen)
		}
	})
	t.Run("opened but not for the LAN", func(t *testing.T) {
		seen := l.captured(func() { l.probe("h2", probeArg{Dst: "[2001:db8:9::9]:7", Count: 2, Wait: 50}) })
		for k := range seen {
			if !strings.HasSuffix(k, " 50") {
				t.Errorf("a decrypted packet went back to the WAN: %v", seen)
			}
		}
	})
	t.Run("MTU", func(t *testing.T) {
		if r := l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:7", Size: 1500, DF: true, Count: 2, Wait: 200}); r.Received != 0 || r.MTU != 1426 {
			t.Errorf("1500, which nobody may cut: %+v", r)
		}
		if r := l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:7", Size: 1426, DF: true}); r.Received != 5 {
			t.Errorf("1426: %+v", r)
		}
		onlyESP(t, l.captured(func() {
			l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:7", Size: 4000, Count: 2, Wait: 100}) // the far host learns the MTU, too
			if r := l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:7", Size: 4000}); r.Received != 5 {
				t.Errorf("4000, cut by the host: %+v", r)
			}
		}), hosts)
	})
	t.Run("the narrowest WAN", func(t *testing.T) {
		for _, side := range [][2]string{{"p1", "p10"}, {"gm1", "wan0"}, {"p1", "p11"}, {"gm2", "wan0"}} {
			l.in(side[0], "ip", "link", "set", side[1], "mtu", "1280")
		}
		eventually(t, "the TUN follows, as far as IPv6 lets it", func() bool { return gm1.state().Net.TUNMTU == 1280 && gm2.state().Net.TUNMTU == 1280 })
		if r := l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:7", Size: 1280, DF: true}); r.Received != 5 {
			t.Errorf("1280, sealed and cut: %+v", r)
		}
		if r := l.probe("h1", probeArg{Dst: "10.2.2.2:7", Size: 1280}); r.Received != 5 {
			t.Errorf("IPv4: %+v", r)
		}
	})
	t.Run("SIGKILL under traffic", func(t *testing.T) {
		onlyESP(t, l.captured(func() {
			traffic := l.run("h1", "probe", probeArg{Dst: "[2001:db8:2::2]:7", Count: 100, Wait: 10, Gap: 8})
			time.Sleep(300 * time.Millisecond) // traffic flows
			_ = gm1.signal(syscall.SIGKILL)
			var r probeResult
			if traffic.decode(&r); r.Received == 0 || r.Received == 100 {
				t.Errorf("the kill did not fall into the traffic: %+v", r)
			}
		}), hosts)
	})
	if s := gm2.state(); s.Drops[countInward] != 0 || s.Drops[countOutward] != 0 {
		t.Errorf("dropped by the guard: %v", s.Drops)
	}
}
