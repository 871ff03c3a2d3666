package policy

import "fmt"

// GroupPolicy is what LintGroups compares.
type GroupPolicy struct {
	Name      string
	Authorise Authorisation
	Lists     []Source
}

// Effective is the access lists as one: the first match over all of them decides.
func Effective(lists []Source) List {
	var out List
	for _, s := range lists {
		out = append(out, s.Rules...)
	}
	return out
}

// LintGroups finds traffic that two groups of a key server encrypt. The findings of each group are at its own index, and
// name the earlier group. It is a warning when somebody may be a member of both.
func LintGroups(groups []GroupPolicy) [][]Finding {
	out := make([][]Finding, len(groups))
	for b := range groups {
		for a := range groups[:b] {
			if f, ok := shared(groups[a], groups[b]); ok {
				out[b] = append(out[b], f)
			}
		}
	}
	return out
}

// shared finds the first rule of b that encrypts traffic which a encrypts too.
func shared(a, b GroupPolicy) (Finding, bool) {
	ea, eb := Effective(a.Lists), Effective(b.Lists)
	at := 0
	for li, s := range b.Lists {
		for ri, r := range s.Rules {
			for k, o := range ea {
				if r.Action != Permit || o.Action != Permit {
					continue
				}
				before := append(append(List{}, ea[:k]...), eb[:at]...)
				if !r.reaches(o, before) {
					continue
				}
				f := Finding{Code: CodeOverlap, List: li, Index: ri, Rule: r.String(), Text: fmt.Sprintf(
					"%s and %s of group %s encrypt the same traffic; a member of both sends it under the group that it lists first, so give each group prefixes of its own", r, o, a.Name)}
				if a.Authorise.meets(b.Authorise) {
					f.Level = Warning
				}
				return f, true
			}
			at++
		}
	}
	return Finding{}, false
}

// meets says whether one peer could be allowed by both, as far as addresses and equal identities tell.
func (a Authorisation) meets(b Authorisation) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Prefix.IsValid() && y.Prefix.IsValid() {
				if x.Prefix.Overlaps(y.Prefix) && (x.ID == "" || y.ID == "" || x.ID == y.ID) {
					return true
				}
			} else if x.ID != "" && x.ID == y.ID {
				return true
			}
		}
	}
	return false
}
