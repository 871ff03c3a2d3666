package source

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/getvpn/getvpn/daemon/control/client"
)

// target is a daemon to attach to. Role is what it is said to be, until it says so itself.
type target struct{ name, path, role string }

// Socket watches one daemon.
func Socket(path string) *Source {
	name := strings.TrimSuffix(filepath.Base(path), ".sock")
	return newSource(path, "", func() []target { return []target{{name: name, path: path}} })
}

// Dir watches every *.sock in a directory, those that appear later too.
func Dir(dir string) *Source {
	return newSource(dir, "", func() []target { return sockets(dir) })
}

// LabDir is where getvpn-lab keeps what runs.
func LabDir() string { return client.LabDir() }

// Lab watches the nodes of a running lab.
func Lab(name string) *Source {
	s := newSource("lab "+name, name, nil)
	s.discover = func() []target {
		s.mu.Lock()
		state := s.state // which look has just read
		s.mu.Unlock()
		return labSockets(name, state)
	}
	return s
}

// labSockets lists the daemons that a lab has, those that do not run too, but not what only some checks start.
func labSockets(name string, state *LabState) []target {
	if client.TrustLabDir() != nil {
		return nil
	}
	if state == nil {
		return sockets(filepath.Join(LabDir(), name, "sockets")) // a lab that is just coming up, or going
	}
	var found []target
	for _, n := range state.Nodes {
		_, err := os.Stat(n.Socket)
		if n.Socket != "" && (!n.Outsider || err == nil) {
			found = append(found, target{n.Name, n.Socket, n.Kind}) // the lab's kinds are the daemons' roles: ks, gm
		}
	}
	return found
}

func sockets(dir string) []target {
	var found []target
	paths, _ := filepath.Glob(filepath.Join(dir, "*.sock"))
	for _, p := range paths {
		found = append(found, target{name: strings.TrimSuffix(filepath.Base(p), ".sock"), path: p})
	}
	return found
}
