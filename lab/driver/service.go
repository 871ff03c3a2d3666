package driver

import (
	"cmp"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/getvpn/getvpn/lab/scenario"
)

// servicesVariable is where a program inside a node finds the files and sockets of its services.
const servicesVariable = "LAB_SERVICES"

func (c *Common) services(node string) string { return filepath.Join(Dir(c.name), "services", node) }

// LookService finds a program, also where systems keep what only root runs.
func LookService(binary string) (string, error) {
	for _, path := range []string{binary, "/usr/sbin/" + binary, "/usr/local/sbin/" + binary} {
		if found, err := exec.LookPath(path); err == nil {
			return filepath.Abs(found)
		}
	}
	return "", fmt.Errorf("%s is neither in PATH nor in /usr/sbin", binary)
}

// FindService finds the program of a service.
func FindService(name string, v scenario.Service) (string, error) {
	found, err := LookService(v.Binary)
	if err == nil {
		return found, nil
	}
	how := "install it"
	if v.Package != "" {
		how = "apt-get install " + v.Package
	}
	return "", fmt.Errorf("service %s: %w: %s", name, err, how)
}

// FindServices fails when a program is missing that the scenario wants to run.
func FindServices(s *scenario.Scenario) error {
	for _, n := range s.Nodes {
		for _, name := range n.Services {
			if _, err := FindService(name, s.Services[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// serveAll writes the files of all services and starts them.
func (c *Common) serveAll() error {
	if c.s.HasServices() == "" {
		return nil
	}
	return c.change(func(st *State) error {
		for i := range c.s.Nodes {
			for _, name := range c.s.Nodes[i].Services {
				if err := c.serve(st.node(c.s.Nodes[i].Name), &c.s.Nodes[i], name); err != nil {
					return fmt.Errorf("node %s: %w", c.s.Nodes[i].Name, err)
				}
			}
		}
		return nil
	})
}

func (c *Common) serve(st *NodeState, n *scenario.Node, name string) error {
	argv, err := c.WriteService(n, name)
	if err != nil {
		return err
	}
	v, err := c.m.Serve(st, ServiceState{Name: name, Log: filepath.Join(Dir(c.name), "logs", n.Name+"-"+name+".log")}, argv)
	if err != nil {
		return fmt.Errorf("service %s: %w", name, err)
	}
	st.Services = append(st.Services, v)
	return nil
}

// WriteService writes the file of a node's service and says how it is run: its binary, which is to be found, and its arguments.
func (c *Common) WriteService(n *scenario.Node, name string) (argv []string, err error) {
	at, err := c.places(n.Name)
	if err != nil {
		return nil, err
	}
	args, text, err := c.s.RenderService(n, name, at)
	if err != nil {
		return nil, err
	}
	if err := MakeDir(0o700, at.Service); err != nil {
		return nil, err
	}
	if err := put(at.ServiceFile(name), text); err != nil {
		return nil, fmt.Errorf("service %s: %w", name, err)
	}
	return append([]string{c.s.Services[name].Binary}, args...), nil
}

// put writes a file in the place of what is there, where the node may write as well: a link that it has made is not followed.
func put(path, text string) error {
	return renameio.WriteFile(path, []byte(text), 0o600, renameio.WithTempDir(filepath.Dir(path)))
}

// settled is how long a service must have lived to be one that likes its file.
const settled = 300 * time.Millisecond

// stillServed looks for services that have ended at once.
func (c *Common) stillServed() error {
	if c.s.HasServices() == "" {
		return nil
	}
	st, err := c.State()
	if err != nil {
		return err
	}
	end := time.Now().Add(settled)
	for _, n := range st.Nodes {
		for _, v := range n.Services {
			if v.Process().WaitGone(time.Until(end)) {
				return fmt.Errorf("service %s of %s has ended by itself; the end of %s:\n%s", v.Name, n.Name, v.Log, Tail(v.Log, 5))
			}
		}
	}
	return nil
}

// ServiceLog is where a service of a node writes.
func ServiceLog(l Lab, node, service string) (string, error) {
	st, err := l.State()
	if err != nil {
		return "", err
	}
	n := st.node(node)
	if n == nil {
		return "", UnknownNode(node)
	}
	var names []string
	for _, v := range n.Services {
		if v.Name == service {
			return v.Log, nil
		}
		names = append(names, v.Name)
	}
	return "", fmt.Errorf("node %s has no service %q; it has: %s", node, service, cmp.Or(strings.Join(names, ", "), "none"))
}
