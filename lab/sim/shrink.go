package sim

import (
	"slices"
	"time"
)

// Shrink makes the list of faults of a plan that breaks a rule as short as it can, so that it still breaks it first. At most
// tries runs are played. It returns the shorter plan and how many runs that took.
func Shrink(p Plan, rule string, tries int) (Plan, int) {
	runs := 0
	p.Faults = shortest(p.Faults, func(faults []Fault) bool {
		if runs >= tries {
			return false
		}
		runs++
		q := p
		q.Faults = faults
		o := Play(q, false)
		return o.Rule() == rule
	})
	return p, runs
}

// shortest is delta debugging (Zeller, Hildebrandt 2002) over the list, then each fault made shorter by halves.
func shortest(list []Fault, breaks func([]Fault) bool) []Fault {
	for parts := 2; len(list) > 0; {
		parts = min(parts, len(list))
		shorter := false
		for i := range parts {
			rest := slices.Concat(list[:i*len(list)/parts], list[(i+1)*len(list)/parts:])
			if breaks(rest) {
				list, parts, shorter = rest, max(2, parts-1), true
				break
			}
		}
		if !shorter && parts == len(list) {
			break
		}
		if !shorter {
			parts *= 2
		}
	}
	for i := range list {
		for list[i].For > time.Second {
			less := slices.Clone(list)
			less[i].For = (less[i].For / 2).Truncate(time.Millisecond)
			if !breaks(less) {
				break
			}
			list = less
		}
	}
	return list
}
