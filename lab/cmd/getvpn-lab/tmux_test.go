package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// effectWithin is how long after a yes the screen may take to show what came of it, on a machine that has time: one on which two
// keys that only change the view take no longer than calm. A busy machine may take as many times longer as these keys take.
const (
	effectWithin = 2 * time.Second
	calm         = 100 * time.Millisecond
	grace        = time.Second // what is shown comes with a snapshot, once a second, and the machine does other things meanwhile
)

// terminal is a tmux of our own, with the consoles of a test in its windows.
type terminal struct {
	t      *testing.T
	socket string
	wide   string // the console that acts
	all    []string
}

// newTerminal needs tmux.
func newTerminal(t *testing.T) *terminal {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("the console is driven in tmux, which is missing: apt-get install tmux")
	}
	m := &terminal{t: t, socket: fmt.Sprintf("gvl%d", os.Getpid())}
	t.Cleanup(func() { _, _ = m.try("kill-server") })
	return m
}

func (m *terminal) try(args ...string) (string, error) {
	out, err := exec.Command("tmux", append([]string{"-L", m.socket, "-f", "/dev/null"}, args...)...).CombinedOutput() //nolint:gosec // our own test
	return string(out), err
}

func (m *terminal) tmux(args ...string) string {
	m.t.Helper()
	out, err := m.try(args...)
	if err != nil {
		m.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return out
}

// open runs a program in a terminal of a size.
func (m *terminal) open(name string, width, height int, argv ...string) {
	m.t.Helper()
	m.tmux(append([]string{"new-session", "-d", "-s", name, "-x", fmt.Sprint(width), "-y", fmt.Sprint(height)}, argv...)...)
	m.all = append(m.all, name)
}

func (m *terminal) screen(name string) string {
	out, _ := m.try("capture-pane", "-p", "-t", name) // a program that has ended has no screen, and says why elsewhere
	return out
}

// press sends keys: names as tmux has them, or text.
func (m *terminal) press(keys ...string) {
	m.t.Helper()
	for _, k := range keys {
		m.tmux("send-keys", "-t", m.wide, k)
	}
}

// see waits until a screen fits, and says how long that took.
func (m *terminal) see(name, what string, patience time.Duration, fits func(screen string) bool) time.Duration {
	m.t.Helper()
	begin := time.Now()
	for {
		if fits(m.screen(name)) {
			return time.Since(begin)
		}
		if time.Since(begin) > patience {
			m.save(what)
			m.t.Fatalf("%s: not on the screen %s within %v:\n%s", what, name, patience, m.screen(name))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// save keeps all screens, with their colours.
func (m *terminal) save(what string) {
	m.t.Helper()
	for _, name := range m.all {
		out, _ := m.try("capture-pane", "-e", "-p", "-t", name)
		path := filepath.Join(os.TempDir(), fmt.Sprintf("getvpn-console-%s-%s.ansi", strings.ReplaceAll(what, " ", "-"), name))
		if err := os.WriteFile(path, []byte(out), 0o600); err != nil {
			m.t.Log(err)
			continue
		}
		m.t.Logf("the screen is in %s", path)
	}
}

// has fits screens that have all of some texts.
func has(texts ...string) func(string) bool {
	return func(screen string) bool {
		for _, s := range texts {
			if !strings.Contains(screen, s) {
				return false
			}
		}
		return true
	}
}

// matches fits screens with a pattern.
func matches(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

// all fits screens that others fit, all of them.
func all(others ...func(string) bool) func(string) bool {
	return func(screen string) bool {
		for _, fits := range others {
			if !fits(screen) {
				return false
			}
		}
		return true
	}
}

// without fits screens that have none of some texts, and are no blank ones.
func without(texts ...string) func(string) bool {
	return func(screen string) bool {
		for _, s := range texts {
			if strings.Contains(screen, s) {
				return false
			}
		}
		return strings.Contains(screen, "getvpn")
	}
}

// keyTime is how long a key takes that does nothing but show another view: what the machine can do at this moment.
func (m *terminal) keyTime() time.Duration {
	m.t.Helper()
	m.press("7")
	took := m.see(m.wide, "the events", time.Minute, has("EVENT ", "WHAT"))
	m.press("1")
	return took + m.see(m.wide, "the pulse", time.Minute, has("NODES"))
}

// act asks for something with keys, says yes, and measures how long it takes from then until the wide window shows one effect of
// it, and the narrow ones another, for which they have room.
func (m *terminal) act(what string, keys []string, question, yes string, effect, narrow func(screen string) bool) {
	m.t.Helper()
	idle := m.keyTime()
	m.press(keys...)
	m.see(m.wide, "the question of "+what, time.Minute, has(question))
	if yes != "y" {
		m.press(yes)
		yes = "Enter"
	}
	begin := time.Now()
	m.press(yes)
	for _, name := range m.all {
		if name == m.wide {
			m.see(name, what, 30*time.Second, effect)
		} else {
			m.see(name, what, 30*time.Second, narrow)
		}
	}
	took := time.Since(begin)
	if took > effectWithin {
		idle = max(idle, m.keyTime())
	}
	m.t.Logf("%-32s %5d ms after the yes; two keys that only look take %d ms", what, took.Milliseconds(), idle.Milliseconds())
	if limit := time.Duration(float64(effectWithin+grace) * max(1, float64(idle)/float64(calm))); took > limit {
		m.save(what)
		m.t.Errorf("%s: on the screen only %v after the yes, want %v", what, took, limit)
	}
}
