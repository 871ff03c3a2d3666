// Package remainstest has tests look into the memory of another process: their own binary, started again.
package remainstest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Process is a test's own binary, started again.
type Process struct {
	PID int
	In  io.WriteCloser

	t   testing.TB
	cmd *exec.Cmd
	out *bufio.Reader
}

// SkipRaced skips a test that looks into processes of this build, if it has the race detector.
func SkipRaced(t testing.TB) {
	t.Helper()
	if raced {
		t.Skip("the race detector's own memory takes too long to look through; other builds prove this")
	}
}

// Start starts the process with more in its environment, by which TestMain knows it. It must end when its stdin does, which
// is with Close, or with the test.
func Start(t testing.TB, env ...string) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Process{PID: cmd.Process.Pid, In: in, t: t, cmd: cmd, out: bufio.NewReader(out)}
	t.Cleanup(p.Close)
	return p
}

// Close ends the process.
func (p *Process) Close() {
	_ = p.In.Close()
	_ = p.cmd.Wait()
}

// Tell writes a line to the process. That it does not listen shows in what it says.
func (p *Process) Tell(line string) { _, _ = fmt.Fprintln(p.In, line) }

// Line is the next line that the process says.
func (p *Process) Line() string {
	p.t.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the process says %q: %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}
