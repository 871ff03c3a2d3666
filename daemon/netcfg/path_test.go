package netcfg

import (
	"reflect"
	"testing"
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
