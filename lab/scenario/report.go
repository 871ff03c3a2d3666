package scenario

import (
	"fmt"
	"io"
	"time"
)

// Result is the outcome of one check: what was measured and what was wanted, as text that a reader can compare.
type Result struct {
	Name    string  `json:"name"`
	OK      bool    `json:"ok"`
	Value   string  `json:"value"`
	Want    string  `json:"want"`
	Message string  `json:"message"`
	Hint    string  `json:"hint,omitempty"` // where to look, of a check that failed
	Seconds float64 `json:"seconds"`
}

// String gives the result as one line of a report.
func (r Result) String() string {
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
	Checks   []Result          `json:"checks"`
	Sabotage *Verdict          `json:"sabotage,omitempty"` // of a run that was broken on purpose: it decides, and not the checks
}

// Finish sets OK and the duration. A run without any check has proved nothing.
func (r *Report) Finish(now time.Time) {
	r.Seconds = now.Sub(r.Started).Seconds()
	r.OK = r.Error == "" && len(r.Checks) > 0
	if r.Sabotage != nil {
		r.OK = r.OK && r.Sabotage.OK()
		return
	}
	for _, c := range r.Checks {
		r.OK = r.OK && c.OK
	}
}

// Passed counts the checks that did.
func (r *Report) Passed() (n int) {
	for _, c := range r.Checks {
		if c.OK {
			n++
		}
	}
	return n
}

// Print writes the closing summary.
func (r *Report) Print(w io.Writer) {
	var failed []string
	for _, c := range r.Checks {
		if !c.OK {
			failed = append(failed, c.Name)
		}
	}
	if r.Sabotage != nil && r.Error == "" {
		fmt.Fprintln(w, r.Sabotage)
	}
	switch {
	case r.Error != "":
		fmt.Fprintf(w, "%s: FAILED: %s\n", r.Scenario, r.Error)
	case len(r.Checks) == 0:
		fmt.Fprintf(w, "%s: FAILED: nothing was checked\n", r.Scenario)
	case r.Sabotage != nil && r.OK:
		fmt.Fprintf(w, "%s: the sabotage was caught by all %d results that must notice (%.0f s)\n", r.Scenario, len(r.Sabotage.Fails), r.Seconds)
	case r.Sabotage != nil:
		fmt.Fprintf(w, "%s: FAILED: the sabotage was not caught by all results that must notice (%.0f s)\n", r.Scenario, r.Seconds)
	case len(failed) > 0:
		fmt.Fprintf(w, "%s: FAILED: %d of %d checks: %v (%.0f s)\n", r.Scenario, len(failed), len(r.Checks), failed, r.Seconds)
	default:
		fmt.Fprintf(w, "%s: all %d checks passed (%.0f s)\n", r.Scenario, len(r.Checks), r.Seconds)
	}
}
