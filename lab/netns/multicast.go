package netns

import (
	"path/filepath"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// routeMulticast starts the multicast router (package mroute) in all core nodes, if the scenario wants it. It ends with
// the namespace, like every process in it.
func (l *Lab) routeMulticast() error {
	if !l.s.Multicast {
		return nil
	}
	program, err := driver.FindProgram("getvpn-lab")
	if err != nil {
		return err
	}
	for _, n := range l.s.Nodes {
		if n.Kind != scenario.KindCore {
			continue
		}
		log := filepath.Join(driver.Dir(l.name), "logs", n.Name+"-multicast.log")
		if _, err := launch(prefix(l.name)+n.Name, log, nil, program, "mroute"); err != nil {
			return err
		}
	}
	return nil
}
