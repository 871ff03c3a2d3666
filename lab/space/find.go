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

// member is a process of a space.
type member struct {
	driver.Process
	anchor bool
}

// user is the user namespace of a process, as the kernel names it. Of processes of other users it is not told.
func user(pid string) (string, bool) {
	s, err := os.Readlink("/proc/" + pid + "/ns/user")
	return s, err == nil
}

// each goes through the processes that live, this one excepted.
func each(fn func(pid int)) {
	entries, _ := os.ReadDir("/proc") // what cannot be listed cannot be ours
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if state, _, err := driver.Stat(pid); err == nil && state != 'Z' && state != 'X' {
			fn(pid)
		}
	}
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
	each(func(pid int) {
		if ns, ok := user(strconv.Itoa(pid)); !ok || ns == own || !marked(pid, base) {
			return
		}
		if way == 0 || isAnchor(pid) {
			way = pid
		}
	})
	return way
}

// inSpace lists the other processes of the space in which this one is.
func inSpace() (all []member, err error) {
	own, ok := user("self")
	if !ok {
		return nil, fmt.Errorf("/proc/self/ns/user cannot be read")
	}
	each(func(pid int) {
		if ns, ok := user(strconv.Itoa(pid)); !ok || ns != own {
			return
		}
		if _, start, err := driver.Stat(pid); err == nil {
			all = append(all, member{driver.Process{PID: pid, Start: start}, isAnchor(pid)})
		}
	})
	return all, nil
}

func hasAnchor(all []member) bool {
	return slices.ContainsFunc(all, func(m member) bool { return m.anchor })
}
