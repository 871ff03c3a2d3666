package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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
	l := open(name, s)
	return l.Make(Name, programs, l.writeNetworks)
}

// Machine makes the network of a node and keeps it until ctx ends.
func Machine(ctx context.Context, lab, node string, log io.Writer) error {
	n, err := readNetwork(lab, node)
	if err != nil {
		return err
	}
	if err := n.connect(); err != nil {
		return fmt.Errorf("node %s: %w", node, err)
	}
	l, err := net.Listen("unix", ready)
	if err != nil {
		return fmt.Errorf("node %s: %w", node, err)
	}
	defer l.Close()
	fmt.Fprintf(log, "node %s: %d links stand\n", node, len(n.Links))
	for _, v := range n.Services {
		if err := v.start(ctx, lab, node, log); err != nil {
			return fmt.Errorf("node %s: %w", node, err)
		}
	}
	if len(n.Multicast) == 0 {
		<-ctx.Done()
		return nil
	}
	r, err := mroute.New(log, n.Multicast...)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	return r.Run(ctx)
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
	config := driver.ConfigFile(driver.Dir(lab), node)
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
