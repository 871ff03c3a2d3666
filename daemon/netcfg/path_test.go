package netcfg

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
)

func (l *lab) trace(node string, a traceArg) (hops []hop) {
	l.t.Helper()
	p := l.run(node, "trace", a)
	p.decode(&hops)
	_ = p.cmd.Wait()
	return hops
}

func from(hops []hop) (out []string) {
	for _, h := range hops {
		out = append(out, h.From)
	}
	return out
}

// TestTrace: a host sees through the group the routers that it sees without it, the last gateway by another address of it.
func TestTrace(t *testing.T) {
	l := newLab(t)
	l.run("h2", "echo", "10.2.2.2:7")
	clear := map[string][]string{}
	l.in("gm1", "sysctl", "-qw", "net.ipv4.ip_forward=1")
	l.in("gm2", "sysctl", "-qw", "net.ipv4.ip_forward=1")
	protos := []string{"udp", "icmp", "tcp"}
	for _, p := range protos {
		clear[p] = from(l.trace("h1", traceArg{Dst: "10.2.2.2:7", Proto: p, Size: 4}))
	}
	l.run("gm2", "member", memberOf("gm2", "10.2.2.1", 2))
	l.run("gm1", "member", memberOf("gm1", "10.1.1.1", 1))
	for _, p := range protos {
		got := from(l.trace("h1", traceArg{Dst: "10.2.2.2:7", Proto: p, Size: 4}))
		want := append([]string(nil), clear[p]...)
		if len(want) != 4 || want[1] != "10.0.1.2" {
			t.Fatalf("%s: without the group: %v", p, want)
		}
		want[2] = "10.2.2.1"
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: through the group %v, without %v", p, got, clear[p])
		}
	}
}

