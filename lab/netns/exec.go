package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	vns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/driver"
)

// Exec replaces this process by a program inside a node. Like ip-netns(8) it gives the program a /sys of its namespace,
// so that tools which read /sys/class/net see the right interfaces. It returns only when it failed.
func (l *Lab) Exec(node string, argv []string) error {
	if l.s.Node(node) == nil {
		return driver.UnknownNode(node)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return fmt.Errorf("in node %s: %w", node, err)
	}
	runtime.LockOSThread() // for good: this thread becomes the program
	ns, err := vns.GetFromPath(place(l.name, node))
	if err != nil {
		return fmt.Errorf("namespace of %s: %w", node, err)
	}
	if err := vns.Set(ns); err != nil {
		return fmt.Errorf("entering %s: %w", node, err)
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	// A container may forbid a fresh sysfs; the program then sees the old one, which most programs never read.
	_ = unix.Mount("sysfs", "/sys", "sysfs", 0, "")
	return fmt.Errorf("executing %s: %w", path, syscall.Exec(path, argv, append(os.Environ(), l.Environment(node)...))) //nolint:gosec // what the user asked for
}

// Run runs a program inside a node and returns what it printed.
func (l *Lab) Run(ctx context.Context, node string, argv []string) (string, error) {
	if len(argv) == 0 {
		return "", errors.New("no command")
	}
	return driver.Output(exec.CommandContext(ctx, argv[0], argv[1:]...), //nolint:gosec // from the scenario
		func(cmd *exec.Cmd) error { return l.StartCommand(node, cmd) })
}
