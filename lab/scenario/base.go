package scenario

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A scenario with "base: NAME" builds on another one:
//
//	vars, draw, profiles, programs, services   merged by key; a program given here replaces the whole of the base's
//	nodes                       merged by name: the keys given here replace those of the base, new nodes are added
//	links, secrets              added to those of the base
//	without: [NODE...]          nodes of the base, with their links, that are not there
//	sabotage                    the base's is left out: it may break what is not there
//	everything else             replaced where it is given here
const (
	keyBase    = "base"
	keyWithout = "without"
	keyNodes   = "nodes"
)

// BaseFile is how mistakes name the file of a scenario that comes with getvpn-lab.
func BaseFile(name string) string { return name + "/" + name + ".yaml" }

// onBase merges a scenario into its base. What it returns has neither base: nor without:, and text that parses alone.
func onBase(file string, root *yaml.Node, text []byte, opt Options) (*yaml.Node, []byte, error) {
	name := value(root, keyBase)
	if name == nil {
		if w := value(root, keyWithout); w != nil {
			return nil, nil, &Error{file, posOf(w), "without: leaves out nodes of a base:, and there is none"}
		}
		return root, text, nil
	}
	if opt.Base == nil {
		return nil, nil, &Error{file, posOf(name), "base: is not possible here"}
	}
	below, err := opt.Base(name.Value)
	if err != nil {
		return nil, nil, &Error{file, posOf(name), fmt.Sprintf("base: %v", err)}
	}
	base, err := document(BaseFile(name.Value), below)
	if err != nil {
		return nil, nil, err
	}
	sink(base)
	if b := value(base, keyBase); b != nil {
		return nil, nil, &Error{file, posOf(name), fmt.Sprintf("base %s has a base itself; name %s instead", name.Value, b.Value)}
	}
	base = without(base, keySabotage)
	var leave []string
	if w := value(root, keyWithout); w != nil {
		if err := strict(w, &leave); err != nil {
			return nil, nil, located(file, err)
		}
		for _, n := range leave {
			if !leaveOut(base, n) {
				return nil, nil, &Error{file, posOf(w), fmt.Sprintf("without: base %s has no node %q", name.Value, n)}
			}
		}
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		merge(base, root.Content[i], root.Content[i+1])
	}
	out, err := yaml.Dump(base)
	if err != nil {
		return nil, nil, &Error{file, Pos{}, fmt.Sprintf("base: %v", err)}
	}
	return base, out, nil
}

// merge lays one key of a scenario over its base.
func merge(base, key, over *yaml.Node) {
	below := value(base, key.Value)
	switch {
	case key.Value == keyBase || key.Value == keyWithout:
	case below == nil:
		base.Content = append(base.Content, key, over)
	case key.Value == "vars" || key.Value == keyDraw || key.Value == "programs" || key.Value == "services":
		mergeMapping(below, over)
	case key.Value == "profiles":
		for i := 0; i+1 < len(over.Content); i += 2 {
			if p := value(below, over.Content[i].Value); p != nil {
				mergeMapping(p, over.Content[i+1])
			} else {
				below.Content = append(below.Content, over.Content[i], over.Content[i+1])
			}
		}
	case key.Value == keyNodes:
		for _, n := range over.Content {
			if was := named(below, value(n, "name")); was != nil {
				mergeMapping(was, n)
			} else {
				below.Content = append(below.Content, n)
			}
		}
	case key.Value == "links" || key.Value == "secrets":
		below.Content = append(below.Content, over.Content...)
	default:
		*below = *over
	}
}

func mergeMapping(below, over *yaml.Node) {
	for i := 0; i+1 < len(over.Content); i += 2 {
		if v := value(below, over.Content[i].Value); v != nil {
			*v = *over.Content[i+1]
		} else {
			below.Content = append(below.Content, over.Content[i], over.Content[i+1])
		}
	}
}

// value is what a mapping holds under a key, or nil.
func value(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// LeftOut lists the nodes that the scenario takes from its base's, when it has the base's steps all the same.
func (s *Scenario) LeftOut() []string {
	if len(s.Steps) == 0 || !s.Steps[0].At.Below {
		return nil
	}
	return s.leftOut
}

func named(nodes, name *yaml.Node) *yaml.Node {
	for _, n := range nodes.Content {
		if v := value(n, "name"); v != nil && name != nil && v.Value == name.Value {
			return n
		}
	}
	return nil
}

// leaveOut removes a node, its links, and the routes through it.
func leaveOut(base *yaml.Node, name string) bool {
	nodes := value(base, keyNodes)
	if nodes == nil {
		return false
	}
	before := len(nodes.Content)
	nodes.Content = slices.DeleteFunc(nodes.Content, func(n *yaml.Node) bool {
		v := value(n, "name")
		return v != nil && v.Value == name
	})
	var gone []string // its addresses
	if links := value(base, "links"); links != nil {
		links.Content = slices.DeleteFunc(links.Content, func(l *yaml.Node) bool {
			before := len(gone)
			if ends := value(l, "ends"); ends != nil {
				for _, e := range ends.Content {
					if f := strings.Fields(e.Value); len(f) == 3 && f[0] == name {
						addr, _, _ := strings.Cut(f[2], "/")
						gone = append(gone, addr)
					}
				}
			}
			return len(gone) > before
		})
	}
	for _, n := range nodes.Content {
		if routes := value(n, "routes"); routes != nil {
			routes.Content = slices.DeleteFunc(routes.Content, func(r *yaml.Node) bool {
				_, via, _ := strings.Cut(r.Value, " via ")
				return slices.Contains(gone, via)
			})
		}
	}
	return len(nodes.Content) < before
}
