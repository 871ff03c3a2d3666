package driver

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Process names one process for good: the start time tells it from a later one with the same pid.
type Process struct {
	PID   int
	Start uint64
}

// Stat reads the state letter and the start time (fields 3 and 22 of /proc/PID/stat, proc(5)).
func Stat(pid int) (state byte, start uint64, err error) {
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

// Processes are those that live, by their numbers, this one excepted.
func Processes() (all []Process) {
	entries, _ := os.ReadDir("/proc") // what cannot be listed cannot be ours
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if state, start, err := Stat(pid); err == nil && living(state) {
			all = append(all, Process{pid, start})
		}
	}
	slices.SortFunc(all, func(a, b Process) int { return a.PID - b.PID })
	return all
}

func living(state byte) bool { return state != 'Z' && state != 'X' }

// Alive is false for a zombie: it answers nobody.
func (p Process) Alive() bool {
	if p.PID == 0 {
		return false
	}
	state, start, err := Stat(p.PID)
	return err == nil && start == p.Start && living(state)
}

// Signal reaches exactly this process, never one that took over its pid.
func (p Process) Signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if !p.Alive() { // checked after the descriptor is held: from here on the pid cannot change hands
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal %v to process %d: %w", sig, p.PID, err)
	}
	return nil
}

// WaitGone reports whether the process ended in time: with all its threads. The first of them may be a zombie, so that alive
// is false, while another still holds sockets and interfaces, which a successor would find in use; the descriptor tells.
func (p Process) WaitGone(limit time.Duration) bool {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if err != nil {
		return !p.Alive() // no such process: reaped
	}
	defer unix.Close(fd)
	if _, start, err := Stat(p.PID); err != nil || start != p.Start {
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

// Pause returns when the process stands still.
func (p Process) Pause() error {
	if err := p.Signal(unix.SIGSTOP); err != nil {
		return err
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if state, start, err := Stat(p.PID); err != nil || start != p.Start || state == 'T' {
			return err
		}
	}
	return fmt.Errorf("process %d does not stop after SIGSTOP", p.PID)
}

// Ask ends the process in order; one that is paused would not hear it.
func (p Process) Ask() error { return errors.Join(p.Signal(unix.SIGTERM), p.Signal(unix.SIGCONT)) }

// Terminate asks, waits, then kills.
func (p Process) Terminate(grace time.Duration) error {
	if err := p.Ask(); err != nil {
		return err
	}
	if p.WaitGone(grace) {
		return nil
	}
	return p.Kill()
}

// Kill ends the process as a crash would, and waits for its end.
func (p Process) Kill() error {
	if err := p.Signal(unix.SIGKILL); err != nil {
		return err
	}
	if !p.WaitGone(30 * time.Second) {
		return fmt.Errorf("process %d does not end after SIGKILL", p.PID)
	}
	return nil
}

// innerPID is what a process calls itself: in a container it counts from 1.
func innerPID(pid int) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // one that has ended is none that answers
	for line := range bytes.Lines(b) {
		if all, ok := bytes.CutPrefix(line, []byte("NSpid:")); ok {
			if f := bytes.Fields(all); len(f) > 0 {
				pid, _ = strconv.Atoi(string(f[len(f)-1]))
			}
		}
	}
	return pid
}
