package policy

import (
	"crypto/sha256"
	"encoding/hex"
)

// DiffLine is a line of a comparison.
type DiffLine struct {
	Op   string // "+" is new, "-" is gone, "=" stays
	Text string
}

// Diff compares two access lists, in the order of the new one; what is gone stands where it was. Order decides, so a rule
// that moved is one that is gone and one that is new.
func Diff(was, is List) []DiffLine {
	a, b := was.Strings(), is.Strings()
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []DiffLine
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, DiffLine{"=", a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out = append(out, DiffLine{"-", a[i]})
			i++
		default:
			out = append(out, DiffLine{"+", b[j]})
			j++
		}
	}
	return out
}

// digestOctets of SHA-256 are enough to tell policies apart, not to prove anything.
const digestOctets = 6

// Digest names an access list: 12 hex digits of the SHA-256 of its canonical text. Key server and members that hold the
// same list show the same digest.
func (l List) Digest() string {
	sum := sha256.Sum256([]byte(l.String()))
	return hex.EncodeToString(sum[:digestOctets])
}
