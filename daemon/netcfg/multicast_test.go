package netcfg

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/daemon/mcast"
)

func init() {
	roles["mrouter"], roles["listen"], roles["mprobe"] = mrouterRole, listenRole, mprobeRole
}

// mrouterRole is a core router with an IGMP proxy: what is joined downstream is joined upstream, and flows down.
func mrouterRole(arg string) error {
	up, down, _ := strings.Cut(arg, " ")
	any4 := netip.MustParsePrefix("0.0.0.0/0")
	r, err := mcast.Start(mcast.Config{LAN: []string{down}, WAN: up, TUN: up}, []mcast.Permit{{Src: any4, Dst: anyMulticast}})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString(0)
	return r.Close()
}

// listenRole joins a group and counts datagrams to port 7 until its input ends.
func listenRole(group string) error {
	ifi, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	c, err := net.ListenMulticastUDP("udp4", ifi, &net.UDPAddr{IP: net.ParseIP(group), Port: 7})
	if err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0) }) // only this group's
	if err != nil {
		return err
	}
	fmt.Println("ready")
	n := 0
	go func() {
		b := make([]byte, 2048)
		for {
			if _, _, err := c.ReadFromUDP(b); err != nil {
				return
			}
			n++
			_, _ = fmt.Fprintln(os.Stdout, n)
		}
	}()
	_, _ = bufio.NewReader(os.Stdin).ReadString(0)
	return c.Close()
}

type mprobeArg struct {
	Group string
	Count int
}

// mprobeRole sends datagrams to port 7 of a group.
func mprobeRole(arg string) error {
	var a mprobeArg
	if err := json.Unmarshal([]byte(arg), &a); err != nil {
		return err
	}
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.ParseIP(a.Group), Port: 7})
	if err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	_ = raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 16) })
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for range a.Count {
		if _, err := c.Write(make([]byte, 100)); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// TestMulticast: a host joins a group, which its member joins in the core; what another member's host sends there crosses
// the core as ESP to the group, and arrives.
func TestMulticast(t *testing.T) {
	l := newLab(t)
	rules := append([]string{"permit ip 10.0.0.0/8 232.0.0.0/8"}, groupRules...)
	for i, n := range [][2]string{{"gm1", "10.1.1.1"}, {"gm2", "10.2.2.1"}} {
		a := memberOf(n[0], n[1], uint32(i+1))
		a.Rules = rules
		m := l.run(n[0], "member", a)
		defer func() {
			if err := m.signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			if vifs := l.in(n[0], "cat", "/proc/net/ip_mr_vif"); strings.Count(vifs, "\n") != 1 {
				t.Errorf("left behind: %s", vifs)
			}
		}()
	}
	l.run("p1", "mrouter", "p10 p11")
	joined := l.run("h2", "listen", "232.1.1.1")
	stranger := l.run("h2", "listen", "239.1.1.1") // not in the policy
	eventually(t, "the core has heard of it", func() bool { return strings.Contains(l.in("p1", "cat", "/proc/net/igmp"), "010101E8") })
	const count = 100
	seen := l.captured(func() {
		for _, g := range []string{"232.1.1.1", "232.1.1.2", "239.1.1.1"} {
			p := l.run("h1", "mprobe", mprobeArg{g, count})
			_ = p.cmd.Wait()
		}
		var n int
		for n < count {
			joined.decode(&n)
		}
	})
	want := map[string]int{"10.1.1.2>232.1.1.1 50": count, "10.1.1.2>232.1.1.2 50": count}
	for k := range seen {
		if strings.HasSuffix(k, " 2") { // IGMP
			delete(seen, k)
		}
	}
	if d := cmp.Diff(want, seen); d != "" {
		t.Errorf("seen in the core: %s", d)
	}
	_ = stranger.in.Close()
	if line, err := stranger.out.ReadString('\n'); err == nil {
		t.Errorf("a group that no policy names got %s packets", line)
	}
}

func TestMulticastPermits(t *testing.T) {
	g := func(rules ...string) Group { return Group{Rules: mustList(t, rules...)} }
	before := g("permit ip 10.1.0.0/16 239.0.0.0/8")
	next := g("permit ip any any", "deny ip any host 232.1.1.1", "permit udp 10.0.0.0/8 232.0.0.0/8")
	next.before = &before
	var got []string
	for _, p := range multicast([]Group{g("permit ip any 10.0.0.0/8"), next, g("permit tcp 10.0.0.0/8 232.0.0.0/8")}) {
		got = append(got, p.Src.String()+" "+p.Dst.String())
	}
	if d := cmp.Diff([]string{"10.0.0.0/8 232.0.0.0/8", "10.1.0.0/16 239.0.0.0/8"}, got); d != "" {
		t.Error(d)
	}
}
