package scenario

import (
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v4"
)

// Service is a program that a node needs beside the daemons of this project, as a router needs its routing daemon. It is started
// when the network stands, before any daemon, and ends with the lab; nothing asks it anything, as it has no control socket of ours:
//
//	services:
//	  bird:
//	    binary: bird                          # in PATH, or where a system has its daemons
//	    package: bird2                        # what brings it, for the message when it is missing
//	    args: [-f, -c, "${file}", -s, "${run}/bird.ctl"]
//	    config: |                             # ${file}; it knows what a daemon's file does, but for what only daemons have
//	      router id ${addr.wan0};
//	nodes:
//	  - {name: p1, kind: core, services: [bird]}
//
// ${run} is a directory of the node for such files and sockets; who runs something inside the node finds it in $LAB_SERVICES. In a node's text a
// variable of the node goes before one of the scenario, so that one file fits many nodes.
type Service struct {
	Binary  string   `yaml:"binary"`
	Package string   `yaml:"package"`
	Args    []string `yaml:"args"`
	Config  string   `yaml:"config"`
	at      Pos
}

// UnmarshalYAML decodes a service and remembers where its text begins.
func (v *Service) UnmarshalYAML(n *yaml.Node) error {
	type plain Service
	return strictAt(n, (*plain)(v), &v.at)
}

func (s *Scenario) validateServices(bad func(at Pos, format string, args ...any)) {
	for name, v := range s.Services {
		if !nodeName.MatchString(name) {
			bad(v.at, "service name %q: a letter and up to 15 more letters, digits or hyphens, in lower case", name)
		}
		if !fileName.MatchString(v.Binary) {
			bad(v.at, "service %s: binary: is the plain name of a program", name)
		}
	}
	for _, n := range s.Nodes {
		for i, name := range n.Services {
			if _, ok := s.Services[name]; !ok {
				bad(n.At, "node %s: there is no service %q", n.Name, name)
			}
			if slices.Index(n.Services, name) < i {
				bad(n.At, "node %s: service %s is named twice", n.Name, name)
			}
		}
	}
}

// HasServices names a node with services, or "".
func (s *Scenario) HasServices() string {
	for _, n := range s.Nodes {
		if len(n.Services) > 0 {
			return n.Name
		}
	}
	return ""
}

// ServiceFile is where the file of a service is.
func (at Places) ServiceFile(service string) string {
	return filepath.Join(at.Service, service+".conf")
}

// RenderService gives the arguments and the file of a node's service.
func (s *Scenario) RenderService(n *Node, name string, at Places) (args []string, file string, err error) {
	v := s.Services[name]
	look := s.known(n, map[string]string{"node": n.Name, "run": at.Service, "file": at.ServiceFile(name)})
	file, unknown := expand(v.Config, look)
	for _, a := range v.Args {
		text, more := expand(a, look)
		args, unknown = append(args, text), append(unknown, more...)
	}
	if len(unknown) > 0 {
		return nil, "", s.unknown(v.at, "service "+name, n, unknown)
	}
	return args, file, nil
}
