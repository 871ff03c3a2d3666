package netns

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

// Down takes a lab away, whatever state it is in: processes in its namespaces (daemons in order, then by force), the
// namespaces with all that is in them, the run directory. It is no error when there is nothing. Afterwards it looks
// whether anything is left.
func Down(name string) error {
	if !scenario.ValidName(name) {
		return fmt.Errorf("lab name %q is not valid", name)
	}
	names, err := namespaces(name)
	if err != nil {
		return err
	}
	errs := []error{endAll(names)}
	for _, ns := range names {
		errs = append(errs, deleteNamespace(ns))
	}
	if err := os.RemoveAll(Dir(name)); err != nil {
		errs = append(errs, fmt.Errorf("run directory: %w", err))
	}
	if os.Getenv("GETVPN_LAB_DIR") == "" {
		_ = os.Remove(Base()) // succeeds with the last lab
	}
	return errors.Join(append(errs, left(name))...)
}

// endAll ends every process in the namespaces: all are asked, then those that stay are killed.
func endAll(names []string) error {
	const grace = 3 * time.Second
	var procs []process
	for _, pid := range processesIn(names) {
		if _, start, err := statOf(pid); err == nil {
			procs = append(procs, process{pid, start})
		}
	}
	var errs []error
	for _, p := range procs {
		errs = append(errs, p.ask())
	}
	end := time.Now().Add(grace)
	for _, p := range procs {
		if !p.waitGone(time.Until(end)) {
			errs = append(errs, p.kill())
		}
	}
	// What was started meanwhile inside the namespaces gets no second chance to be asked.
	for _, pid := range processesIn(names) {
		if state, start, err := statOf(pid); err == nil && state != 'Z' {
			errs = append(errs, process{pid, start}.kill())
		}
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
	if _, err := os.Lstat(Dir(name)); err == nil {
		return fmt.Errorf("lab %s: %s is left", name, Dir(name))
	}
	return nil
}
