package space

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Missing is what a system lacks, or forbids, so that there can be no space.
type Missing struct{ Lacks []string }

func (m *Missing) Error() string {
	return "network namespaces need root or, for another user, a user namespace and /dev/net/tun; here\n  " + strings.Join(m.Lacks, "\n  ")
}

// Where the kernel tells; variables for tests.
var (
	sysctls   = "/proc/sys"
	tunDevice = "/dev/net/tun"
)

// tun says what is wrong with the device that members need.
func tun() []string {
	f, err := os.OpenFile(tunDevice, os.O_RDWR, 0)
	switch {
	case err == nil:
		f.Close()
		return nil
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.ENXIO):
		return []string{tunDevice + " is missing: sudo modprobe tun"}
	case errors.Is(err, fs.ErrPermission):
		st, err := os.Stat(tunDevice)
		if err != nil || st.Mode().Perm()&0o006 == 0o006 {
			return []string{"this user may not open " + tunDevice + ", whatever its mode: a container must be given the device"}
		}
		return []string{fmt.Sprintf("only root may open %s (mode %04o): sudo chmod 0666 %s", tunDevice, st.Mode().Perm(), tunDevice)}
	default:
		return []string{err.Error()}
	}
}

// refused says why the system gave no user namespace.
func refused(err error) (why []string) {
	for _, s := range []struct{ name, bad, text string }{
		{"user/max_user_namespaces", "0", "user namespaces are switched off: sudo sysctl user.max_user_namespaces=10000"},
		{"user/max_net_namespaces", "0", "network namespaces are switched off: sudo sysctl user.max_net_namespaces=10000"},
		{"user/max_mnt_namespaces", "0", "mount namespaces are switched off: sudo sysctl user.max_mnt_namespaces=10000"},
		{"kernel/unprivileged_userns_clone", "0", "only root may make user namespaces: sudo sysctl kernel.unprivileged_userns_clone=1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1",
			"AppArmor gives no rights in user namespaces: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
	} {
		if b, err := os.ReadFile(filepath.Join(sysctls, s.name)); err == nil && string(bytes.TrimSpace(b)) == s.bad {
			why = append(why, s.text)
		}
	}
	if len(why) > 0 {
		return why
	}
	why = []string{"the kernel gives no user namespace: " + err.Error()}
	if errors.Is(err, unix.ENOSPC) {
		why[0] += " (there are as many as sysctl user.max_user_namespaces allows, here or further out)"
	} else if errors.Is(err, fs.ErrPermission) {
		why[0] += " (a container, or a policy of the system, forbids it)"
	}
	return why
}
