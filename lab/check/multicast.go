package check

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/lab/scenario"
)

// multicastCopies: rekeys by multicast, which the actions cause, are replicated by the core: every link on the way to a
// member sees each datagram exactly once, no other link sees any, all members acknowledge, and then there are no repeats.
type multicastCopies struct {
	Address netip.Addr    `yaml:"address"`
	Do      actions       `yaml:"do"`
	After   time.Duration `yaml:"after"`
	// Members that must get it; none: all.
	Members []string `yaml:"members"`
	// Datagrams is how many the key server sends: 1 for a rekey that everybody acknowledges.
	Datagrams int `yaml:"datagrams"`
}

func (c *multicastCopies) Validate(s *scenario.Scenario) error {
	if !s.Multicast {
		return fmt.Errorf("the scenario's core does not route multicast; write multicast: true")
	}
	if !c.Address.Is4() || !c.Address.IsMulticast() {
		return fmt.Errorf("address: %v is no IPv4 multicast group", c.Address)
	}
	if err := exist(s, c.Members...); err != nil {
		return err
	}
	if len(c.Do) == 0 {
		return fmt.Errorf("do: lists what causes the rekey")
	}
	return c.Do.validate(s)
}

// copies counts what arrives at each node, by interface and by the identification of the datagram.
type copies struct {
	mu   sync.Mutex
	seen map[string]map[uint16]int // "NODE INTERFACE" -> IP identification -> how often
	acks map[netip.Addr]int
	stop chan struct{}
	wg   sync.WaitGroup
}

// listen opens a packet socket in a node.
func (k *copies) listen(l Lab, node string, ifaces map[int]string, group netip.Addr) error {
	fd := -1
	if err := l.Inside(node, func() (err error) { fd, err = packetSocket(); return err }); err != nil {
		return fmt.Errorf("listening at %s: %w", node, err)
	}
	k.wg.Go(func() {
		defer unix.Close(fd)
		buf := make([]byte, 65536)
		for {
			select {
			case <-k.stop:
				return
			default:
			}
			n, from, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				continue // the tick
			}
			sa, ok := from.(*unix.SockaddrLinklayer)
			if !ok || sa.Protocol != htons(unix.ETH_P_IP) {
				continue
			}
			var p Packet
			(&rules{}).classify(buf[:n], &p)
			if p.Proto != protoUDP || p.Dst != group || len(p.Payload) < isakmp.HeaderLen || isakmp.ExchangeType(p.Payload[18]) != isakmp.ExchangeGroupkeyPush {
				continue
			}
			k.mu.Lock()
			at := node + " " + ifaces[sa.Ifindex]
			if k.seen[at] == nil {
				k.seen[at] = map[uint16]int{}
			}
			k.seen[at][binary.BigEndian.Uint16(buf[4:])]++
			k.mu.Unlock()
		}
	})
	return nil
}

func (c *multicastCopies) Run(ctx context.Context, env *Env) []scenario.Result {
	k := &copies{seen: map[string]map[uint16]int{}, acks: map[netip.Addr]int{}, stop: make(chan struct{})}
	defer k.wg.Wait()
	end := sync.OnceFunc(func() { close(k.stop) })
	defer end()
	for _, n := range env.Scenario.Nodes {
		ifaces, err := interfaces(env.Lab, n.Name)
		if err == nil {
			err = k.listen(env.Lab, n.Name, ifaces, c.Address)
		}
		if err != nil {
			return failed(err)
		}
	}
	tap := env.Capture.Tap(func(p *Packet) {
		if p.Class == GDOI && len(p.Payload) >= isakmp.HeaderLen && isakmp.ExchangeType(p.Payload[18]) == isakmp.ExchangeGroupkeyPushAck {
			k.acks[p.Src]++
		}
	})
	_, err := c.Do.run(ctx, env)
	if err == nil {
		err = env.sleep(ctx, c.After)
	}
	env.Capture.Totals() // waits for what is on its way
	tap.Close()
	end()
	k.wg.Wait()
	if err != nil {
		return notDone(err, "a rekey")
	}
	return []scenario.Result{c.judge(env.Scenario, k)}
}

// judge compares with what the topology says.
func (c *multicastCopies) judge(s *scenario.Scenario, k *copies) scenario.Result {
	members := c.Members
	if len(members) == 0 {
		members = s.Named(scenario.KindMember)
	}
	want := map[string]bool{}
	for _, m := range members {
		for _, link := range path(s, s.Named(scenario.KindKeyServer)[0], m) {
			want[link] = true
		}
	}
	var wrong []string
	sent := map[uint16]bool{}
	for at, ids := range k.seen {
		for id, n := range ids {
			sent[id] = true
			if n != 1 || !want[at] {
				wrong = append(wrong, fmt.Sprintf("%s saw datagram %d %d times", at, id, n))
			}
		}
	}
	for at := range want {
		if len(k.seen[at]) != len(sent) {
			wrong = append(wrong, fmt.Sprintf("%s saw %d of %d datagrams", at, len(k.seen[at]), len(sent)))
		}
	}
	acked := 0
	for _, m := range members {
		if k.acks[s.Address(m)] > 0 {
			acked++
		}
	}
	slices.Sort(wrong)
	return scenario.Result{
		OK:      len(wrong) == 0 && len(sent) == c.Datagrams && acked == len(members),
		Value:   fmt.Sprintf("%d datagrams sent, each seen once on %d links, %d of %d members acknowledged", len(sent), len(want), acked, len(members)),
		Want:    fmt.Sprintf("%d datagrams, one copy on each of %d links and none elsewhere, %d acknowledgements", c.Datagrams, len(want), len(members)),
		Message: strings.Join(wrong, "; "),
	}
}

// path lists the interfaces, as "NODE INTERFACE", at which a packet arrives on its way from one node to another.
func path(s *scenario.Scenario, from, to string) []string {
	type step struct {
		node string
		way  []string
	}
	seen := map[string]bool{from: true}
	for queue := []step{{node: from}}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at.node == to {
			return at.way
		}
		for _, l := range s.Links {
			for i, e := range l.Ends {
				next := l.Ends[1-i]
				n := s.Node(next.Node)
				if e.Node != at.node || seen[next.Node] || n.Kind != scenario.KindCore && next.Node != to {
					continue
				}
				seen[next.Node] = true
				queue = append(queue, step{next.Node, append(slices.Clone(at.way), next.Node+" "+next.Interface)})
			}
		}
	}
	return nil
}

// interfaces names the interfaces of a node by their index.
func interfaces(l Lab, node string) (map[int]string, error) {
	out := map[int]string{}
	err := l.Inside(node, func() error {
		all, err := net.Interfaces()
		for _, i := range all {
			out[i.Index] = i.Name
		}
		return err
	})
	return out, err
}
