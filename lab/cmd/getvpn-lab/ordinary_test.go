package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/lab/driver"
)

// uid is that of a user whom no machine has.
const uid = 64242

// ordinary is a user without any rights, with the programs and a directory for labs.
type ordinary struct {
	*bin
	labs string
	tun  string // the device with the mode that udev gives it, which not every machine has
}

func (b *bin) ordinary() *ordinary {
	b.t.Helper()
	labs, err := os.MkdirTemp("", "gvl")
	if err != nil {
		b.t.Fatal(err)
	}
	u := &ordinary{b, labs, filepath.Join(b.t.TempDir(), "tun")}
	b.t.Cleanup(func() {
		_, _, _ = u.try("down", "--all")
		if err := os.RemoveAll(labs); err != nil {
			b.t.Error(err)
		}
	})
	for _, err := range []error{
		os.Chown(labs, uid, uid),
		unix.Mknod(u.tun, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200))), //nolint:gosec // a device number
		os.Chmod(u.tun, 0o666), //nolint:gosec // as Debian has it
	} {
		if errors.Is(err, unix.EPERM) {
			b.t.Skipf("there can be no device for another user than root: %v", err)
		} else if err != nil {
			b.t.Fatal(err)
		}
	}
	if _, errs, ok := result(u.t, u.as("", "unshare", "--user", "--map-root-user", "true")); !ok {
		b.t.Skipf("this system gives no user namespaces to others than root: %s", errs)
	}
	b.t.Setenv("GETVPN_LAB_DIR", labs)
	return u
}

// as is a command of the user, in a mount namespace that prepare has changed, as root.
func (u *ordinary) as(prepare string, argv ...string) *exec.Cmd {
	script := prepare + "\n" + fmt.Sprintf(`exec setpriv --reuid %d --regid %d --clear-groups --inh-caps=-all "$@"`, uid, uid)
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-ec", script, "sh"}, argv...)...) //nolint:gosec // of the tests
	cmd.Dir = u.labs
	return cmd
}

func (u *ordinary) lab(args ...string) *exec.Cmd {
	return u.as("mount --bind "+u.tun+" /dev/net/tun", append([]string{filepath.Join(u.dir, "getvpn-lab")}, args...)...)
}

func (u *ordinary) try(args ...string) (stdout, stderr string, ok bool) {
	u.t.Helper()
	return result(u.t, u.lab(args...))
}

func (u *ordinary) must(args ...string) string {
	u.t.Helper()
	return succeeds(u.t, u.lab(args...))
}

