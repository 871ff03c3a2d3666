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
	text, unknown := expand(p.Config, func(k string) (string, bool) {
		if v, ok := n.NodeVars[k]; ok {
			return v, true
		}
		if v, ok := fixed[k]; ok {
			return v, true
		}
		if v, ok := s.Vars[k]; ok {
			return v, true
		}
		if v, ok := s.Drawn[k]; ok {
			return v, true
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
	})
	if len(unknown) > 0 {
		return "", &Error{s.File, p.at, fmt.Sprintf("program %s on node %s: ${%s} is not known", n.Program, n.Name,
			strings.Join(unknown, "}, ${"))}
	}
	return text, nil
}
