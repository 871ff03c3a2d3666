package netcfg

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/esp/packet"
	"github.com/getvpn/getvpn/esp/pipeline"
	"github.com/getvpn/getvpn/esp/spd"
	"github.com/getvpn/getvpn/esp/tun"
	"github.com/getvpn/getvpn/esp/wire"
	"github.com/getvpn/getvpn/gdoi/policy"
)

// The test binary is also what runs inside the namespaces, see run in netns_test.go.
const roleEnv, argEnv = "GETVPN_NETCFG_ROLE", "GETVPN_NETCFG_ARG"

var roles = map[string]func(arg string) error{"echo": echoRole, "probe": probeRole, "capture": captureRole, "ping": pingRole, "stream": streamRole, "send": sendRole}

func TestMain(m *testing.M) {
	roles["member"], roles["many"], roles["trace"], roles["sweep"] = memberRole, manyRole, traceRole, sweepRole
	if role, ok := roles[os.Getenv(roleEnv)]; ok {
		if err := role(os.Getenv(argEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// memberArg is a group member with static keys.
type memberArg struct {
	Name       string
	SID        uint32
	Rules      []string
	Registered bool
	FailOpen   bool
	Gateway    string
	Protect6   bool           // 2001:db8::/32 too, while not registered
	Saved      string         // Config.Saved
	Mode       string         // as gdoi.Mode's words; empty: full
	Second     []netip.Prefix // what a second group, red, protects

	Fragmentation engine.Fragmentation
	DF            engine.DFBit
}

// policyArg is a policy for a member that runs.
type policyArg struct {
	Rules []string
	Also  [][]string
	Mode  string
	Group string // default blue
}

// group is the policy for the kernel, and for the engine.
func (a policyArg) apply(g Group) (Group, engine.Policy, error) {
	list, err := policy.ParseList(strings.Join(a.Rules, "\n"))
	if err != nil {
		return g, engine.Policy{}, err
	}
	g.Rules, g.Registered, g.Also = list, true, nil
	g.AcceptClear, g.SendClear = a.Mode == "passive" || a.Mode == "receive-only", a.Mode == "receive-only"
	for _, l := range a.Also {
		list, err := policy.ParseList(strings.Join(l, "\n"))
		if err != nil {
			return g, engine.Policy{}, err
		}
		g.Also = append(g.Also, list)
	}
	p := engine.Policy{Registered: true, ReceiveOnly: g.SendClear}
	for _, r := range g.Rules {
		p.Rules = append(p.Rules, spd.Rule{
			Action: spd.Action(r.Action), Proto: r.Proto, Src: r.Src, Dst: r.Dst,
			SrcPorts: spd.Ports(r.SrcPorts), DstPorts: spd.Ports(r.DstPorts),
		})
	}
	return g, p, nil
}

var testKey = []byte("0123456789abcdef0123456789abcdefsalt")

// memberRole does what daemon/gm does, in its order, without a key server. Standard output: "ready", then an answer for
// each "state" that it reads, and for each policyArg, which it changes over to.
func memberRole(arg string) error {
	var a memberArg
	if err := json.Unmarshal([]byte(arg), &a); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	protect := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if a.Protect6 {
		protect = append(protect, netip.MustParsePrefix("2001:db8::/32"))
	}
	eng, err := engine.New(engine.Config{
		Groups:  []engine.GroupConfig{{Name: "blue", Protect: protect, FailOpen: a.FailOpen}, {Name: "red", Protect: a.Second, FailOpen: a.Second == nil}},
		Gateway: netip.MustParseAddr(a.Gateway), Fragmentation: a.Fragmentation, DF: a.DF,
	})
	if err != nil {
		return err
	}
	n, err := New(Config{Name: a.Name, LAN: []string{"lan0"}, WAN: "wan0", TUN: "gv0", Saved: a.Saved, InnerMTU: func(wan int) int {
		if err := eng.SetMTU(wan); err != nil {
			return 0
		}
		return eng.TUNMTU()
	}, InnerMTU6: eng.InnerMTU6, Own: eng.SetGateway})
	if err != nil {
		return err
	}
	groups := []Group{{Name: "blue", Protect: protect, FailOpen: a.FailOpen}, {Name: "red", Protect: a.Second, FailOpen: a.Second == nil}}
	if err := n.SetGroups(groups); err != nil {
		return err
	}
	dev, err := tun.OpenWater("gv0")
	if err != nil {
		return err
	}
	path, err := wire.Open(wire.Config{Device: "wan0", Mark: DefaultMark})
	if err != nil {
		return err
	}
	conn := path.Conns[0]
	heard, err := wire.OpenErrors("wan0", DefaultMark)
	if err != nil {
		return err
	}
	if err := n.Up(); err != nil {
		return err
	}
	change := func(to policyArg) error {
		which := 0
		if to.Group == "red" {
			which = 1
		}
		group, p, err := to.apply(groups[which])
		if err != nil {
			return err
		}
		groups[which] = group
		if _, err := n.Prepare(groups); err != nil {
			return err
		}
		if err := eng.SetPolicy(group.Name, p); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond)
		return n.SetGroups(groups)
	}
	if a.Registered {
		if err := register(eng, a); err != nil {
			return err
		}
		if err := change(policyArg{Rules: a.Rules, Mode: a.Mode}); err != nil {
			return err
		}
	}
	start := time.Now()
	p, err := pipeline.New(pipeline.Config{
		LAN: []tun.Device{dev}, WAN: []wire.Conn{conn}, Errors: heard, Engine: eng, Now: func() engine.Instant { return engine.Instant(time.Since(start)) },
	})
	if err != nil {
		return err
	}
	ended := make(chan error, 2)
	run := func(f func() error) {
		err := f()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		ended <- err
	}
	go run(func() error { return p.Run(ctx) })
	go run(func() error { return n.Watch(ctx, func(err error) { fmt.Fprintln(os.Stderr, err) }) })
	fmt.Println("ready")
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			var to policyArg
			if json.Unmarshal(in.Bytes(), &to) == nil {
				_ = json.NewEncoder(os.Stdout).Encode(fmt.Sprint(change(to)))
				continue
			}
			s, err := n.State()
			drops, derr := n.Drops()
			_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
				"net": s, "error": fmt.Sprint(errors.Join(err, derr)), "drops": drops, "wire": conn.Stats(), "pipeline": p.Stats(), "engine": eng.Stats(),
			})
		}
	}()
	<-ctx.Done()
	return errors.Join(n.Down(), <-ended, <-ended)
}

