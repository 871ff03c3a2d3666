package sim

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Hunt plays the plans of seeds from from on, on several processors, and hands every outcome to each, one at a time, in any
// order; it ends early when each returns false.
func Hunt(from uint64, seeds, workers int, draw func(uint64) Plan, each func(Outcome) bool) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	next, stop := from, false
	for range max(1, workers) {
		wg.Go(func() {
			for {
				mu.Lock()
				seed := next
				next++
				done := stop || seed >= from+uint64(seeds)
				mu.Unlock()
				if done {
					return
				}
				o := Play(draw(seed), false)
				mu.Lock()
				stop = stop || !each(o)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// Files is how many lines of a trace a diagram shows.
const diagramLines = 120

// Save writes what is needed to understand a failed run into dir, which it makes: the plan and its faults (which "getvpn-lab sim
// --faults" plays again), the violations, the trace up to the first, and the end of that as a sequence diagram, as text and for Mermaid.
func (o *Outcome) Save(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	entries := o.untilViolation()
	files := map[string]func(*strings.Builder) error{
		"faults.txt": func(b *strings.Builder) error {
			fmt.Fprintf(b, "# %v\n", &o.Plan)
			for _, f := range o.Plan.Faults {
				fmt.Fprintln(b, f)
			}
			for _, v := range o.Violations {
				fmt.Fprintf(b, "# %s\n", strings.ReplaceAll(v.String(), "\n", "\n# "))
			}
			return nil
		},
		"trace.txt":   func(b *strings.Builder) error { return WriteTrace(b, o.Entries) },
		"diagram.txt": func(b *strings.Builder) error { return Columns(b, entries, diagramLines) },
		"diagram.mmd": func(b *strings.Builder) error { return Diagram(b, entries, diagramLines) },
	}
	for name, write := range files {
		var b strings.Builder
		if err := write(&b); err != nil {
			return fmt.Errorf("sim: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b.String()), 0o644); err != nil {
			return fmt.Errorf("sim: %w", err)
		}
	}
	return nil
}

// untilViolation is the trace up to the first violation.
func (o *Outcome) untilViolation() []Entry {
	for i, e := range o.Entries {
		if e.Kind == "violation" {
			return o.Entries[:i+1]
		}
	}
	return o.Entries
}