// Without root a lab comes up in a user namespace, everything that one does with labs works, also from outside, and nothing is left.
func TestOrdinaryUser(t *testing.T) {
	u := build(t).ordinary()
	if out := u.must("run", "basic", "--name", u.name, "--only", "reach-all-pairs"); !strings.Contains(out, "all 1 checks passed") {
		t.Error(out)
	}
	nothingLeft(t, u.labs)

	u.must("up", "basic", "--name", u.name)
	for _, c := range []struct{ args, want string }{
		{"exec h1 -- ls /sys/class/net", "eth0\nlo\n"},
		{"exec h1 -- pwd", u.labs},
		{"exec p1 -- sh -c (tcpdump\x00-c1\x00-w\x00" + u.labs + "/x\x00icmp\x002>&1\x00&\x00sleep\x00.5;\x00ping\x00-c3\x00172.16.0.2;\x00wait)", "1 packet captured"},
		{"kill gm1", "kill done"}, {"start gm1", "start done"},
		{"partition ks1/gm1 --for 30s", "cannot reach"}, {"heal", "no fault"},
		{"status", "registered"},
		{"config gm1", ""},
	} {
		args := strings.Fields(c.args)
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "\x00", " ")
		}
		if out := u.must(args...); !strings.Contains(out, c.want) {
			t.Errorf("%s: %q, want %q in it", c.args, out, c.want)
		}
	}
	if err := os.Remove(filepath.Join(u.labs, "x")); err != nil {
		t.Error(err)
	}
	for _, verb := range []string{"rekey blue", "kill gm2", "show members"} {
		if out, errs, ok := result(u.t, u.as("", append([]string{filepath.Join(u.dir, "getvpn-tui"), "--lab", u.name}, strings.Fields(verb)...)...)); !ok {
			t.Errorf("the console, from outside: %s: %s%s", verb, out, errs)
		}
	}
	socket := filepath.Join(u.labs, u.name, "sockets", "ks1.sock")
	if st, err := os.Stat(socket); err != nil || st.Sys().(*syscall.Stat_t).Uid != uid {
		t.Errorf("the socket is not the user's: %v", err)
	}

	// The anchor dies: the lab goes on, and who comes next starts another.
	kill(t, u.labs, anchor)
	u.must("kill", "gm1")
	u.must("start", "gm1")
	if labs := decoded[[]driver.Status](t, u.must("status", "--json")); len(labs) != 1 || !labs[0].Nodes[1].Running {
		t.Errorf("after the death of the anchor: %+v", labs)
	}

	// Root of the machine does not see the user's namespaces, and so must not believe that there are none.
	for _, args := range [][]string{{"down", u.name}, {"kill", "gm1"}} {
		if _, errs, ok := u.run(args...); ok || !strings.Contains(errs, "belongs to another user") {
			t.Errorf("root: %v: %q", args, errs)
		}
	}

	// All die: what is left are files.
	kill(t, u.labs, "")
	if _, errs, ok := u.try("exec", "h1", "--", "id"); ok || !strings.Contains(errs, "getvpn-lab down") {
		t.Errorf("in a lab without processes: %q", errs)
	}
	u.must("down")
	nothingLeft(t, u.labs)

	// The files go, as when the last session of a user ends: what is left are processes.
	u.must("up", "basic", "--name", u.name, "--detach")
	for _, name := range []string{u.name, ".netns"} {
		if err := os.RemoveAll(filepath.Join(u.labs, name)); err != nil {
			t.Error(err)
		}
	}
	u.must("down")
	nothingLeft(t, u.labs)
}

// Where there can be no user namespace, or no member, it is said what is missing, and what there is instead.
func TestOrdinaryUserWithoutNamespaces(t *testing.T) {
	u := build(t).ordinary()
	program := filepath.Join(u.dir, "getvpn-lab")
	for _, c := range []struct {
		name, prepare string
		argv          []string
		want          string
	}{
		{"device", "mount --bind " + u.tun + " /dev/net/tun; chmod 0600 /dev/net/tun", nil, "chmod 0666 /dev/net/tun"},
		{"no device", "mount -t tmpfs x /dev/net", nil, "modprobe tun"},
		{"nsenter", "mount --bind " + u.tun + " /dev/net/tun", []string{"env", "PATH=/nowhere"}, "apt-get install util-linux"},
		{"none allowed", "echo 0 >/proc/sys/user/max_user_namespaces; mount --bind " + u.tun + " /dev/net/tun", nil, "sysctl user.max_user_namespaces="},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := u.as(c.prepare, append(c.argv, program, "up", "basic", "--name", u.name, "--driver", "netns")...)
			if c.name == "none allowed" { // in a user namespace of the test, which has a limit of its own
				ids := []syscall.SysProcIDMap{{Size: 1}, {ContainerID: uid, HostID: uid, Size: 1}}
				cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true}
			}
			_, errs, ok := result(u.t, cmd)
			if ok || !strings.Contains(errs, c.want) || !strings.Contains(errs, "\n  getvpn-lab up basic --name "+u.name+" --driver sim\n") {
				t.Errorf("%q, want %q and the line for the simulator in it", errs, c.want)
			}
			nothingLeft(t, u.labs)
			if err := os.Chmod(u.tun, 0o666); err != nil { //nolint:gosec // as before
				t.Error(err)
			}
		})
	}
	// The simulator wants nothing of all this.
	sim := func(args ...string) *exec.Cmd { return u.as("", append([]string{program}, args...)...) }
	for _, args := range [][]string{{"up", "basic", "--name", u.name, "--driver", "sim"}, {"down", u.name}} {
		if out, errs, ok := result(u.t, sim(args...)); !ok {
			t.Errorf("%v: %s%s", args, out, errs)
		}
	}
	nothingLeft(t, u.labs)
}
