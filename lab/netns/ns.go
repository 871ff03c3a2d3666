package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/space"
)

// prefix begins the name of every namespace of a lab.
func prefix(lab string) string { return "gvl-" + lab + "-" }

// place is the file of a node's namespace.
func place(lab, node string) string { return filepath.Join(space.Names(), prefix(lab)+node) }

// createNamespace makes a network namespace with a name, as ip-netns(8) does.
func createNamespace(name string) error {
	path := filepath.Join(space.Names(), name)
	err := os.MkdirAll(space.Names(), 0o755) //nolint:gosec // as ip-netns(8) makes it
	if err == nil {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444); err == nil {
			err = f.Close()
		}
	}
	if err == nil {
		err = driver.OnOwnThread(func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			return unix.Mount(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), path, "bind", unix.MS_BIND, "")
		})
	}
	if err != nil {
		return fmt.Errorf("creating namespace %s: %w", name, err)
	}
	return nil
}

// deleteNamespace removes the name; the kernel removes the namespace, its links, addresses, routes and rules with the
// last process or socket in it. A name that a killed tool left without a mount is removed as well.
func deleteNamespace(name string) error {
	path := filepath.Join(space.Names(), name)
	if err := unix.Unmount(path, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("unmounting namespace %s: %w", name, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing namespace %s: %w", name, err)
	}
	return nil
}

// namespaces lists the names of a lab's namespaces.
func namespaces(lab string) ([]string, error) {
	entries, err := os.ReadDir(space.Names())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix(lab)) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

type nsID struct{ dev, ino uint64 }

func identity(path string) (nsID, bool) {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return nsID{}, false
	}
	return nsID{uint64(st.Dev), st.Ino}, true //nolint:unconvert // Dev is narrower on other architectures
}

// processesIn finds the processes that live in the named namespaces, this one excepted.
func processesIn(names []string) []driver.Process {
	ids := map[nsID]bool{}
	for _, n := range names {
		if id, ok := identity(filepath.Join(space.Names(), n)); ok {
			ids[id] = true
		}
	}
	// The namespace of the tool itself is never a lab's, but a name without a mount could look like anything: a plain
	// file is no namespace of any process, and our own is excluded by hand.
	if own, ok := identity("/proc/self/ns/net"); ok {
		delete(ids, own)
	}
	return slices.DeleteFunc(driver.Processes(), func(p driver.Process) bool {
		id, ok := identity(fmt.Sprintf("/proc/%d/ns/net", p.PID))
		return !ok || !ids[id]
	})
}
