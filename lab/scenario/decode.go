package scenario

import (
	"fmt"
	"net/netip"
	"strings"

	"go.yaml.in/yaml/v4"
)

// placed carries the place of a value out of the decoder.
type placed struct {
	at   Pos
	text string
}

func (e *placed) Error() string { return e.text }

func errAt(n *yaml.Node, format string, args ...any) error {
	return &placed{posOf(n), fmt.Sprintf(format, args...)}
}

func strict(n *yaml.Node, v any) error { return n.Load(v, yaml.WithKnownFields()) }

// strictAt decodes what remembers its place.
func strictAt(n *yaml.Node, v any, at *Pos) error {
	if err := strict(n, v); err != nil {
		return err
	}
	*at = posOf(n)
	return nil
}

// UnmarshalYAML decodes a program and remembers where its text begins.
func (p *Program) UnmarshalYAML(n *yaml.Node) error {
	type plain Program
	return strictAt(n, (*plain)(p), &p.at)
}

// UnmarshalYAML decodes a node.
func (d *Node) UnmarshalYAML(n *yaml.Node) error {
	type plain Node
	return strictAt(n, (*plain)(d), &d.At)
}

// UnmarshalYAML decodes a link.
func (l *Link) UnmarshalYAML(n *yaml.Node) error {
	type plain Link
	return strictAt(n, (*plain)(l), &l.At)
}

// UnmarshalYAML decodes "NODE INTERFACE ADDRESS/LENGTH".
func (e *Endpoint) UnmarshalYAML(n *yaml.Node) error {
	f := strings.Fields(n.Value)
	if n.Kind != yaml.ScalarNode || len(f) != 3 {
		return errAt(n, "a link's end is written NODE INTERFACE ADDRESS/LENGTH, as in: gm1 wan0 172.16.1.1/30")
	}
	p, err := netip.ParsePrefix(f[2])
	if err != nil {
		return errAt(n, "%q is no address with a prefix length: %v", f[2], err)
	}
	*e = Endpoint{Node: f[0], Interface: f[1], Prefix: p, At: posOf(n)}
	return nil
}

// UnmarshalYAML decodes "PREFIX via ADDRESS".
func (r *Route) UnmarshalYAML(n *yaml.Node) error {
	f := strings.Fields(n.Value)
	if n.Kind != yaml.ScalarNode || len(f) != 3 || f[1] != "via" {
		return errAt(n, "a route is written PREFIX via ADDRESS, as in: 10.1.1.0/24 via 172.16.1.1")
	}
	via, err := netip.ParseAddr(f[2])
	if err != nil {
		return errAt(n, "next hop %q: %v", f[2], err)
	}
	to := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if via.Is6() {
		to = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	if f[0] != "default" {
		if to, err = netip.ParsePrefix(f[0]); err != nil {
			return errAt(n, "destination %q: %v", f[0], err)
		}
	}
	if to != to.Masked() {
		return errAt(n, "destination %s has host bits set; write %s", to, to.Masked())
	}
	*r = Route{To: to, Via: via, At: posOf(n)}
	return nil
}

// UnmarshalYAML splits a step into its own keys and the parameters of its check.
func (s *Step) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return errAt(n, "a step is a mapping with check:, do: or parallel:")
	}
	s.At = posOf(n)
	s.Params = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column}
	var what []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		var err error
		switch key.Value {
		case "name":
			s.Name = val.Value
		case "text":
			s.Text = strings.TrimSpace(val.Value)
		case "message":
			s.Message = strings.TrimSpace(val.Value)
		case "hint":
			s.Hint = strings.TrimSpace(val.Value)
		case "needs":
			if s.Needs = val.Value; s.Needs != NeedsNetwork {
				return errAt(val, "needs: %q; write network, for what the simulator cannot do", val.Value)
			}
		case "check":
			s.Check = val.Value
			what = append(what, key.Value)
		case "do":
			if val.Kind == yaml.SequenceNode { // what a check does
				s.Params.Content = append(s.Params.Content, key, val)
				continue
			}
			s.Do = val.Value
			what = append(what, key.Value)
		case "parallel":
			what = append(what, key.Value)
			err = strict(val, &s.Parallel)
		default:
			s.Params.Content = append(s.Params.Content, key, val)
		}
		if err != nil {
			return err
		}
	}
	if len(what) != 1 {
		return errAt(n, "a step has exactly one of check:, do: and parallel:; this one has %d", len(what))
	}
	if s.Check == "" && len(s.Params.Content) > 0 {
		return errAt(s.Params.Content[0], "%s: a step without check: takes no parameters", s.Params.Content[0].Value)
	}
	if s.Check == "" && s.Message+s.Hint != "" {
		return errAt(n, "message: and hint: say what a failed check means; a step without check: has neither")
	}
	if s.Name == "" {
		s.Name = s.Check
	}
	return nil
}
