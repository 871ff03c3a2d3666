package netns

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/space"
)

// launch starts a program inside a namespace, in a session of its own, so that it outlives the tool and its terminal. env is
// added to the tool's own environment.
func launch(namespace, log string, env []string, argv ...string) (driver.Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return driver.Process{}, fmt.Errorf("log file: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec // the program comes from the scenario file
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir, cmd.Env = "/", append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := driver.Enter(filepath.Join(space.Names(), namespace), cmd.Start); err != nil {
		return driver.Process{}, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	_, start, err := driver.Stat(cmd.Process.Pid) // there is one as long as nobody has reaped it, however soon it has ended
	go func() { _ = cmd.Wait() }()                // reaps it when it ends before the tool does
	if err != nil {
		return driver.Process{}, err
	}
	return driver.Process{PID: cmd.Process.Pid, Start: start}, nil
}
