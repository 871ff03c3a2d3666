package coop

import "strings"

// maxDiff is how many lines of difference are kept, and maxCompare how many lines of a policy are compared in order.
const (
	maxDiff    = 200
	maxCompare = 1000
)

// diffLines says how ours differs from theirs: "- " is theirs alone, "+ " ours alone.
func diffLines(theirs, ours []string) []string {
	ours = policyLines(ours)
	theirs, ours = theirs[:min(len(theirs), maxCompare)], ours[:min(len(ours), maxCompare)]
	// common[i][j] is the longest common subsequence of what is left.
	common := make([][]int16, len(theirs)+1)
	for i := range common {
		common[i] = make([]int16, len(ours)+1)
	}
	for i := len(theirs) - 1; i >= 0; i-- {
		for j := len(ours) - 1; j >= 0; j-- {
			if theirs[i] == ours[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	out := []string{}
	i, j := 0, 0
	for i < len(theirs) || j < len(ours) {
		switch {
		case i < len(theirs) && j < len(ours) && theirs[i] == ours[j]:
			i, j = i+1, j+1
		case j == len(ours) || i < len(theirs) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+shown(theirs[i]))
			i++
		default:
			out = append(out, "+ "+shown(ours[j]))
			j++
		}
		if len(out) == maxDiff {
			return append(out, "...")
		}
	}
	return out
}

// shown is a line as operators see it: an SA without a name needs none.
func shown(line string) string { return strings.TrimPrefix(line, `sa "" `) }
