package custody

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/getvpn/getvpn/hsm"
)

// Key is a key that a configuration names.
type Key struct {
	Name string
	Spec hsm.Spec
	For  string // what it is for, in words
}

// Successor is the name of the key that takes the place of inUse, where base is the one in the configuration: base,
// base.2, base.3 and so on.
func Successor(base, inUse string) (string, error) {
	n, ok := Generation(base, inUse)
	if !ok {
		return "", fmt.Errorf("custody: %s is no successor of %s", inUse, base)
	}
	u, err := hsm.ParseKey(base)
	if err != nil {
		return "", err
	}
	u.Object += "." + strconv.Itoa(n+1)
	u.ID = nil // that of the first
	if strings.HasPrefix(base, "pkcs11:") {
		return u.String(), nil
	}
	return u.Object, nil
}

// Generation is the number of a key among those that have taken the place of base; 1: it is base itself.
func Generation(base, name string) (int, bool) {
	if name == base {
		return 1, true
	}
	b, errb := hsm.ParseKey(base)
	k, errk := hsm.ParseKey(name)
	if errb != nil || errk != nil {
		return 0, false
	}
	digits, ok := strings.CutPrefix(k.Object, b.Object+".")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 2 || strconv.Itoa(n) != digits {
		return 0, false
	}
	return n, true
}

// Same tells whether two names are of one key: a label, or a URI that has it.
func Same(a, b string) bool {
	ua, erra := hsm.ParseKey(a)
	ub, errb := hsm.ParseKey(b)
	return erra == nil && errb == nil && ua.Object == ub.Object
}

// Lacks lists the keys that are wanted and neither there nor succeeded by one that is.
func Lacks(want []Key, there []hsm.KeyInfo) (out []Key) {
	for _, k := range want {
		found := slices.ContainsFunc(there, func(t hsm.KeyInfo) bool {
			_, is := Generation(k.Name, t.Name)
			return is || Same(k.Name, t.Name)
		})
		if !found {
			out = append(out, k)
		}
	}
	return out
}
