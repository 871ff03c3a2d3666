package topologies

import "strings"

// near is the name that somebody may have meant, or "": one that begins like it, or one with a few letters changed.
func near(name string, names []string) string {
	best, least := "", 1+min(2, len(name)/3) // of a short name two letters are too much
	for _, n := range names {
		if d := distance(name, n); d < least {
			best, least = n, d
		}
	}
	if best == "" && len(name) > 2 {
		for _, n := range names {
			if strings.HasPrefix(n, name) || strings.ReplaceAll(n, "-", "") == strings.NewReplacer("-", "", "_", "").Replace(name) {
				return n
			}
		}
	}
	return best
}

// distance counts the letters to change, to leave out or to add, or to swap with the next, to make one text of another.
func distance(a, b string) int {
	var before []int
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
