package gm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/daemon/netcfg"
	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/tun"
)

// doctor prints one line for each thing that a member needs.
type doctor struct {
	w  io.Writer
	ok bool
}

func (d *doctor) say(good bool, what, format string, args ...any) {
	mark := "ok  "
	if !good {
		mark, d.ok = "FAIL", false
	}
	fmt.Fprintf(d.w, "%s %-14s %s\n", mark, what, fmt.Sprintf(format, args...))
}

// Doctor looks at the system with the eyes of this member, changes nothing, and says whether it could run.
func Doctor(c *config.GM, w io.Writer) bool {
	d := &doctor{w: w, ok: true}
	d.backend(c)
	d.capabilities()
	_, err := os.Stat("/dev/net/tun")
	d.say(err == nil, "/dev/net/tun", "%s", reason(err, "is there"))
	for _, name := range c.Interfaces.LAN {
		d.link("lan", name)
	}
	mtu := d.link("wan", c.Interfaces.WAN)
	if c.Interfaces.MTU != 0 {
		mtu = min(mtu, c.Interfaces.MTU)
	}
	if mtu > 0 {
		inner, inner6 := esp.AES256GCM.InnerMax(mtu, packet.IPv4HeaderLen), esp.AES256GCM.InnerMax(mtu, packet.IPv6HeaderLen)
		d.say(inner >= 576, "mtu", "%d on the WAN leaves %d for IPv4 and %d for IPv6 packets in ESP with AES-GCM", mtu, inner, inner6)
	}
	d.address(c)
	d.kernel(c)
	d.daemon(c)
	return d.ok
}

// backend says what a start would try. Which way to the WAN is possible shows only when it is opened.
func (d *doctor) backend(c *config.GM) {
	lan := nameVnet
	if c.Interfaces.DataPath == config.DataPathWater {
		lan = nameWater
	} else if err := tun.HasVnet(); err != nil {
		lan = fmt.Sprintf("%s (%v)", nameWater, err)
	}
	wan := map[string]string{
		config.DataPathAuto: "AF_XDP, else AF_PACKET, else raw sockets", config.DataPathXDP: "AF_XDP or nothing",
		config.DataPathPacket: "AF_PACKET or nothing", config.DataPathRaw: "raw sockets", config.DataPathWater: "raw sockets",
	}[c.Interfaces.DataPath]
	fmt.Fprintf(d.w, "     %-14s %s; %s; data-path: %s, workers: at most %d\n", "backend", lan, wan, c.Interfaces.DataPath, workers(c))
}

func reason(err error, good string) string {
	if err != nil {
		return err.Error()
	}
	return good
}

// capabilities that the data path and port 848 take.
func (d *doctor) capabilities() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		d.say(false, "capabilities", "%v", err)
		return
	}
	var eff uint64
	for line := range strings.Lines(string(status)) {
		if v, ok := strings.CutPrefix(line, "CapEff:"); ok {
			eff, err = strconv.ParseUint(strings.TrimSpace(v), 16, 64)
		}
	}
	if err != nil {
		d.say(false, "capabilities", "%v", err)
		return
	}
	for _, c := range []struct {
		bit  uint
		name string
		why  string
	}{
		{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "TUN, rules, routes, guard"},
		{unix.CAP_NET_RAW, "CAP_NET_RAW", "raw sockets for ESP"},
		{unix.CAP_NET_BIND_SERVICE, "CAP_NET_BIND", "port 848"},
	} {
		d.say(eff&(1<<c.bit) != 0, c.name, "for %s", c.why)
	}
}

func (d *doctor) link(role, name string) (mtu int) {
	l, err := net.InterfaceByName(name)
	if err != nil {
		d.say(false, role, "%s: %v", name, err)
		return 0
	}
	d.say(l.Flags&net.FlagUp != 0, role, "%s, MTU %d, %s", name, l.MTU, l.Flags)
	return l.MTU
}

// address finds whether the local addresses are of this machine.
func (d *doctor) address(c *config.GM) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		d.say(false, "local", "%v", err)
		return
	}
	gone := missing(c.Local, addrs)
	for _, e := range c.Local {
		if slices.Contains(gone, e.Addr().String()) {
			d.say(false, "local", "%s is not an address of this machine", e.Addr())
			continue
		}
		d.say(true, "local", "%s", e)
	}
}

// kernel shows what the kernel holds of ours now.
func (d *doctor) kernel(c *config.GM) {
	n, err := netcfg.New(netConfig(c, func(wan int) int { return wan }))
	if err != nil {
		d.say(false, "kernel", "%v", err)
		return
	}
	s, err := n.State()
	d.say(err == nil, "kernel", "%s", reason(err, "policy routing and nftables answer"))
	for _, r := range s.Rules {
		fmt.Fprintf(d.w, "     %-14s %s\n", "rule", r)
	}
	for _, r := range s.Routes {
		fmt.Fprintf(d.w, "     %-14s %s\n", "route", r)
	}
	guard := "none"
	if s.Guard != "" {
		guard = fmt.Sprintf("%s, %d packets dropped", s.Guard, s.GuardDrops)
		for _, reason := range slices.Sorted(maps.Keys(s.Drops)) {
			guard += fmt.Sprintf(", %s %d", reason, s.Drops[reason])
		}
	}
	fmt.Fprintf(d.w, "     %-14s %s\n", "guard", guard)
}

// daemon asks a running one for its state.
func (d *doctor) daemon(c *config.GM) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	s, err := client.New(c.Control).Snapshot(ctx)
	if err != nil {
		fmt.Fprintf(d.w, "     %-14s not running (%v)\n", "daemon", err)
		return
	}
	fmt.Fprintf(d.w, "     %-14s running, process %d\n", "daemon", s.PID)
	if s.GM == nil {
		d.say(false, "daemon", "%s is the socket of a key server", c.Control)
		return
	}
	fmt.Fprintf(d.w, "     %-14s %s\n", "in use", s.GM.DataPath.Backend)
	for _, text := range s.GM.DataPath.Slower {
		fmt.Fprintf(d.w, "     %-14s %s\n", "", text)
	}
	if r := s.GM.DataPath.Routers; r.Translated+r.Lowered > 0 {
		fmt.Fprintf(d.w, "     %-14s %d ICMP errors of routers passed on; path MTU lowered %d times, %d destinations now, the least %d\n",
			"path MTU", r.Translated, r.Lowered, r.Paths, r.Narrowest)
	}
	p := s.GM.DataPath
	d.say(p.Down == "", "data path", "%s, opened again %d times since the start", cmp.Or(p.Down, "runs"), p.Restarts)
	for _, g := range s.GM.Groups {
		fmt.Fprintf(d.w, "     %-14s %s: %s %s\n", "group", g.Name, g.State, g.StateReason)
	}
}

// ErrRunning refuses what must not be done under a running daemon.
var ErrRunning = errors.New("the daemon is running; stop it first")

// TakeDown removes what a daemon that is dead left in the kernel, the guard included: from then on protected traffic
// may leave in clear.
func TakeDown(c *config.GM) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if s, err := client.New(c.Control).Snapshot(ctx); err == nil {
		return fmt.Errorf("%w: process %d answers on %s", ErrRunning, s.PID, c.Control)
	}
	cfg := netConfig(c, func(wan int) int { return wan })
	cfg.KeepGuard = false
	n, err := netcfg.New(cfg)
	if err != nil {
		return err
	}
	return n.Down()
}
