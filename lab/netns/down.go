package netns

import (
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/lab/driver"
)

// clear takes away processes in the lab's namespaces (daemons in order, then by force), and the namespaces with all that is in
// them. Afterwards it looks whether anything is left.
func clear(name string) error {
	if err := driver.Owned(name); err != nil {
		return err
	}
	names, err := namespaces(name)
	if err != nil {
		return err
	}
	names, elsewhere := ours(name, names)
	errs := []error{elsewhere, endAll(names)}
	for _, ns := range names {
		errs = append(errs, deleteNamespace(ns))
	}
	if elsewhere == nil {
		errs = append(errs, left(name))
	}
	return errors.Join(errs...)
}

// endAll ends every process in the namespaces: all are asked, then those that stay are killed.
func endAll(names []string) error {
	const grace = 3 * time.Second
	procs := processesIn(names)
	var errs []error
	for _, p := range procs {
		errs = append(errs, p.Ask())
	}
	end := time.Now().Add(grace)
	for _, p := range procs {
		if !p.WaitGone(time.Until(end)) {
			errs = append(errs, p.Kill())
		}
	}
	// What was started meanwhile inside the namespaces gets no second chance to be asked.
	for _, p := range processesIn(names) {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}

// left proves that nothing of the lab remains.
func left(name string) error {
	names, err := namespaces(name)
	if err != nil {
		return err
	}
	if len(names) > 0 {
		return fmt.Errorf("lab %s: namespaces are left: %v; see 'ip netns pids NAME' for who holds them", name, names)
	}
	return nil
}
