package course

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/lab/scenario"
)

const text = `name: ex
title: An exercise
story: |
  A site is silent.
nodes: [{name: p1, kind: core}]
steps: [{check: reach, pairs: all}, {parallel: [{do: heal}, {do: wait 1s, text: a pause}]}]
tasks:
  - {name: one, title: First, points: 12, checks: [{check: reach, pairs: all}], hints: [a, b, "$ c"], solution: {text: so, do: [heal]}}
  - {name: two, title: Second, points: 8, checks: [{check: reach, pairs: all}], hints: [d], solution: {text: and so, do: [heal]}}
`

func load(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("ex.yaml", []byte(text), scenario.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var (
	start  = time.Date(2026, 1, 2, 15, 0, 0, 0, time.UTC)
	passed = []scenario.Result{{Name: "reach", OK: true, Value: "12 of 12", Want: "12"}}
	failed = []scenario.Result{{Name: "state", OK: true}, {Name: "reach", Value: "10 of 12", Want: "12", Message: "cut off"}}
)

func after(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func TestPoints(t *testing.T) {
	s := load(t)
	c := New(s, start)
	if c.Most != 20 || c.Tasks[0].State != Open || c.Text != "A site is silent." {
		t.Fatalf("at the beginning: %+v", c)
	}
	c.Grade(map[string][]scenario.Result{"one": failed, "two": passed}, after(1))
	if c.Earned != 8 || c.Over != "" || c.Tasks[0].State != Failed || c.Tasks[0].Value != "10 of 12" || c.Tasks[0].Message != "cut off" {
		t.Errorf("one is missing: %+v", c)
	}
	if hint, price, err := c.Hint(s, "one"); err != nil || hint != "a" || price != 3 {
		t.Errorf("first hint %q for %d, %v", hint, price, err)
	}
	// A hint for what is done costs nothing any more.
	if hint, price, err := c.Hint(s, "two"); err != nil || hint != "d" || price != 0 {
		t.Errorf("hint of a task that is done: %q for %d, %v", hint, price, err)
	}
	if _, _, err := c.Hint(s, "two"); err == nil || !strings.Contains(err.Error(), "all 1 hints are taken") {
		t.Errorf("one more than there are: %v", err)
	}
	if _, _, err := c.Hint(s, "three"); err == nil || !strings.Contains(err.Error(), "there are: one, two") {
		t.Errorf("no such task: %v", err)
	}
	c.Grade(map[string][]scenario.Result{"one": passed, "two": passed}, after(5))
	if c.Earned != 17 || c.Over != Passed || !c.Finished.Equal(after(5)) {
		t.Errorf("all passed: %+v", c)
	}
	r := c.Report("lab", map[string][]scenario.Result{"one": passed, "two": passed})
	var out bytes.Buffer
	r.Print(&out)
	if !r.OK || r.Seconds != 300 || r.Hints != 2 || !strings.HasSuffix(out.String(), "\n2 of 2 tasks, 17 of 20 points, 5m0s, 2 hints\n") {
		t.Errorf("%+v\n%s", r, out.String())
	}
	// Who breaks it again has not done it.
	c.Grade(map[string][]scenario.Result{"one": failed, "two": passed}, after(6))
	if c.Earned != 8 || c.Over != "" || !c.Finished.IsZero() {
		t.Errorf("broken again: %+v", c)
	}
}

func TestSolutionEndsIt(t *testing.T) {
	s := load(t)
	c := New(s, start)
	c.Grade(map[string][]scenario.Result{"one": failed, "two": passed}, after(1))
	got, err := c.Reveal(s, after(2))
	if err != nil || !strings.Contains(got, "so") || !strings.Contains(got, "$ c") || c.Over != OverSolution {
		t.Fatalf("%q, %v, %+v", got, err, c)
	}
	c.Grade(map[string][]scenario.Result{"one": passed, "two": passed}, after(3))
	if c.Earned != 8 || !c.AllPassed() || !c.Finished.Equal(after(2)) {
		t.Errorf("points after the solution: %+v", c)
	}
	again := c.Again(s, after(9))
	if again.Over != OverSolution || again.Earned != 0 || again.Tasks[0].State != Open || !again.Begun.Equal(start) {
		t.Errorf("after a reset: %+v", again)
	}
}

func TestResetKeepsHints(t *testing.T) {
	s := load(t)
	c := New(s, start)
	_, _, _ = c.Hint(s, "one")
	again := c.Again(s, after(9))
	again.Grade(map[string][]scenario.Result{"one": passed, "two": passed}, after(10))
	if again.Earned != 17 {
		t.Errorf("hints that were read count no more: %+v", again)
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); !errors.Is(err, ErrNoTasks) {
		t.Errorf("no file: %v", err)
	}
	s := load(t)
	if err := New(s, start).Write(dir); err != nil {
		t.Fatal(err)
	}
	if err := Change(dir, func(c *Course) error { _, _, err := c.Hint(s, "one"); return err }); err != nil {
		t.Fatal(err)
	}
	c, err := Read(dir)
	if err != nil || len(c.Task("one").Taken) != 1 || !c.Begun.Equal(start) {
		t.Errorf("%+v, %v", c, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "course.json"))
	if err != nil || bytes.Contains(b, []byte("and so")) || bytes.Contains(b, []byte("$ c")) {
		t.Errorf("the file gives the solution away: %s, %v", b, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "course.json"), b[:len(b)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "course.json is damaged") {
		t.Errorf("half a file: %v", err)
	}
}

// What a reset keeps is there when the run directory has gone, for the same exercise and no other.
func TestKept(t *testing.T) {
	dir, s := filepath.Join(t.TempDir(), "ex"), load(t)
	c := New(s, start)
	_, _, _ = c.Hint(s, "one")
	if err := c.Keep(dir); err != nil {
		t.Fatal(err)
	}
	if got := Kept(dir, s); got == nil || len(got.Task("one").Taken) != 1 || !got.Begun.Equal(start) {
		t.Errorf("%+v", got)
	}
	other := *s
	other.Seed++
	if Kept(dir, &other) != nil {
		t.Error("another exercise goes on with it")
	}
	for range 2 {
		if err := Forget(dir); err != nil {
			t.Error(err)
		}
	}
	if Kept(dir, s) != nil {
		t.Error("it is not forgotten")
	}
}

// Who writes the course waits for who changes it: a run and a grade may meet.
func TestWriteWaits(t *testing.T) {
	dir, s := t.TempDir(), load(t)
	if err := New(s, start).Write(dir); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	err := Change(dir, func(c *Course) error {
		go func() { wrote <- New(s, after(1)).Write(dir) }()
		select {
		case err := <-wrote:
			t.Errorf("written in the middle of a change: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	if c, err := Read(dir); err != nil || !c.Begun.Equal(after(1)) {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestSteps(t *testing.T) {
	s := load(t)
	c := New(s, start)
	c.Plan(s.Steps)
	if len(c.Steps) != 3 || c.Steps[0].State != Waiting || c.Steps[1].Name != "heal" || c.Steps[2].What != "a pause" {
		t.Fatalf("%+v", c.Steps)
	}
	c.Watch(&s.Steps[0], nil, 0, false)
	c.Watch(&s.Steps[1].Parallel[0], nil, time.Second, true)
	if c.Steps[0].State != Running || c.Steps[1].State != Done || c.Steps[2].State != Waiting {
		t.Errorf("%+v", c.Steps)
	}
	c.Watch(&s.Steps[0], failed, 2*time.Second, true)
	if got := c.Steps[0]; got.State != Failed || got.Value != "10 of 12" || got.Message != "cut off" || got.Seconds != 2 {
		t.Errorf("%+v", got)
	}
}

// A grading says what a failure means, and not at which addresses it was seen: that is for the trainee to find.
func TestGradingIsDiscreet(t *testing.T) {
	long := strings.Repeat("10.66.2.46 > 10.66.1.46, ", 20)
	for _, c := range []struct{ is, want scenario.Result }{
		{scenario.Result{Meaning: "seen in clear", Message: "seen in clear (" + long + ")"}, scenario.Result{Meaning: "seen in clear", Message: "seen in clear"}},
		{scenario.Result{Message: "no answer\n" + long}, scenario.Result{Message: "no answer"}},
		{scenario.Result{Message: long}, scenario.Result{Message: long[:most] + " ..."}},
		{scenario.Result{OK: true, Message: "12 of 12"}, scenario.Result{OK: true, Message: "12 of 12"}},
	} {
		if got := discreet([]scenario.Result{c.is})[0]; got != c.want {
			t.Errorf("%+v; want %+v", got, c.want)
		}
	}
}
