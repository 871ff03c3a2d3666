package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/course"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// Every exercise is found unsolved, and is solved by whoever follows its hints to the letter, which costs points.
func TestExercisesByTheirHints(t *testing.T) {
	b := build(t)
	for i, name := range topologies.Names() {
		s, err := topologies.Load(name, scenario.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Faults) == 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			one := *b
			one.t, one.name = t, fmt.Sprintf("%s_x%d", b.name, i)
			t.Cleanup(func() {
				if err := drivers.Down(one.name); err != nil {
					t.Error(err)
				}
			})
			one.exercise(t, name)
		})
	}
}

func (b *bin) exercise(t *testing.T, name string) {
	one := func(args ...string) []string { return append(args, "--lab", b.name) }
	b.must("up", name, "--profile", "quick", "--name", b.name)
	if r, ok := b.grade(t); ok || r.OK || r.Earned == r.Most {
		t.Fatalf("nothing is broken: %+v", r)
	}
	status := b.must(one("status")...) + b.must(one("status", "--json")...)
	s, err := topologies.Load(name, scenario.Options{Seed: b.seed(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range append(s.Faults, s.Tasks[0].Solution.Text, s.Tasks[0].Hints[0]) {
		if strings.Contains(status, secret) {
			t.Errorf("the status gives away %q", secret)
		}
	}
	for _, task := range s.Tasks {
		var last string
		for range task.Hints {
			last = b.must(one("hint", task.Name)...)
		}
		if _, errs, ok := b.run(one("hint", task.Name)...); ok || !strings.Contains(errs, "hints are taken") {
			t.Errorf("one hint more than there are: %q", errs)
		}
		commands := scenario.Commands(last)
		if len(commands) == 0 {
			t.Fatalf("the last hint has no command: %s", last)
		}
		for _, c := range commands {
			sh := exec.Command("sh", "-c", c)
			sh.Env = append(os.Environ(), "PATH="+b.dir+":"+os.Getenv("PATH"))
			if out, err := sh.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", c, err, out)
			}
		}
	}
	r, ok := b.grade(t)
	if !ok || !r.OK || r.Over != course.Passed || r.Earned == 0 || r.Earned >= r.Most {
		t.Errorf("after the hints: %+v", r)
	}
}

func (b *bin) grade(t *testing.T) (*course.Report, bool) {
	t.Helper()
	out, _, ok := b.run("grade", b.name, "--json")
	return decoded[*course.Report](t, out), ok
}

func (b *bin) seed(t *testing.T) uint64 {
	t.Helper()
	c, err := course.Read(filepath.Join(os.Getenv("GETVPN_LAB_DIR"), b.name))
	if err != nil || c.Seed == 0 {
		t.Fatalf("%+v, %v", c, err)
	}
	return c.Seed
}
