package netns

import (
	"context"
	"errors"
	"os"

	"github.com/getvpn/getvpn/hsm/softhsm"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Name is what lab.json and users call this driver.
const Name = "netns"

// Driver is the lab driver of network namespaces.
type Driver struct{}

// Up is that of the interface.
func (Driver) Up(ctx context.Context, name string, s *scenario.Scenario, ready func(driver.Lab) error) (driver.Lab, error) {
	l, err := Up(ctx, name, s, ready)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Open is that of the interface.
func (Driver) Open(name string, s *scenario.Scenario) driver.Lab { return open(name, s) }

// Left is that of the interface.
func (Driver) Left(name string) bool {
	names, err := namespaces(name)
	return err != nil || len(names) > 0
}

// Clear is that of the interface.
func (Driver) Clear(name string) error { return clear(name) }

// Lab is a lab of namespaces.
type Lab struct {
	*driver.Common
	name string
	s    *scenario.Scenario
}

func open(name string, s *scenario.Scenario) *Lab {
	return &Lab{driver.New(name, s, machines{name}), name, s}
}

// Up brings a lab up, as the interface has it.
func Up(ctx context.Context, name string, s *scenario.Scenario, ready func(driver.Lab) error) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces need root, or a user namespace that getvpn-lab has made (package space)")
	}
	programs, err := driver.FindPrograms(s)
	if err != nil {
		return nil, err
	}
	if err := driver.FindServices(s); err != nil {
		return nil, err
	}
	left, err := namespaces(name)
	if err != nil {
		return nil, err
	}
	if _, err := ours(name, left); err != nil {
		return nil, err
	}
	if _, err := os.Stat(driver.Dir(name)); err == nil || len(left) > 0 {
		return nil, driver.AlreadyUp(name)
	}
	l := open(name, s)
	build := func() error {
		return l.Make(Name, programs, func() error {
			if err := buildNetwork(name, s); err != nil {
				return err
			}
			return l.routeMulticast()
		})
	}
	if err := l.BringUp(ctx, l, build, ready, Down); err != nil {
		return nil, err
	}
	return l, nil
}

// Down takes a lab away, whatever state it is in.
func Down(name string) error { return driver.Set{Name: Driver{}}.Down(name) }

// machines are namespaces with processes in them.
type machines struct{ lab string }

func (m machines) Describe(n *driver.NodeState) { n.Namespace = prefix(m.lab) + n.Name }

func (m machines) Namespace(node string) (string, error) { return place(m.lab, node), nil }

func (m machines) Launch(n *driver.NodeState, env []string) (driver.Process, error) {
	return launch(n.Namespace, n.Log, env, n.Program, "--config", n.Config)
}

func (m machines) Serve(n *driver.NodeState, v driver.ServiceState, argv []string) (driver.ServiceState, error) {
	program, err := driver.LookService(argv[0])
	if err != nil {
		return v, err
	}
	p, err := launch(n.Namespace, v.Log, nil, append([]string{program}, argv[1:]...)...)
	v.PID, v.PIDStart = p.PID, p.Start
	return v, err
}

func (m machines) Module() (string, error) { return softhsm.Module() }