func register(eng *engine.Engine, a memberArg) error {
	key := append([]byte(nil), testKey...)
	return errors.Join(
		eng.Install(engine.SA{Group: "blue", SPI: 0x1000, KeyMat: key, SIDBits: 24, SIDs: []uint32{a.SID}}),
		eng.Activate("blue", 0, 0x1000),
		eng.Install(engine.SA{Group: "red", SPI: 0x2000, KeyMat: append([]byte{1}, testKey[1:]...), SIDBits: 24, SIDs: []uint32{a.SID}}),
		eng.Activate("red", 0, 0x2000),
	)
}

// echoRole answers UDP on each of the addresses, and says so.
func echoRole(arg string) error {
	for _, addr := range strings.Fields(arg) {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
		if err != nil {
			return err
		}
		if err := discover(c, unix.IP_PMTUDISC_DONT); err != nil {
			return err
		}
		go func() {
			b := make([]byte, 65536)
			for {
				n, from, err := c.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				_, _ = c.WriteToUDPAddrPort(b[:n], from)
			}
		}()
	}
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString(0)
	return nil
}

func discover(c *net.UDPConn, how int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var serr error
	err = raw.Control(func(fd uintptr) {
		if serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, how); serr != nil {
			serr = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, how)
		}
	})
	return errors.Join(err, serr)
}

// probeArg asks for UDP requests to an echo.
type probeArg struct {
	Src, Dst string
	Size     int // IP packet
	DF       bool
	Count    int
	Wait     int // milliseconds for each answer
	Gap      int // milliseconds between requests
}

type probeResult struct {
	Received int
	MTU      int // of the path, as the kernel of the prober knows it after the last one
	Source   string
}

func probeRole(arg string) error {
	var a probeArg
	if err := json.Unmarshal([]byte(arg), &a); err != nil {
		return err
	}
	var local *net.UDPAddr
	if a.Src != "" {
		local = net.UDPAddrFromAddrPort(netip.MustParseAddrPort(a.Src))
	}
	c, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(a.Dst)))
	if err != nil {
		return err
	}
	how := unix.IP_PMTUDISC_DONT
	if a.DF {
		how = unix.IP_PMTUDISC_PROBE // sets DF and does not look at what it learned
	}
	if err := discover(c, how); err != nil {
		return err
	}
	var out probeResult
	head := 28
	if c.LocalAddr().(*net.UDPAddr).IP.To4() == nil {
		head = 48
	}
	b := make([]byte, 65536)
	for i := range a.Count {
		time.Sleep(time.Duration(a.Gap) * time.Millisecond)
		msg := make([]byte, max(a.Size-head, 4))
		binary.BigEndian.PutUint32(msg, uint32(i))
		_, _ = c.Write(msg) // an ICMP error of the one before is not this one's
		_ = c.SetReadDeadline(time.Now().Add(time.Duration(a.Wait) * time.Millisecond))
		for {
			n, err := c.Read(b)
			if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.EPROTO) || errors.Is(err, syscall.ENOPROTOOPT) {
				continue
			}
			if err != nil {
				break
			}
			if n == len(msg) && binary.BigEndian.Uint32(b) == uint32(i) {
				out.Received++
				break
			}
		}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	_ = raw.Control(func(fd uintptr) {
		out.MTU, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU)
		if head == 48 {
			out.MTU, _ = unix.GetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_MTU)
		}
	})
	out.Source = c.LocalAddr().(*net.UDPAddr).IP.String()
	return json.NewEncoder(os.Stdout).Encode(out)
}

// captureRole counts the packets that come in on an interface, by addresses and protocol, until its input ends. What IPv6
// neighbours say to each other does not count.
func captureRole(ifc string) error {
	ifi, err := net.InterfaceByName(ifc)
	if err != nil {
		return err
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(all))
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifi.Index}); err != nil {
		return err
	}
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50_000})
	fmt.Println("ready")
	stop := make(chan struct{})
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString(0)
		time.Sleep(100 * time.Millisecond)
		close(stop)
	}()
	counts := map[string]int{}
	b := make([]byte, 65536)
	for {
		n, from, err := unix.Recvfrom(fd, b, 0)
		if link, ok := from.(*unix.SockaddrLinklayer); err == nil && ok && link.Pkttype != unix.PACKET_OUTGOING {
			if key := captureKey(b[:n]); key != "" {
				counts[key]++
			}
		}
		select {
		case <-stop:
			return json.NewEncoder(os.Stdout).Encode(counts)
		default:
		}
	}
}

func captureKey(b []byte) string {
	h, err := packet.Parse(b)
	if err != nil || h.LinkLocal(b) {
		return ""
	}
	src, dst := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	if h.Version == 6 {
		src, dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	}
	key := fmt.Sprintf("%s>%s %d", src, dst, h.Proto)
	if f := h.Flow(b); h.Proto == protoUDP {
		key += fmt.Sprintf("/%d", f.DstPort)
	}
	return key
}
