package space

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Each thing that can be missing is told by what to do about it.
func TestMissing(t *testing.T) {
	dir := t.TempDir()
	sysctls, tunDevice = dir, filepath.Join(dir, "tun")
	t.Cleanup(func() { sysctls, tunDevice = "/proc/sys", "/dev/net/tun" })
	for _, c := range []struct{ file, value, want string }{
		{"user/max_user_namespaces", "0", "sysctl user.max_user_namespaces="},
		{"user/max_net_namespaces", "0", "sysctl user.max_net_namespaces="},
		{"user/max_mnt_namespaces", "0", "sysctl user.max_mnt_namespaces="},
		{"kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"},
		{"kernel/apparmor_restrict_unprivileged_userns", "1", "AppArmor"},
	} {
		path := filepath.Join(dir, c.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(c.value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if why := refused(unix.EPERM); len(why) != 1 || !strings.Contains(why[0], c.want) {
			t.Errorf("%s: %q", c.file, why)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		err  error
		want string
	}{{unix.ENOSPC, "as many as"}, {unix.EPERM, "a policy"}, {errors.New("odd"), "odd"}} {
		if why := refused(c.err); len(why) != 1 || !strings.Contains(why[0], c.want) {
			t.Errorf("%v: %q", c.err, why)
		}
	}
	if why := tun(); len(why) != 1 || !strings.Contains(why[0], "modprobe tun") {
		t.Errorf("no device: %q", why)
	}
	if err := os.WriteFile(tunDevice, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if why := tun(); len(why) != 0 {
		t.Errorf("a device that opens: %q", why)
	}
}

// ids of others are answered with success, root's and none go through to the kernel.
func TestFilter(t *testing.T) {
	const arch = 7
	f := filter(arch, []call{{100, nil}, {101, []uint32{1, 2}}})
	for _, c := range []struct {
		arch, call uint32
		args       [3]uint32
		pretended  bool
	}{
		{arch, 100, [3]uint32{}, true}, {arch + 1, 100, [3]uint32{}, false}, {arch, 99, [3]uint32{5, 5, 5}, false},
		{arch, 101, [3]uint32{5, 0, 0}, false}, {arch, 101, [3]uint32{0, 0, ^uint32(0)}, false},
		{arch, 101, [3]uint32{0, 5, 0}, true}, {arch, 101, [3]uint32{0, ^uint32(0), 5}, true},
	} {
		words := map[uint32]uint32{offsetCall: c.call, offsetArch: c.arch}
		for i, a := range c.args {
			words[offsetArgs+8*uint32(i)] = a //nolint:gosec // at most 2
		}
		if got := interpret(t, f, words); got != (c.pretended) {
			t.Errorf("%+v: pretended %v", c, got)
		}
	}
}

// interpret runs a filter over a system call and says whether it answers instead of the kernel.
func interpret(t *testing.T, f []unix.SockFilter, words map[uint32]uint32) bool {
	t.Helper()
	var a uint32
	for pc := 0; pc < len(f); pc++ {
		switch i := f[pc]; i.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			a = words[i.K]
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			if a == i.K {
				pc += int(i.Jt)
			} else {
				pc += int(i.Jf)
			}
		case unix.BPF_RET | unix.BPF_K:
			return i.K != unix.SECCOMP_RET_ALLOW
		default:
			t.Fatalf("instruction %+v", i)
		}
	}
	t.Fatal("the filter has no end")
	return false
}

func TestPath(t *testing.T) {
	if p := path("/bin:/usr/sbin"); p != "/bin:/usr/sbin:/usr/local/sbin:/sbin" {
		t.Error(p)
	}
}
