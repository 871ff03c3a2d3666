package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

const (
	captureBuffer = 32 << 20               // bytes of socket buffer: seconds of traffic, should the machine stall
	captureTick   = 100 * time.Millisecond // how long a read waits before it looks whether it should stop
	keptOffences  = 5                      // packets that a report shows
	keptDatagrams = 512                    // GDOI datagrams kept for replays
)

// Totals counts packets by class.
type Totals [classes]uint64

// Offences is the number of packets that must not be.
func (t Totals) Offences() (n uint64) {
	for c, v := range t {
		if Class(c).Offence() {
			n += v
		}
	}
	return n
}

// Minus gives what was added since an earlier moment.
func (t Totals) Minus(earlier Totals) Totals {
	for c := range t {
		t[c] -= earlier[c]
	}
	return t
}

// String lists the classes that were seen, and the offences also when there was none.
func (t Totals) String() string {
	var parts []string
	for c, v := range t {
		if v > 0 || Class(c) <= GDOI || Class(c) == ClearProtected || Class(c) == GatewayClear {
			parts = append(parts, fmt.Sprintf("%s %d", strings.ToLower(Class(c).String()), v))
		}
	}
	return strings.Join(parts, ", ")
}

// Datagram is one GDOI datagram seen in the core.
type Datagram struct {
	Src, Dst netip.AddrPort
	Payload  []byte
}

// Capture listens on all links of all core routers. It counts what arrives and not what leaves, so a packet counts
// once at every router on its way. It is safe for concurrent use.
type Capture struct {
	rules rules
	stop  atomic.Bool
	wg    sync.WaitGroup
	fds   []int

	mu        sync.Mutex
	totals    Totals
	offences  []Packet
	lost      uint64 // packets that the kernel had no room for
	taps      map[*Tap]bool
	datagrams []Datagram
	model     map[*func()]bool // what to ask first, in a lab without packets
}

// Tap sees every packet while it is open.
type Tap struct {
	c  *Capture
	fn func(*Packet)
}

// StartCapture opens packet sockets in all core routers of the lab.
func StartCapture(l Lab) (*Capture, error) {
	s := l.Scenario()
	r, err := rulesOf(s)
	if err != nil {
		return nil, err
	}
	c := &Capture{rules: r, taps: map[*Tap]bool{}}
	if _, ok := l.(driver.Virtual); ok {
		c.model = map[*func()]bool{}
		return c, nil
	}
	for _, n := range s.Nodes {
		if n.Kind != scenario.KindCore {
			continue
		}
		fd := -1
		err := l.Inside(n.Name, func() (err error) { fd, err = packetSocket(); return err })
		var links map[int]string
		if err == nil {
			links, err = linksOf(l, &n)
		}
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("capture at %s: %w", n.Name, err)
		}
		c.fds = append(c.fds, fd)
		c.wg.Add(1)
		go c.read(n.Name, fd, links)
	}
	return c, nil
}

// linksOf names the interfaces of a node that the scenario has, by their index. A driver may need others, to make them with.
func linksOf(l Lab, n *scenario.Node) (map[int]string, error) {
	all, err := interfaces(l, n.Name)
	maps.DeleteFunc(all, func(_ int, name string) bool {
		return !slices.ContainsFunc(n.Addresses, func(a scenario.Address) bool { return a.Interface == name })
	})
	return all, err
}

// htons gives the network order that packet sockets want in their protocol field.
func htons(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

func packetSocket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL)))
	if err != nil {
		return -1, fmt.Errorf("packet socket: %w", err)
	}
	tick := unix.NsecToTimeval(int64(captureTick))
	err = errors.Join(
		receiveBuffer(fd, captureBuffer),
		unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tick))
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("packet socket: %w", err)
	}
	return fd, nil
}

func (c *Capture) read(node string, fd int, links map[int]string) {
	defer c.wg.Done()
	buf := make([]byte, 65536)
	for !c.stop.Load() {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			continue // the tick, or a signal; a broken socket would show as missing ESP
		}
		sa, _ := from.(*unix.SockaddrLinklayer)
		if sa != nil && links[sa.Ifindex] == "" {
			continue
		}
		p := Packet{Time: time.Now(), Node: node}
		switch {
		case sa != nil && sa.Protocol == htons(unix.ETH_P_IP):
			c.rules.classify(buf[:n], &p)
		case sa != nil && sa.Protocol == htons(unix.ETH_P_IPV6):
			c.rules.classify6(buf[:n], &p)
		default:
			p.Class, p.Len = Link, n
		}
		c.count(&p, 1)
	}
}

// seen counts packets of a model.
func (c *Capture) seen(p *Packet, n uint64) {
	p.Class = c.rules.class(p, nil)
	c.count(p, n)
}

// hears has the model asked before anybody looks; it returns what ends that.
func (c *Capture) hears(ask func()) (end func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.model[&ask] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.model, &ask)
	}
}

func (c *Capture) count(p *Packet, n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.totals[p.Class] += n
	if p.Class.Offence() && len(c.offences) < keptOffences {
		kept := *p
		kept.Payload = nil
		c.offences = append(c.offences, kept)
	}
	if p.Class == GDOI && len(c.datagrams) < keptDatagrams {
		c.datagrams = append(c.datagrams, Datagram{netip.AddrPortFrom(p.Src, p.SrcPort), netip.AddrPortFrom(p.Dst, p.DstPort),
			slices.Clone(p.Payload)})
	}
	for t := range c.taps {
		t.fn(p)
	}
}

// Tap calls fn for every packet until the tap is closed. Calls do not overlap, and fn must not call the Capture.
func (c *Capture) Tap(fn func(*Packet)) *Tap {
	t := &Tap{c, fn}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taps[t] = true
	return t
}

// Close ends the tap; no call comes after it.
func (t *Tap) Close() {
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	delete(t.c.taps, t)
}

// Totals returns the counts so far, after what is on its way has arrived.
func (c *Capture) Totals() Totals {
	if c.model == nil {
		time.Sleep(captureTick)
	}
	c.ask()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.totals
}

// ask has the model, if there is one, say what it has sent.
func (c *Capture) ask() {
	c.mu.Lock()
	all := slices.Collect(maps.Keys(c.model))
	c.mu.Unlock()
	for _, ask := range all {
		(*ask)()
	}
}

// Offences describes the first offending packets.
func (c *Capture) Offences() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for i := range c.offences {
		out = append(out, c.offences[i].Class.String()+" "+c.offences[i].String())
	}
	return strings.Join(out, "; ")
}

// Datagrams returns GDOI datagrams that the core has seen, as material for replays.
func (c *Capture) Datagrams() []Datagram {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.datagrams)
}

// Lost is the number of packets that the capture missed: while it is not zero, no count proves anything.
func (c *Capture) Lost() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, fd := range c.fds {
		if st, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			c.lost += uint64(st.Drops) // the kernel's counter restarts at every look
		}
	}
	return c.lost
}

// Close ends the capture.
func (c *Capture) Close() {
	c.stop.Store(true)
	c.wg.Wait()
	for _, fd := range c.fds {
		unix.Close(fd)
	}
	c.fds = nil
}
