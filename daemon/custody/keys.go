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
	n, ok := generation(base, inUse)
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

// generation is the number of a key among those that have taken the place of base; 1: it is base itself.
func generation(base, name string) (int, bool) {
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

// Serves tells whether name is that of the key base, by its label or by a URI that has it, or of one that has taken its place.
func Serves(base, name string) bool {
	if _, is := generation(base, name); is {
		return true
	}
	b, errb := hsm.ParseKey(base)
	k, errk := hsm.ParseKey(name)
	return errb == nil && errk == nil && b.Object == k.Object
}

// Lacks lists the keys that are wanted and neither there nor succeeded by one that is.
func Lacks(want []Key, there []hsm.KeyInfo) (out []Key) {
	for _, k := range want {
		if !slices.ContainsFunc(there, func(t hsm.KeyInfo) bool { return Serves(k.Name, t.Name) }) {
			out = append(out, k)
		}
	}
	return out
}
