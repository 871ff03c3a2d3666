package space

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/driver"
)

// Command is the command of getvpn-lab that calls Anchor.
const Command = "anchor"

// first tells an anchor that it makes the space.
const first = "first"

// found makes the space of a directory and returns its anchor.
func found(base string) (pid int, err error) {
	lacks := tun()
	pid, err = startAnchor(base, true)
	if err != nil {
		lacks = append(lacks, refused(err)...)
	}
	if len(lacks) == 0 {
		return pid, nil
	}
	if err == nil {
		_ = unix.Kill(pid, unix.SIGKILL) // our child, whom nobody has waited for
	}
	_ = os.Remove(names(base)) // gone with the mount on it
	driver.RemoveBase()
	return 0, &Missing{lacks}
}

// startAnchor starts an anchor in this process's namespaces, or in new ones, and waits until it holds.
func startAnchor(base string, create bool) (pid int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	cmd := exec.Command(self, Command)
	cmd.Dir, cmd.Env = "/", append(os.Environ(), client.SpaceVariable+"="+base)
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if create {
		cmd.Args = append(cmd.Args, first)
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWNS
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return 0, err
	}
	said, err := io.ReadAll(r)
	if text, ok := strings.CutSuffix(string(said), "\n"); err != nil || !ok || text != "" {
		_ = cmd.Wait()
		return 0, errors.Join(err, errors.New(strings.TrimSpace("the process that holds the user namespace: "+text)))
	}
	return cmd.Process.Pid, nil
}

// Anchor keeps the space until ctx ends. Whoever started it reads from descriptor 3 what went wrong, and at the end a newline.
func Anchor(ctx context.Context, args []string) error {
	var err error
	if len(args) > 0 && args[0] == first {
		err = furnish()
	}
	report := os.NewFile(3, "report")
	if err != nil {
		fmt.Fprint(report, err)
		return err
	}
	fmt.Fprintln(report)
	report.Close()
	<-ctx.Done()
	return nil
}

// furnish makes what a lab needs in a new space: a place for names, and loopback.
func furnish() error {
	dir := Names()
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	if err := unix.Mount("getvpn-lab", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NOEXEC|unix.MS_NODEV, "mode=0700"); err != nil {
		return fmt.Errorf("tmpfs on %s: %w", dir, err)
	}
	lo, err := netlink.LinkByName("lo")
	if err == nil {
		err = netlink.LinkSetUp(lo)
	}
	if err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	return nil
}
