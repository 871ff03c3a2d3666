package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/mroute"
	"github.com/getvpn/getvpn/lab/scenario"
)

// What runs inside the containers, as "getvpn-lab container ...".

const (
	// wiresName is the interface to the network wires in every node.
	wiresName = "wires"
	// port is that of VXLAN (RFC 7348 §8).
	port = 4789
	// ready is where a machine listens as soon as its network stands. Abstract sockets belong to a network namespace: the
	// node's daemon sees it, and whoever enters, and nobody else.
	ready = "@getvpn-machine"
	// wiresVariable has the first three numbers of the addresses on wires.
	wiresVariable = "GETVPN_WIRES"
)

// givenFile says with what the scenario file is to be read that the driver has put into the run directory.
const givenFile = "given.json"

type given struct {
	Vars map[string]string `json:"vars"`
	Seed uint64            `json:"seed"`
}

// Prepare fills the run directory of a lab: what a daemon reads is there when it ends. A directory that is complete stays as
// it is, so that a lab which goes down and up again has its keys. A scenario that the driver has put there goes before the
// given one.
func Prepare(name string, s *scenario.Scenario) error {
	if _, err := driver.ReadState(name); err == nil {
		return nil
	}
	b, err := os.ReadFile(filepath.Join(driver.Dir(name), givenFile))
	switch {
	case err == nil:
		var g given
		if err := json.Unmarshal(b, &g); err != nil {
			return fmt.Errorf("%s: %w", givenFile, err)
		}
		if s, err = driver.ReadScenario(driver.Dir(name), g.Vars, g.Seed); err != nil {
			return err
		}
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	programs, err := driver.FindPrograms(s)
	if err != nil {
		return err
	}
	return open(name, s).Make(Name, programs, func() error { return nil })
}

// Machine makes the network of a node and keeps it until ctx ends.
func Machine(ctx context.Context, lab, node string, log io.Writer) error {
	st, err := driver.ReadState(lab)
	if err != nil {
		return err
	}
	s, err := driver.ReadScenario(driver.Dir(lab), st.Vars, st.Seed)
	if err != nil {
		return err
	}
	n := s.Node(node)
	if n == nil {
		return driver.UnknownNode(node)
	}
	if err := connect(s, n); err != nil {
		return fmt.Errorf("node %s: %w", node, err)
	}
	l, err := net.Listen("unix", ready)
	if err != nil {
		return fmt.Errorf("node %s: %w", node, err)
	}
	defer l.Close()
	fmt.Fprintf(log, "node %s: %d links stand\n", node, len(n.Addresses))
	if !s.Multicast || n.Kind != scenario.KindCore {
		<-ctx.Done()
		return nil
	}
	var names []string
	for _, a := range n.Addresses {
		names = append(names, a.Interface)
	}
	r, err := mroute.New(log, names...)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return r.Run(ctx)
}

// connect makes the links of a node, and its routes. A container that was stopped and started again begins anew: docker has
// given it another network namespace.
func connect(s *scenario.Scenario, n *scenario.Node) error {
	h, err := netlink.NewHandle()
	if err != nil {
		return err
	}
	defer h.Close()
	below, err := plug(h)
	if err != nil {
		return err
	}
	for i, l := range s.Links {
		for e, end := range l.Ends {
			if end.Node != n.Name {
				continue
			}
			remote, err := onWires(s, l.Ends[1-e].Node)
			if err != nil {
				return err
			}
			attrs := netlink.LinkAttrs{Name: end.Interface, MTU: mtu(l), TxQLen: -1}
			link := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: i + 1, VtepDevIndex: below, Port: port, Group: remote.AsSlice(), Learning: false}
			if err := h.LinkAdd(link); err != nil {
				return fmt.Errorf("vxlan %s to %s: %w", end.Interface, l.Ends[1-e].Node, err)
			}
			if err := driver.Configure(h, end.Interface, s.On(end)); err != nil {
				return fmt.Errorf("interface %s: %w", end.Interface, err)
			}
		}
	}
	return driver.SetRoutes(h, n)
}

func mtu(l scenario.Link) int {
	if l.MTU == 0 {
		return 1500
	}
	return l.MTU
}

// onWires is the address of a node there.
func onWires(s *scenario.Scenario, node string) (netip.Addr, error) {
	a, err := netip.ParseAddr(fmt.Sprintf("%s.%d", os.Getenv(wiresVariable), host(s, node)))
	if err != nil {
		return a, fmt.Errorf("%s=%s: want the first three numbers of an address, as in 198.18.0", wiresVariable, os.Getenv(wiresVariable))
	}
	return a, nil
}

// plug names the interface that docker has made, which may have the name of one of the scenario's.
func plug(h *netlink.Handle) (index int, err error) {
	links, err := h.LinkList()
	if err != nil {
		return 0, err
	}
	for _, l := range links {
		if l.Type() != "veth" {
			continue
		}
		if l.Attrs().Name == wiresName {
			return l.Attrs().Index, nil
		}
		return l.Attrs().Index, errors.Join(h.LinkSetDown(l), h.LinkSetName(l, wiresName), h.LinkSetUp(l))
	}
	return 0, errors.New("docker has connected this container to no network")
}

// Daemon waits for the machine of the node and becomes its daemon. It returns only when that failed.
func Daemon(ctx context.Context, lab, node, program string) error {
	if err := await(ctx, time.Minute); err != nil {
		return fmt.Errorf("daemon of %s: %w", node, err)
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return err
	}
	env := os.Environ()
	if conf := filepath.Join(driver.Dir(lab), "hsm", node, "softhsm2.conf"); exists(conf) {
		env = append(env, "SOFTHSM2_CONF="+conf)
	}
	config := filepath.Join(driver.Dir(lab), "config", node+".yaml")
	return fmt.Errorf("executing %s: %w", path, syscall.Exec(path, []string{program, "--config", config}, env)) //nolint:gosec // of the scenario
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// await waits until the machine of this network namespace is ready.
func await(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		c, err := net.Dial("unix", ready)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("its machine is not ready after %s (%s)", limit, strings.TrimPrefix(err.Error(), "dial unix "))
		case <-time.After(20 * time.Millisecond):
		}
	}
}
