package scenario

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Places are the paths of one node in one lab.
type Places struct {
	Dir     string // the lab's run directory
	Socket  string // the daemon's control socket
	State   string // the daemon's state directory
	Secrets string // directory of the secret files
	Service string // directory of the files and sockets of the node's services
	Module  string // the PKCS#11 library of tokens
	PIN     string // the file with the PIN of the node's token
}

// Render gives the configuration file of a node's daemon.
func (s *Scenario) Render(n *Node, at Places) (string, error) {
	p := s.Programs[n.Program]
	rules, err := json.Marshal(s.Policy) // JSON is YAML, in one line
	if err != nil {
		return "", fmt.Errorf("policy: %w", err)
	}
	fixed := map[string]string{
		"node": n.Name, "dir": at.Dir, "socket": at.Socket, "state": at.State, "secrets": at.Secrets, "policy": string(rules),
	}
	if n.HSM != nil {
		fixed["hsm.module"], fixed["hsm.token"], fixed["hsm.pin"] = at.Module, n.HSM.uri(), at.PIN
	}
	text, unknown := expand(p.Config, s.known(n, fixed))
	if len(unknown) > 0 {
		return "", s.unknown(p.at, "program "+n.Program, n, unknown)
	}
	return text, nil
}

// known finds what a text about a node may name: the node's own variables, fixed ones, those of the scenario, what was drawn, addresses.
func (s *Scenario) known(n *Node, fixed map[string]string) func(string) (string, bool) {
	return func(k string) (string, bool) {
		for _, vars := range []map[string]string{n.NodeVars, fixed, s.Vars, s.Drawn} {
			if v, ok := vars[k]; ok {
				return v, true
			}
		}
		kind, iface, _ := strings.Cut(k, ".")
		for _, a := range n.Addresses {
			switch {
			case a.Interface != iface:
			case kind == "addr":
				return a.Prefix.Addr().String(), true
			case kind == "net":
				return a.Prefix.Masked().String(), true
			case kind == "addr6" && a.Prefix6.IsValid():
				return a.Prefix6.Addr().String(), true
			case kind == "net6" && a.Prefix6.IsValid():
				return a.Prefix6.Masked().String(), true
			}
		}
		return "", false
	}
}

func (s *Scenario) unknown(at Pos, what string, n *Node, names []string) error {
	return s.ErrorAt(at, "%s on node %s: ${%s} is not known", what, n.Name, strings.Join(names, "}, ${"))
}
