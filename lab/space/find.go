package space

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"

	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/driver"
)

// user is the user namespace of a process, as the kernel names it. Of processes of other users it is not told.
func user(pid string) (string, bool) {
	s, err := os.Readlink("/proc/" + pid + "/ns/user")
	return s, err == nil
}

func isAnchor(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	args := bytes.Split(b, []byte{0})
	return err == nil && len(args) > 1 && string(args[1]) == Command
}

// marked says whether a process is one of the space of a directory.
func marked(pid int, base string) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && slices.ContainsFunc(bytes.Split(b, []byte{0}), func(v []byte) bool { return string(v) == client.SpaceVariable+"="+base })
}

// find is a process through which the space of a directory can be entered, the anchor if it lives; 0 when there is no space.
func find(base string) (way int) {
	own, _ := user("self")
	for _, p := range driver.Processes() {
		if ns, ok := user(strconv.Itoa(p.PID)); !ok || ns == own || !marked(p.PID, base) {
			continue
		}
		if way == 0 || isAnchor(p.PID) {
			way = p.PID
		}
	}
	return way
}

// inSpace lists the other processes of the space in which this one is.
func inSpace() ([]driver.Process, error) {
	own, ok := user("self")
	if !ok {
		return nil, fmt.Errorf("/proc/self/ns/user cannot be read")
	}
	return in(own), nil
}

// in lists those of a user namespace.
func in(ns string) []driver.Process {
	return slices.DeleteFunc(driver.Processes(), func(p driver.Process) bool {
		its, ok := user(strconv.Itoa(p.PID))
		return !ok || its != ns
	})
}

func hasAnchor(all []driver.Process) bool {
	return slices.ContainsFunc(all, func(p driver.Process) bool { return isAnchor(p.PID) })
}
