package action

import (
	"slices"
	"sort"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Complete lists what the last of the words after a verb's name can become; an empty last word: everything.
func (v *Verb) Complete(fleet *source.Fleet, words []string) []string {
	if len(words) == 0 {
		words = []string{""}
	}
	last, before := words[len(words)-1], words[:len(words)-1]
	if v.about(Sides) && !strings.HasPrefix(last, "-") {
		return sides(fleet, last)
	}
	if strings.HasPrefix(last, "-") {
		var out []string
		for _, f := range v.Flags {
			out = append(out, "--"+f.Name)
		}
		return beginning(out, last)
	}
	if n := len(before); n > 0 {
		if f := v.flag(strings.TrimPrefix(before[n-1], "--")); f != nil && f.Value && strings.HasPrefix(before[n-1], "--") {
			return beginning(candidates(fleet, f.Kind, firstOf(before)), last)
		}
	}
	at := 0
	for i, w := range before {
		if !strings.HasPrefix(w, "--") && (i == 0 || !v.takes(before[i-1])) {
			at++
		}
	}
	switch {
	case len(v.Args) == 0:
		return nil
	case at >= len(v.Args) && !v.Args[len(v.Args)-1].Many:
		return nil
	}
	a := v.Args[min(at, len(v.Args)-1)]
	return beginning(candidates(fleet, a.Kind, firstOf(before)), last)
}

// takes says whether a word is a flag that takes a value.
func (v *Verb) takes(word string) bool {
	f := v.flag(strings.TrimPrefix(word, "--"))
	return strings.HasPrefix(word, "--") && f != nil && f.Value
}

func firstOf(words []string) string {
	for _, w := range words {
		if !strings.HasPrefix(w, "--") {
			return w
		}
	}
	return ""
}

func beginning(all []string, with string) []string {
	return slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(s, with) })
}

// candidates lists what an argument can be.
func candidates(fleet *source.Fleet, k Kind, group string) (out []string) {
	switch k {
	case Group:
		return fleet.Groups()
	case Server:
		if c := fleet.Cooperation(group); c != nil {
			for i := range c.Servers {
				out = append(out, c.Servers[i].Name)
			}
		}
	case Member:
		out = membersOf(fleet, group)
	case Node:
		for i := range fleet.Nodes {
			out = append(out, fleet.Nodes[i].Name)
		}
	case Token:
		for i := range fleet.Nodes {
			if s := fleet.Nodes[i].Snap; s != nil && s.Custody != nil && s.Custody.Backend == "pkcs11" {
				out = append(out, fleet.Nodes[i].Name)
			}
		}
	case Task:
		if fleet.Course != nil {
			for i := range fleet.Course.Tasks {
				out = append(out, fleet.Course.Tasks[i].Name)
			}
		}
	case Time:
		return []string{"10s", "30s", "2m"}
	}
	return out
}

// membersOf lists the members of a group: nodes by name, others by address.
func membersOf(fleet *source.Fleet, group string) []string {
	names, seen := []string{}, map[string]bool{}
	for i := range fleet.Nodes {
		n := &fleet.Nodes[i]
		if n.Snap == nil || n.Snap.GM == nil {
			continue
		}
		for _, g := range n.Snap.GM.Groups {
			if g.Name == group {
				names = append(names, n.Name)
				seen[n.Snap.MemberAddress(group)] = true
			}
		}
	}
	if _, g := fleet.KSOf(group); g != nil {
		more := func(addr string) {
			if h := source.Host(addr); !seen[h] {
				seen[h] = true
				names = append(names, h)
			}
		}
		for i := range g.Members {
			if g.Members[i].State != control.StateLeft {
				more(g.Members[i].Address)
			}
		}
		for i := range g.Removed {
			more(g.Removed[i].Address)
		}
	}
	sort.Strings(names)
	return names
}

// about says whether the verb's argument is of a kind.
func (v *Verb) about(k Kind) bool { return len(v.Args) > 0 && v.Args[0].Kind == k }

// sides completes the last name of A,B/C: any node of the lab that is not there yet, routers and hosts too.
func sides(fleet *source.Fleet, word string) (out []string) {
	head := word[:strings.LastIndexAny(word, ",/")+1]
	if fleet.State == nil {
		return nil
	}
	taken := strings.FieldsFunc(head, func(r rune) bool { return r == ',' || r == '/' })
	for i := range fleet.State.Nodes {
		if n := &fleet.State.Nodes[i]; !n.Outsider && !slices.Contains(taken, n.Name) {
			out = append(out, head+n.Name)
		}
	}
	return beginning(out, word)
}
