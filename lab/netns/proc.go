package netns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process names one process for good: the start time tells it from a later one with the same pid.
type process struct {
	pid   int
	start uint64
}

// statOf reads the state letter and the start time (fields 3 and 22 of /proc/PID/stat, proc(5)).
func statOf(pid int) (state byte, start uint64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	_, rest, ok := bytes.Cut(b[bytes.LastIndexByte(b, ')')+1:], []byte(" ")) // the name may hold spaces and brackets
	f := bytes.Fields(rest)
	if !ok || len(f) < 20 {
		return 0, 0, fmt.Errorf("/proc/%d/stat: unexpected form", pid)
	}
	start, err = strconv.ParseUint(string(f[19]), 10, 64)
	return f[0][0], start, err
}

// alive is false for a zombie: it answers nobody.
func (p process) alive() bool {
	if p.pid == 0 {
		return false
	}
	state, start, err := statOf(p.pid)
	return err == nil && start == p.start && state != 'Z' && state != 'X'
}

// signal reaches exactly this process, never one that took over its pid.
func (p process) signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", p.pid, err)
	}
	defer unix.Close(fd)
	if !p.alive() { // checked after the descriptor is held: from here on the pid cannot change hands
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal %v to process %d: %w", sig, p.pid, err)
	}
	return nil
}

// waitGone reports whether the process ended in time: with all its threads. The first of them may be a zombie, so that alive
// is false, while another still holds sockets and interfaces, which a successor would find in use; the descriptor tells.
func (p process) waitGone(limit time.Duration) bool {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return !p.alive() // no such process: reaped
	}
	defer unix.Close(fd)
	if _, start, err := statOf(p.pid); err != nil || start != p.start {
		return true
	}
	for end := time.Now().Add(limit); ; {
		left := max(0, time.Until(end))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		if n > 0 {
			return true
		}
		if left == 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
	}
}

// pause returns when the process stands still.
func (p process) pause() error {
	if err := p.signal(unix.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if state, start, err := statOf(p.pid); err != nil || start != p.start || state == 'T' {
			return err
		}
	}
	return fmt.Errorf("process %d does not stop after SIGSTOP", p.pid)
}

// ask ends the process in order; one that is paused would not hear it.
func (p process) ask() error { return errors.Join(p.signal(unix.SIGTERM), p.signal(unix.SIGCONT)) }

// terminate asks, waits, then kills.
func (p process) terminate(grace time.Duration) error {
	if err := p.ask(); err != nil {
		return err
	}
	if p.waitGone(grace) {
		return nil
	}
	return p.kill()
}

func (p process) kill() error {
	if err := p.signal(unix.SIGKILL); err != nil {
		return err
	}
	if !p.waitGone(30 * time.Second) {
		return fmt.Errorf("process %d does not end after SIGKILL", p.pid)
	}
	return nil
}

// launch starts a program inside a namespace, in a session of its own, so that it outlives the tool and its terminal. env is
// added to the tool's own environment.
func launch(namespace, log string, env []string, argv ...string) (process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return process{}, fmt.Errorf("log file: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec // the program comes from the scenario file
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir, cmd.Env = "/", append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := inside(namespace, cmd.Start); err != nil {
		return process{}, fmt.Errorf("starting %s: %w", argv[0], err)
	}
	_, start, err := statOf(cmd.Process.Pid) // there is one as long as nobody has reaped it, however soon it has ended
	go func() { _ = cmd.Wait() }()           // reaps it when it ends before the tool does
	if err != nil {
		return process{}, err
	}
	return process{cmd.Process.Pid, start}, nil
}
