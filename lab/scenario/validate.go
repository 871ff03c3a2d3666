package scenario

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/getvpn/getvpn/gdoi/policy"
)

var (
	labName   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,23}$`) // of labs
	scenName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,23}$`) // of scenarios; a lab of it has underscores for its hyphens
	nodeName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,15}$`)
	ifaceName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9._-]{0,14}$`) // IFNAMSIZ less the closing zero
	fileName  = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$`)
)

// ValidName says whether a lab may have this name. A hyphen is not allowed: it ends the lab's name in the name of a
// namespace.
func ValidName(name string) bool { return labName.MatchString(name) }

// LabName is the name of a lab of this scenario when nobody gives another.
func (s *Scenario) LabName() string { return strings.ReplaceAll(s.Name, "-", "_") }

func (s *Scenario) validate() (errs []error) {
	bad := func(at Pos, format string, args ...any) {
		errs = append(errs, s.ErrorAt(at, format, args...))
	}
	if !scenName.MatchString(s.Name) || !ValidName(s.LabName()) {
		bad(s.Place("name"), "name: %q; a name is a letter and up to 23 more letters, digits or hyphens, in lower case", s.Name)
	}
	if strings.ContainsFunc(s.Title, func(r rune) bool { return !unicode.IsPrint(r) }) { // it is a line of lists, and of files that are written
		bad(s.Place("title"), "title: %q; a title is one line, without control characters", s.Title)
	}
	for i, n := range s.Secrets {
		if !fileName.MatchString(n) {
			bad(s.Place("secrets", i), "secrets: %q is no plain file name", n)
		}
	}
	s.validateTasks(bad)
	s.validateSabotage(bad)
	s.validatePKI(bad)
	s.validateHSM(bad)
	s.validateServices(bad)
	for i, p := range s.Policy {
		if _, err := policy.ParseRule(p); err != nil {
			bad(s.Place("policy", i), "policy, rule %d: %v", i+1, err)
		}
	}
	seen := map[string]Pos{}
	for _, n := range s.Nodes {
		if !nodeName.MatchString(n.Name) {
			bad(n.At, "node name %q: a letter and up to 15 more letters, digits or hyphens, in lower case", n.Name)
		}
		if at, ok := seen[n.Name]; ok {
			bad(n.At, "node %s is already defined on %s", n.Name, at.other())
		}
		seen[n.Name] = n.At
		if !slices.Contains([]Kind{KindKeyServer, KindMember, KindCore, KindHost}, n.Kind) {
			bad(n.At, "node %s: kind %q; write ks, gm, core or host", n.Name, n.Kind)
		}
		if n.Program != "" {
			p, ok := s.Programs[n.Program]
			switch {
			case !ok:
				bad(n.At, "node %s: there is no program %q", n.Name, n.Program)
			case !fileName.MatchString(p.Binary):
				bad(p.at, "program %s: binary: is the plain name of a program beside getvpn-lab", n.Program)
			}
		}
	}
	s.validateLinks(bad)
	s.dualStack(bad)
	if len(errs) > 0 {
		return errs
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Program != "" {
			if _, err := s.Render(n, Places{}); err != nil {
				errs = append(errs, err)
			}
		}
		for _, name := range n.Services {
			if _, _, err := s.RenderService(n, name, Places{}); err != nil {
				errs = append(errs, err)
			}
		}
		s.validateRoutes(&s.Nodes[i], bad)
	}
	return errs
}

// validateLinks checks the links and gives the nodes their addresses.
func (s *Scenario) validateLinks(bad func(Pos, string, ...any)) {
	used := map[string]Pos{}
	for _, l := range s.Links {
		if len(l.Ends) != 2 {
			bad(l.At, "a link has two ends, this one has %d", len(l.Ends))
			continue
		}
		if l.MTU != 0 && (l.MTU < 576 || l.MTU > 65535) {
			bad(l.At, "mtu %d is outside 576..65535", l.MTU)
		}
		if l.Ends[0].Prefix.Masked() != l.Ends[1].Prefix.Masked() || l.Ends[0].Prefix.Addr() == l.Ends[1].Prefix.Addr() {
			bad(l.At, "%s and %s are not two addresses of one network", l.Ends[0].Prefix, l.Ends[1].Prefix)
		}
		for i, e := range l.Ends {
			n := s.Node(e.Node)
			if n == nil {
				bad(e.At, "there is no node %q", e.Node)
				continue
			}
			if !ifaceName.MatchString(e.Interface) {
				bad(e.At, "interface %q: a letter and up to 14 more letters, digits, dots or hyphens", e.Interface)
			}
			key := e.Node + " " + e.Interface
			if at, ok := used[key]; ok {
				bad(e.At, "interface %s of %s is already used on %s", e.Interface, e.Node, at.other())
			}
			used[key] = e.At
			n.Addresses = append(n.Addresses, Address{Interface: e.Interface, Prefix: e.Prefix, Peer: l.Ends[1-i].Node})
		}
	}
}

func (s *Scenario) validateRoutes(n *Node, bad func(Pos, string, ...any)) {
	for _, r := range n.Routes {
		if !slices.ContainsFunc(n.Addresses, func(a Address) bool { return a.Prefix.Masked().Contains(r.Via) || a.Prefix6.Masked().Contains(r.Via) }) {
			bad(r.At, "node %s: next hop %s is on none of its links", n.Name, r.Via)
		}
	}
}
