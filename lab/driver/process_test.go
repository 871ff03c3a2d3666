package driver

import (
	"os"
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
