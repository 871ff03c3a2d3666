package scenario

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// Result is the outcome of one check: what was measured and what was wanted, as text that a reader can compare. One that was skipped
// has not failed, and has proved nothing.
type Result struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Skipped bool    `json:"skipped,omitempty"` // Message says why
	Value   string  `json:"value"`
	Want    string  `json:"want"`
	Message string  `json:"message"`
	Hint    string  `json:"hint,omitempty"` // where to look, of a check that failed
	Meaning string  `json:"-"`              // what it means that it failed, as the scenario has it: Message begins with it
	Seconds float64 `json:"seconds"`
}

// Failed says whether the check was made, and did not pass.
func (r Result) Failed() bool { return !r.OK && !r.Skipped }

// String gives the result as one line of a report.
func (r Result) String() string {
	if r.Skipped {
		return fmt.Sprintf("skip  %-26s %s", r.Name, r.Message)
	}
	word := "ok  "
	if !r.OK {
		word = "FAIL"
	}
	line := fmt.Sprintf("%s  %-26s %s", word, r.Name, r.Value)
	if !r.OK {
		line += fmt.Sprintf("  (want %s)", r.Want)
	}
	if r.Message != "" {
		line += "\n      " + r.Message
	}
	if r.Hint != "" {
		line += "\n      hint: " + r.Hint
	}
	return line + fmt.Sprintf("  [%.1fs]", r.Seconds)
}

// Interrupted is the error of a run that somebody has ended: what it has not measured has not failed.
const Interrupted = "interrupted"

// Report is the outcome of a run.
type Report struct {
	Scenario string            `json:"scenario"`
	Profile  string            `json:"profile,omitempty"`
	Driver   string            `json:"driver"`
	OK       bool              `json:"ok"`
	Started  time.Time         `json:"started"`
	Seconds  float64           `json:"seconds"`
	Vars     map[string]string `json:"vars"`
	Seed     uint64            `json:"seed,omitempty"`  // of the drawn values
	Error    string            `json:"error,omitempty"` // the lab could not be brought up or taken down
	// Skipped says why the driver cannot carry the scenario at all: nothing is proved, and nothing has failed.
	Skipped  string   `json:"skipped,omitempty"`
	Checks   []Result `json:"checks"`
	Sabotage *Verdict `json:"sabotage,omitempty"` // of a run that was broken on purpose: it decides, and not the checks
}

// Invariants is the name of the result that the simulator adds by itself. It may fail a run, and proves nothing of the scenario.
const Invariants = "invariants"

// Finish sets OK and the duration. A run without any check of the scenario that was made has proved nothing; one that skipped all of
// them is skipped.
func (r *Report) Finish(now time.Time) {
	r.Seconds = now.Sub(r.Started).Seconds()
	_, failed, skipped := r.Counts()
	proved := slices.ContainsFunc(r.Checks, func(c Result) bool { return c.OK && !c.Skipped && c.Name != Invariants })
	if !proved && failed == 0 && skipped > 0 && r.Sabotage == nil && r.Error == "" && r.Skipped == "" {
		r.Skipped = "nothing of it can be measured by driver " + r.Driver
	}
	r.OK = r.Error == "" && r.Skipped == "" && proved && failed == 0
	if r.Sabotage != nil {
		r.OK = r.Error == "" && r.Skipped == "" && r.Sabotage.OK()
	}
}

// Counts are the checks by their outcome.
func (r *Report) Counts() (passed, failed, skipped int) {
	for _, c := range r.Checks {
		switch {
		case c.Skipped:
			skipped++
		case c.OK:
			passed++
		default:
			failed++
		}
	}
	return passed, failed, skipped
}

// Print writes the closing summary.
func (r *Report) Print(w io.Writer) {
	var failed []string
	passed, _, skipped := r.Counts()
	for _, c := range r.Checks {
		if c.Failed() {
			failed = append(failed, c.Name)
		}
	}
	if r.Error == Interrupted {
		fmt.Fprintf(w, "%s: interrupted: until then %d checks passed, %d failed (%.0f s)\n", r.Scenario, passed, len(failed), r.Seconds)
		return
	}
	if r.Sabotage != nil && r.Error == "" {
		fmt.Fprintln(w, r.Sabotage)
	}
	switch {
	case r.Error != "":
		fmt.Fprintf(w, "%s: FAILED: %s\n", r.Scenario, r.Error)
	case r.Skipped != "":
		fmt.Fprintf(w, "%s: skipped: %s\n", r.Scenario, r.Skipped)
	case !r.OK && len(failed) == 0 && r.Sabotage == nil:
		fmt.Fprintf(w, "%s: FAILED: nothing was checked\n", r.Scenario)
	case r.Sabotage != nil && r.OK:
		fmt.Fprintf(w, "%s: the sabotage was caught by all %d results that must notice (%.0f s)\n", r.Scenario, len(r.Sabotage.Fails), r.Seconds)
	case r.Sabotage != nil:
		fmt.Fprintf(w, "%s: FAILED: the sabotage was not caught by all results that must notice (%.0f s)\n", r.Scenario, r.Seconds)
	case len(failed) > 0:
		fmt.Fprintf(w, "%s: FAILED: %d of %d checks: %v (%.0f s)\n", r.Scenario, len(failed), len(r.Checks), failed, r.Seconds)
	case skipped > 0:
		fmt.Fprintf(w, "%s: %d checks: %d passed, %d skipped (%.0f s)\n", r.Scenario, len(r.Checks), passed, skipped, r.Seconds)
	default:
		fmt.Fprintf(w, "%s: all %d checks passed (%.0f s)\n", r.Scenario, len(r.Checks), r.Seconds)
	}
}
