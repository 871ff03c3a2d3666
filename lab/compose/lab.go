package compose

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Name is what lab.json and users call this driver.
const Name = "compose"

// module is where Debian's softhsm2 has the library, on which the image is built.
const module = "/usr/lib/softhsm/libsofthsm2.so"

// Driver is the lab driver of containers.
type Driver struct{}

// Lab is a lab of containers.
type Lab struct {
	*driver.Common
	name string
	s    *scenario.Scenario
}

func open(name string, s *scenario.Scenario) *Lab {
	return &Lab{driver.New(name, s, machines{name}), name, s}
}

// Open is that of the interface. A lab that docker-compose has started, or started daemons of, is known by its containers.
func (Driver) Open(name string, s *scenario.Scenario) driver.Lab {
	l := open(name, s)
	l.adopt()
	return l
}

// adopt makes what runs in the containers the daemons of lab.json. It is done as well as it can be: where no engine answers, the
// next command says so.
func (l *Lab) adopt() {
	st, err := l.State()
	if err != nil {
		return
	}
	for _, n := range st.Nodes {
		if n.Program == "" || n.Process().Alive() {
			continue
		}
		if p, err := running(n.Container + daemonSuffix); err == nil && p.PID != 0 {
			_ = l.Adopt(n.Name, p)
		}
	}
}

// Up is that of the interface.
func (Driver) Up(ctx context.Context, name string, s *scenario.Scenario, before func(driver.Lab) error) (driver.Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("the driver compose enters the containers' networks, which needs root: run it with sudo")
	}
	if err := Engine(ctx); err != nil {
		return nil, err
	}
	if left, err := containers(name); err != nil || len(left) > 0 {
		return nil, cmp.Or(errors.Join(err, elsewhere(name, left)), driver.AlreadyUp(name))
	}
	l := open(name, s)
	if err := l.BringUp(ctx, l, func() error { return l.build(ctx) }, before, driver.Set{Name: Driver{}}.Down); err != nil {
		return nil, err
	}
	return l, nil
}

// build makes the containers and starts all but the daemons.
func (l *Lab) build(ctx context.Context) error {
	dir := driver.Dir(l.name)
	if err := driver.MakeDir(0o755, dir); err != nil {
		return err
	}
	yaml, err := Export(l.s, Options{Lab: l.name})
	if err != nil {
		return err
	}
	with, err := json.Marshal(given{l.s.Vars, l.s.Seed})
	if err != nil {
		return err
	}
	file := filepath.Join(dir, composeFile)
	for path, b := range map[string][]byte{file: yaml, filepath.Join(dir, "scenario.yaml"): l.s.Text, filepath.Join(dir, givenFile): with} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			return fmt.Errorf("run directory: %w", err)
		}
	}
	var machines []string
	for _, n := range l.s.Nodes {
		machines = append(machines, n.Name)
	}
	if err := create(ctx, l.name, file, machines); err != nil {
		return err
	}
	for _, n := range l.s.Nodes {
		if err := l.Inside(n.Name, func() error { return await(ctx, machinePatience) }); err != nil {
			return fmt.Errorf("node %s: %w; its container says: %s", n.Name, err, said(container(l.name, n.Name)))
		}
	}
	return nil
}

// Exec replaces this process by a program inside the machine of a node.
func (l *Lab) Exec(node string, argv []string) error {
	if l.s.Node(node) == nil {
		return driver.UnknownNode(node)
	}
	return become(l.execArgs(node, terminal(), argv))
}

// Run runs a program inside the machine of a node and returns what it printed. A container may only read /proc/sys, so sysctl is
// this machine's, in the node's network.
func (l *Lab) Run(ctx context.Context, node string, argv []string) (string, error) {
	if l.s.Node(node) == nil {
		return "", driver.UnknownNode(node)
	}
	if len(argv) > 0 && argv[0] == "sysctl" {
		return driver.Output(exec.CommandContext(ctx, argv[0], argv[1:]...), //nolint:gosec // of the scenario
			func(cmd *exec.Cmd) error { return l.StartCommand(node, cmd) })
	}
	return docker(ctx, l.execArgs(node, nil, argv)...)
}

func (l *Lab) execArgs(node string, flags, argv []string) []string {
	args := append([]string{"exec"}, flags...)
	for _, v := range l.Environment(node) {
		args = append(args, "--env", v)
	}
	return append(append(args, container(l.name, node)), argv...)
}

// machines are containers.
type machines struct{ lab string }

func (m machines) Describe(n *driver.NodeState) { n.Container = container(m.lab, n.Name) }

func (m machines) Namespace(node string) (string, error) {
	p, err := running(container(m.lab, node))
	if err != nil {
		return "", err
	}
	if p.PID == 0 {
		return "", fmt.Errorf("the container of %s does not run: %s", node, said(container(m.lab, node)))
	}
	return fmt.Sprintf("/proc/%d/ns/net", p.PID), nil
}

func (m machines) Launch(n *driver.NodeState, _ []string) (driver.Process, error) { return launch(n) }

// Serve finds what the machine has started.
func (m machines) Serve(n *driver.NodeState, v driver.ServiceState, argv []string) (driver.ServiceState, error) {
	p, err := find(n, argv)
	v.PID, v.PIDStart, v.Log = p.PID, p.Start, logOf(m.lab, n.Name, v.Name)
	return v, err
}

func (m machines) Module() (string, error) { return module, nil }

// container is the name of the machine of a node.
func container(lab, node string) string { return "gvl-" + lab + "-" + node }

// prepareService fills the run directory.
const prepareService = "prepare"

// daemonSuffix ends the name of the container of a daemon.
const daemonSuffix = "-daemon"

// Clear is that of the interface.
func (Driver) Clear(name string) error {
	return clear(context.Background(), name)
}