// TestNoBlackHole: whatever the width of the WAN and of a link in the core behind it, UDP of every size arrives, or draws
// an ICMP error that is right; TCP arrives.
func TestNoBlackHole(t *testing.T) {
	l := dualLab(t)
	for _, e := range [][2]string{{"h1", "eth0"}, {"gm1", "lan0"}, {"gm2", "lan0"}, {"h2", "eth0"}} {
		l.in(e[0], "ip", "link", "set", e[1], "mtu", "9000")
	}
	l.run("h1", "stream", "listen [::]:9")
	l.run("h2", "stream", "listen [::]:9")
	l.run("h2", "echo", "10.2.2.2:7 [2001:db8:2::2]:7")
	for _, row := range []struct{ wan, core int }{
		{1500, 1500}, {1500, 1400}, {1500, 1280}, {1500, 700}, {1400, 1400}, {1280, 1280}, {1340, 1300}, {9000, 9000}, {9000, 1500}, {9000, 1280},
	} {
		t.Run(fmt.Sprintf("WAN %d core %d", row.wan, row.core), func(t *testing.T) {
			l.widths(row.wan, row.core)
			gm2 := l.run("gm2", "member", dualMember("gm2", "10.2.2.1", 2))
			gm1 := l.run("gm1", "member", dualMember("gm1", "10.1.1.1", 1))
			eventually(t, "the way is there, in both versions", func() bool {
				return l.probe("h1", probeArg{Dst: "10.2.2.2:7", Count: 1, Wait: 500}).Received+l.probe("h1", probeArg{Dst: "[2001:db8:2::2]:7", Count: 1, Wait: 500}).Received == 2
			})
			before := l.reassembled("gm2")
			fits := esp.AES256GCM.InnerMax(min(row.wan, row.core), packet.IPv4HeaderLen)
			fits6 := max(esp.AES256GCM.InnerMax(min(row.wan, row.core), packet.IPv6HeaderLen), packet.IPv6MinMTU)
			l.sweeps(t, "10.2.2.2:7", fits, false)
			if n := l.reassembled("gm2"); (n[0] > before[0]) != (row.core < row.wan) {
				t.Errorf("gm2 put together %d IPv4 packets", n[0]-before[0])
			}
			l.streams(t, "10.1.1.2:9", "10.2.2.2:9")
			l.sweeps(t, "10.2.2.2:7", fits, true)
			if row.core >= packet.IPv6MinMTU {
				l.sweeps(t, "[2001:db8:2::2]:7", fits6, false)
				l.streams(t, "[2001:db8:1::2]:9", "[2001:db8:2::2]:9")
				l.sweeps(t, "[2001:db8:2::2]:7", fits6, true)
			}
			if t.Failed() {
				t.Logf("gm1: %v\ngm2: %v", gm1.state().Engine["Drops"], gm2.state().Engine["Drops"])
			}
			for _, gm := range []*proc{gm1, gm2} {
				if err := gm.signal(syscall.SIGTERM); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// widths sets the MTU of the members' WAN links, and that of the core behind them.
func (l *lab) widths(wan, core int) {
	for _, e := range [][2]string{{"gm1", "wan0"}, {"p1", "p10"}, {"p1", "p11"}, {"gm2", "wan0"}} {
		l.in(e[0], "ip", "link", "set", e[1], "mtu", strconv.Itoa(wan))
	}
	for _, r := range [][2]string{{"10.1.0.0/16", "10.0.1.1"}, {"10.2.0.0/16", "10.0.2.1"}} {
		l.in("p1", "ip", "route", "replace", r[0], "via", r[1], "mtu", "lock", strconv.Itoa(core))
	}
	for _, r := range [][2]string{{"2001:db8:1::/64", "2001:db8:f1::1"}, {"2001:db8:2::/64", "2001:db8:f2::1"}} {
		l.in("p1", "ip", "-6", "route", "replace", r[0], "via", r[1], "mtu", strconv.Itoa(max(core, packet.IPv6MinMTU)))
	}
	for _, n := range []string{"h1", "gm1", "p1", "gm2", "h2"} { // what was learned
		l.in(n, "ip", "route", "flush", "cache")
		l.in(n, "ip", "-6", "route", "flush", "cache")
	}
}

// sweeps sends UDP of many sizes from h1, of which those of at most fits octets pass as they are.
func (l *lab) sweeps(t *testing.T, dst string, fits int, df bool) {
	t.Helper()
	v6 := strings.HasPrefix(dst, "[")
	sizes := []int{fits - 1, fits, fits + 1, fits + 8, 600, 1280, 1281, 1400, 1446, 1447, 1500, 2000, 4000, 8946, 8999, 9000}
	p := l.run("h1", "sweep", sweepArg{Dst: dst, Sizes: sizes, DF: df})
	var got []swept
	p.decode(&got)
	_ = p.cmd.Wait()
	for i, s := range got {
		last := s.Sizes[len(s.Sizes)-1]
		switch {
		case !s.Answered:
			t.Errorf("%s, DF %v: %d octets: nobody answered %v", dst, df, sizes[i], s.Sizes)
		case !v6 && !df && len(s.Sizes) > 1:
			t.Errorf("%s: %d octets without DF arrived only at the %d. attempt", dst, last, len(s.Sizes))
		case df && last != min(sizes[i], fits):
			t.Errorf("%s: %d octets with DF: sent %v, %d fit", dst, sizes[i], s.Sizes, fits)
		}
	}
}

func (l *lab) streams(t *testing.T, h1, h2 string) {
	t.Helper()
	for _, s := range [][2]string{{"h1", h2}, {"h2", h1}} {
		p := l.run(s[0], "stream", "send "+s[1]+" 400000")
		var ok bool
		if p.decode(&ok); !ok {
			t.Errorf("TCP from %s to %s: what arrived is not what was sent", s[0], s[1])
		}
		_ = p.cmd.Wait()
	}
}

// reassembled is how many packets a node's kernel put together from fragments, IPv4 and IPv6.
func (l *lab) reassembled(node string) (n [2]int) {
	l.t.Helper()
	lines := strings.Split(l.in(node, "cat", "/proc/net/snmp"), "\n")
	for i, name := range strings.Fields(lines[0]) {
		if name == "ReasmOKs" {
			n[0], _ = strconv.Atoi(strings.Fields(lines[1])[i])
		}
	}
	for line := range strings.Lines(l.in(node, "cat", "/proc/net/snmp6")) {
		if f := strings.Fields(line); f[0] == "Ip6ReasmOKs" {
			n[1], _ = strconv.Atoi(f[1])
		}
	}
	return n
}
