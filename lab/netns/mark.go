package netns

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/lab/driver"
)

// Namespaces of root have their names in one directory, wherever a lab is kept. Each says it by the alias of its loopback interface,
// which goes with the namespace.

// longest is the length of an alias that the kernel takes (IFALIASZ, with the zero at its end).
const longest = 255

// mark makes the namespace of a node say where its lab is kept.
func mark(lab, node string) error {
	home := driver.Base()
	if len(home) > longest {
		return nil
	}
	h, ns, err := at(lab, node)
	if err != nil {
		return err
	}
	defer ns.Close()
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err == nil {
		err = h.LinkSetAlias(lo, home)
	}
	if err != nil {
		return fmt.Errorf("node %s: alias of its loopback interface: %w", node, err)
	}
	return nil
}

// marked is what it says; empty: nothing, as a namespace that is just being made.
func marked(lab, node string) string {
	h, ns, err := at(lab, node)
	if err != nil {
		return "" // a name that a killed tool left without a namespace
	}
	defer ns.Close()
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err != nil {
		return ""
	}
	return lo.Attrs().Alias
}

// ours are those of the namespaces with the name of a lab that are not of a lab which another directory has; the error says that there
// are such. One that says nothing may be theirs then.
func ours(lab string, names []string) (mine []string, err error) {
	var silent []string
	for _, name := range names {
		base := marked(lab, strings.TrimPrefix(name, prefix(lab)))
		if base == "" {
			silent = append(silent, name)
			continue
		}
		if other := driver.Elsewhere(lab, base); other != nil {
			err = other
			continue
		}
		mine = append(mine, name)
	}
	if err == nil {
		mine = append(mine, silent...)
	}
	return mine, err
}
