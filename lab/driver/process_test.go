package driver

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSignalNeverReachesARecycledPid(t *testing.T) {
	_, start, err := Stat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	other := Process{os.Getpid(), start + 1} // our pid, but not us
	if other.Alive() {
		t.Error("a process with another start time passes for ours")
	}
	if err := other.Signal(unix.SIGKILL); err != nil {
		t.Error(err)
	}
	if !(Process{os.Getpid(), start}).Alive() {
		t.Error("we are not alive")
	}
}

// A program that becomes another one from a thread of its has a first thread that is a zombie for a moment, and is not gone.
func TestNotGoneWhileItBecomesAnother(t *testing.T) {
	if os.Getenv("GETVPN_TEST_BECOME") != "" {
		become()
	}
	for range 100 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", t.Name()) //nolint:gosec // ourselves
		cmd.Env = append(os.Environ(), "GETVPN_TEST_BECOME=yes")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_, start, err := Stat(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		p := Process{cmd.Process.Pid, start}
		zombie := false
		for b := []byte(nil); !bytes.HasPrefix(b, []byte("sleep")); b, _ = os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", p.PID)) {
			zombie = zombie || !p.Alive()
			if p.WaitGone(0) {
				t.Fatal("it is taken for gone")
			}
		}
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // killed
		if zombie {
			return // it was looked at in that moment
		}
	}
}

// become executes sleep from a thread that is not the first; that one may be where a goroutine is at first.
func become() {
	for range 2 {
		go func() {
			runtime.LockOSThread()
			if unix.Gettid() != os.Getpid() {
				_ = syscall.Exec("/bin/sleep", []string{"sleep", "60"}, nil)
			}
			select {}
		}()
	}
	select {}
}
