package space

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/driver"
)

// What a command passes on to itself through nsenter.
const (
	lockVariable = "GETVPN_LAB_SPACE_LOCK" // the descriptor of the lock that it holds until it has arrived
	cwdVariable  = "GETVPN_LAB_SPACE_CWD"  // entering a mount namespace leads to its root
)

// Inside says whether this process lives in the space of a user's labs.
func Inside() bool { return os.Geteuid() == 0 && os.Getenv(client.SpaceVariable) != "" }

// Needed says whether this process has to enter a space before it can have network namespaces.
func Needed() bool { return os.Geteuid() != 0 }

// Names is the directory where network namespaces have their names: that of ip-netns(8) for root, to which ours are visible on purpose.
func Names() string {
	if Needed() || Inside() {
		return names(driver.Base())
	}
	return "/run/netns"
}

func names(base string) string { return filepath.Join(base, ".netns") }

// Enter makes this program go on inside the space, which it makes if there is none and create says so. It returns only without
// having entered: with nil when there is no space, and with an error, which is a *Missing where the system does not allow one.
func Enter(create bool) error {
	base := driver.Base()
	if _, err := os.Stat(base); err != nil && !create && find(base) == 0 {
		return nil
	}
	lock, err := lockBase(base)
	if err != nil {
		return err
	}
	defer lock.Close()
	if os.Getenv("GETVPN_LAB_DIR") != "" { // a relative one would be another where the anchor is, and inside
		if err := os.Setenv("GETVPN_LAB_DIR", base); err != nil {
			return err
		}
	}
	way := find(base)
	if _, err := os.Stat(names(base)); err != nil && way != 0 {
		if err := abandon(way); err != nil {
			return err
		}
		way = 0
		if !create {
			driver.RemoveBase()
		}
	}
	if way == 0 && !create {
		return nil
	}
	nsenter, err := exec.LookPath("nsenter")
	if err != nil {
		return &Missing{[]string{"nsenter is missing: apt-get install util-linux"}}
	}
	if way == 0 {
		if way, err = found(base); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cwd, err := os.Getwd()
	if err != nil {
		cwd = "/"
	}
	if _, err := unix.FcntlInt(lock.Fd(), unix.F_SETFD, 0); err != nil { // so that it is held until the program has arrived
		return fmt.Errorf("lock of %s: %w", base, err)
	}
	argv := append([]string{"nsenter", "--target", strconv.Itoa(way), "--user", "--mount", "--net", "--preserve-credentials", "--", self}, os.Args[1:]...)
	env := append(os.Environ(), client.SpaceVariable+"="+base, lockVariable+"="+strconv.Itoa(int(lock.Fd())), cwdVariable+"="+cwd)
	return fmt.Errorf("executing %s: %w", nsenter, syscall.Exec(nsenter, argv, env)) //nolint:gosec // this program, again
}

// lockBase makes the run directory of a user's labs and locks it: who makes, enters or ends a space does so alone.
func lockBase(base string) (*os.File, error) {
	for {
		if err := driver.MakeBase(); err != nil {
			return nil, err
		}
		f, err := os.Open(base)
		if os.IsNotExist(err) {
			continue // the last lab of another command has just gone
		}
		if err != nil {
			return nil, fmt.Errorf("run directory: %w", err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			f.Close()
			return nil, fmt.Errorf("locking %s: %w", base, err)
		}
		held, err := f.Stat()
		if err == nil {
			err = client.TrustAsLabDir(held)
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("run directory: %w", err)
		}
		if there, err := os.Stat(base); err == nil && os.SameFile(held, there) {
			return f, nil
		}
		f.Close()
	}
}

// held is the lock of one who works inside. It is never closed but by the end of the process.
var held *os.File

// Arrive is what a command does first when it is inside: it sees that there is an anchor, and that nobody ends the space meanwhile.
func Arrive() error {
	if held != nil {
		return nil
	}
	f, err := os.Open(Names())
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH)
	}
	if err != nil {
		return fmt.Errorf("the user namespace of labs: %w", err)
	}
	held = f
	if dir := os.Getenv(cwdVariable); dir != "" {
		_ = os.Chdir(dir) // one that has gone is none for the command either
	}
	_ = pretend() // without it, programs that want to become another user say themselves that they cannot
	if err := os.Setenv("PATH", path(os.Getenv("PATH"))); err != nil {
		return err
	}
	lock, err := strconv.Atoi(os.Getenv(lockVariable))
	os.Unsetenv(lockVariable)
	os.Unsetenv(cwdVariable)
	if err != nil {
		return nil // started by a program of the space
	}
	unix.CloseOnExec(lock)
	defer unix.Close(lock)
	if others, err := inSpace(); err != nil || hasAnchor(others) {
		return err
	}
	_, err = startAnchor(driver.Base(), false)
	return err
}
