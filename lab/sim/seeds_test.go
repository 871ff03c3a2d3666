package sim

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// TestSeeds plays a bounded number of seeds; make sim SEEDS=10000 plays as many as wanted. GETVPN_SIM_SEEDS sets the number.
func TestSeeds(t *testing.T) {
	seeds, shrink := 60, true
	if testing.Short() {
		seeds = 10
	}
	if n, err := strconv.Atoi(os.Getenv("GETVPN_SIM_SEEDS")); err == nil {
		seeds, shrink = n, false
	}
	began, steps, runs := time.Now(), uint64(0), 0
	Hunt(0, seeds, runtime.GOMAXPROCS(0), Draw, func(o Outcome) bool {
		runs++
		steps += o.Stats.Steps
		if len(o.Violations) == 0 {
			return true
		}
		t.Errorf("found: %v: %v", &o.Plan, o.Violations[0])
		if !shrink {
			return false
		}
		plan, runs := Shrink(o.Plan, o.Rule(), 200)
		short := Play(plan, true)
		dir := filepath.Join(os.TempDir(), "getvpn-sim-seed-"+itoa(int(o.Plan.Config.Seed)))
		t.Errorf("after %d more runs these faults are left: %v; see %s", runs, plan.Faults, dir)
		if err := short.Save(dir); err != nil {
			t.Error(err)
		}
		return false
	})
	t.Logf("%d seeds, %d steps, %v", runs, steps, time.Since(began).Round(time.Millisecond))
}

// TestSameSeedSameRun: a plan is all there is to a run, traced or not.
func TestSameSeedSameRun(t *testing.T) {
	for seed := range uint64(4) {
		a, b := Play(Draw(seed), false), Play(Draw(seed), true)
		if a.Hash != b.Hash {
			t.Errorf("seed %d: two runs differ", seed)
		}
		if len(b.Entries) == 0 {
			t.Errorf("seed %d left no trace", seed)
		}
	}
}
