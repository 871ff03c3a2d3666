package space

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/driver"
)

// Leave is what a command does last, wherever it was: when no lab is left and nobody else is at work in the space, it ends all that is
// there. Who works on meanwhile does it later.
func Leave() error {
	if !Needed() && held == nil || len(driver.Labs()) > 0 {
		return nil
	}
	base := driver.Base()
	if _, err := os.Stat(names(base)); err != nil {
		return nil // there is no space, and nothing of one
	}
	lock, err := lockBase(base)
	if err != nil {
		return err
	}
	defer lock.Close()
	if len(driver.Labs()) > 0 {
		return nil
	}
	if held == nil {
		if find(base) == 0 { // a space that has ended by itself
			_ = os.Remove(names(base))
			driver.RemoveBase()
		}
		return nil
	}
	if unix.Flock(int(held.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil { // lets go of the shared lock as well, so of two who leave the last gets it
		return nil
	}
	rest, err := inSpace()
	errs := []error{err}
	for _, p := range rest {
		errs = append(errs, p.Kill())
	}
	if err := unix.Unmount(names(base), unix.MNT_DETACH); err != nil {
		errs = append(errs, fmt.Errorf("unmounting %s: %w", names(base), err))
	}
	errs = append(errs, os.Remove(names(base)))
	driver.RemoveBase()
	return errors.Join(errs...)
}

// abandon ends a space from outside, one that has lost its directory: its namespaces have no names any more, so its labs are of no use.
func abandon(way int) error {
	ns, _ := user(strconv.Itoa(way)) // no process is of none
	var errs []error
	for _, p := range in(ns) {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}
