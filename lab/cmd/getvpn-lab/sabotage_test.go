package main

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// TestSabotage: of every scenario that says how what it teaches is broken on purpose, the checks notice. It runs the quick profile, or
// the one that the sabotage names.
func TestSabotage(t *testing.T) {
	b := build(t)
	names := topologies.Names()
	slices.SortStableFunc(names, func(x, y string) int { return cmp.Compare(weight(x), weight(y)) })
	for i, name := range names {
		s, err := topologies.Load(name, scenario.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if s.Sabotage != nil {
			b.sabotage(t, s, fmt.Sprintf("%s_%d", b.name, i))
		}
	}
}

func (b *bin) sabotage(t *testing.T, s *scenario.Scenario, lab string) {
	t.Run(s.Name, func(t *testing.T) {
		if !alone[s.Name] {
			t.Parallel()
		}
		needsTokens(t, s.Name)
		one := *b
		one.t, one.name = t, lab
		t.Cleanup(func() {
			if err := drivers.Down(one.name); err != nil {
				t.Error(err)
			}
		})
		args := []string{"run", s.Name, "--sabotage", "--json", "--name", one.name, "--logs", t.TempDir()}
		if s.Sabotage.Profile == "" && s.Profiles["quick"] != nil {
			args = append(args, "--profile", "quick")
		}
		r, ok := one.report(args...)
		if r.Error != "" || r.Sabotage == nil || len(r.Sabotage.Fails) != len(s.Sabotage.Fails) {
			t.Fatalf("error %q, %+v", r.Error, r.Sabotage)
		}
		for _, c := range r.Sabotage.Fails {
			if !c.Caught {
				t.Errorf("%s did not notice that %s: %s: %s", c.Name, s.Sabotage.Text, c.Why, c.Value)
			}
		}
		if ok != r.OK || ok != r.Sabotage.OK() {
			t.Errorf("exit 0: %v, ok: %v, %v", ok, r.OK, r.Sabotage)
		}
	})
}
