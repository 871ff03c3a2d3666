package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// simulator runs getvpn-lab for who may have no root.
func simulator(t *testing.T) func(args ...string) (stdout, stderr string, ok bool) {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the programs and runs whole scenarios")
	}
	dir := t.TempDir()
	out, err := exec.Command("go", "build", "-o", dir+"/", "../../../tui/cmd/getvpn-tui", ".").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	labs, err := os.MkdirTemp("", "sim") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(labs) })
	t.Setenv("GETVPN_LAB_DIR", labs)
	return func(args ...string) (string, string, bool) {
		t.Helper()
		cmd := exec.Command(filepath.Join(dir, "getvpn-lab"), append(args, "--driver", "sim")...) //nolint:gosec // our own program
		cmd.Env = append(os.Environ(), "GETVPN_BIN="+dir)
		return result(t, cmd)
	}
}

// simulatedChecks is how many checks at least the simulator must make of a scenario. What is not here it does not carry.
var simulatedChecks = map[string]int{
	"anti-replay": 9, "basic": 12, "coop-election": 15, "coop-failover": 18, "coop-merge": 17, "coop-partition": 19, "coop-recovery": 21, "groups": 25, "hsm": 45, "ipv6": 15, "key-server-list": 26,
	"link-flap": 6, "migration": 20, "mtu": 3, "multicast": 3, "multicast-groups": 5, "multicast-rekey": 12, "pki": 23, "policy-change": 29, "rekey-loss": 17, "rekey-rollover": 17,
	"removal": 21, "soak": 3, "suites": 19, "tunnel-vs-preserved": 11, "unicast-trust": 12,
}

// notSimulated are the scenarios that the simulator does not carry, beside the exercises: those with other programs.
var notSimulated = []string{"policy-scope"}

// TestRunInSimulator: all scenarios in virtual time, without root.
func TestRunInSimulator(t *testing.T) {
	run := simulator(t)
	stdout, stderr, ok := run("run", "--all", "--profile", "quick", "--jobs", "2", "--json")
	t.Log(stderr)
	if !ok {
		t.Error("not every check passed")
	}
	all := decoded[[]scenario.Report](t, stdout)
	made := map[string]int{}
	for _, r := range all {
		if passed, _, _ := r.Counts(); r.Skipped == "" {
			made[r.Scenario] = passed
		} else if !slices.Contains(notSimulated, r.Scenario) && !strings.HasPrefix(r.Scenario, "break-fix") {
			t.Errorf("%s is not carried any more: %s", r.Scenario, r.Skipped)
		}
	}
	for name, least := range simulatedChecks {
		if made[name] < least {
			t.Errorf("%s: %d checks passed, at least %d should", name, made[name], least)
		}
	}
	t.Run("Again", func(t *testing.T) {
		args := []string{"run", "coop-election", "--profile", "quick", "--json", "--seed", "7"}
		one, said, _ := run(args...)
		two, again, _ := run(args...)
		if one != two || said != again {
			t.Errorf("the same seed gives another report:\n%s%s\n%s%s", one, said, two, again)
		}
		if other, _, _ := run(append(args, "--seed", "8")...); other == one {
			t.Error("another seed gives the same report")
		}
	})
	t.Run("Fails", func(t *testing.T) {
		text := "name: wrong\nbase: basic\nsteps:\n  - {do: partition gm1/gm2}\n  - {check: reach, pairs: [h1-h2], within: 2s}\n  - {check: blocked, pairs: [h1-h3], for: 1s}\n" +
			"  - {check: own-traffic, member: gm1, to: h3}\n"
		file := filepath.Join(t.TempDir(), "wrong.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		stdout, _, ok := run("run", file, "--json")
		r := decoded[scenario.Report](t, stdout)
		if passed, failed, skipped := r.Counts(); ok || passed != 1 || failed != 2 || skipped != 1 {
			t.Errorf("%d passed, %d failed, %d skipped: %s", passed, failed, skipped, stdout)
		}
	})
	t.Run("Sabotage", func(t *testing.T) {
		stdout, stderr, ok := run("run", "--all", "--sabotage", "--profile", "quick", "--jobs", "2", "--json")
		t.Log(stderr)
		all := decoded[[]scenario.Report](t, stdout)
		caught := 0
		for _, r := range all {
			if r.OK && r.Sabotage != nil {
				caught++
			}
		}
		if !ok || caught < 12 {
			t.Errorf("%d sabotages were caught, or one was not", caught)
		}
	})
	// The steps of all sabotages, with their deadlines and nothing broken: else it is not what is broken that they notice.
	t.Run("Control", func(t *testing.T) {
		if stdout, stderr, ok := run("run", "--all", "--sabotage", "--control", "--profile", "quick", "--jobs", "2", "--json"); !ok {
			t.Error(stderr, stdout)
		}
	})
	t.Run("Seed", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "drawn.yaml")
		if err := os.WriteFile(file, []byte("name: drawn\nbase: basic\ndraw: {x: 1..1000000}\nsteps:\n  - {do: \"wait ${x}ms\"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if stdout, stderr, ok := run("up", file, "--seed", "4711"); !ok {
			t.Fatal(stdout, stderr)
		}
		st, err := driver.ReadState("drawn")
		if err != nil || st.Seed != 4711 {
			t.Errorf("lab.json has seed %+v: %v", st, err)
		}
		if err := drivers.Down("drawn"); err != nil {
			t.Error(err)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		if _, stderr, ok := run("run", "break-fix-1"); ok || !strings.Contains(stderr, "does not carry") {
			t.Errorf("%t: %s", ok, stderr)
		}
	})
}
