package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/control/record"
	"github.com/getvpn/getvpn/lab/sim"
)

// simCommand runs the simulator over seeds.
func simCommand() *cobra.Command {
	var o struct {
		from           uint64
		seeds, workers int
		tries, most    int
		faults, out    string
		record         string
		trace, tokens  bool
		force          bool
	}
	c := &cobra.Command{
		Use:   "sim",
		Short: "Cooperating key servers and members in virtual time, with faults drawn from seeds",
		Long: "Plays one run for each seed: key servers, members, a network, clocks and disks in virtual time, with crashes,\n" +
			"pauses, partitions, lost tokens and operators' commands drawn from the seed, and checks every invariant after every step.\n" +
			"A run that breaks one is played again with ever fewer faults; what is left is written to a directory with its trace,\n" +
			"a recording and a sequence diagram.",
		Example: "  getvpn-lab sim --seeds 1000\n" +
			"  getvpn-lab sim --seeds 1000 --tokens\n" +
			"  getvpn-lab sim --from 4711 --seeds 1 --trace\n" +
			"  getvpn-lab sim --from 4711 --seeds 1 --faults sim-out/seed-4711/faults.txt\n" +
			"  getvpn-lab sim --from 4711 --record 4711.rec.gz && getvpn-tui replay 4711.rec.gz",
		Args: func(cmd *cobra.Command, args []string) error { // what fails here is a wrong command line
			if o.seeds < 1 {
				return fmt.Errorf("--seeds %d plays nothing: give at least 1", o.seeds)
			}
			return cobra.NoArgs(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			w := cmd.OutOrStdout()
			if o.record != "" {
				if !cmd.Flags().Changed("seeds") {
					o.seeds = 1
				}
				if o.seeds != 1 {
					return fmt.Errorf("--record takes one run, and there are %d seeds: name one with --from N --seeds 1", o.seeds)
				}
			}
			drawn := sim.Draw
			if o.tokens {
				drawn = sim.DrawCustody
			}
			draw := drawn
			if o.faults != "" {
				b, err := os.ReadFile(o.faults)
				if err != nil {
					return err
				}
				list, err := sim.ParseFaults(string(b))
				if err != nil {
					return err
				}
				draw = func(seed uint64) sim.Plan {
					p := drawn(seed)
					p.Faults = list
					return p
				}
			}
			if o.record != "" {
				return simRecord(w, draw(o.from), o.record, o.force)
			}
			began, runs, failed, steps := time.Now(), 0, 0, uint64(0)
			var apart float64
			var err error
			sim.Hunt(o.from, o.seeds, o.workers, draw, func(r sim.Outcome) bool {
				runs++
				steps += r.Stats.Steps
				if r.Plan.Config.Strict {
					apart += r.Apart
				}
				if len(r.Violations) > 0 {
					failed++
					err = simFailed(w, r, o.out, o.tries)
				} else if o.trace {
					r = sim.Play(r.Plan, true)
					err = r.Save(filepath.Join(o.out, fmt.Sprintf("seed-%d", r.Plan.Config.Seed)))
				}
				if runs%500 == 0 {
					fmt.Fprintf(w, "%d seeds, %d broken, %v\n", runs, failed, time.Since(began).Round(time.Second))
				}
				return err == nil && failed < o.most && cmd.Context().Err() == nil
			})
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%d seeds from %d in %v: %d steps, %d seeds with violations\n", runs, o.from, time.Since(began).Round(100*time.Millisecond), steps, failed)
			if cmd.Context().Err() != nil && runs < o.seeds {
				return fmt.Errorf("stopped after %d of %d seeds", runs, o.seeds)
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d seeds broke an invariant", failed, runs)
			}
			return nil
		},
	}
	f := c.Flags()
	f.Uint64Var(&o.from, "from", 0, "the first seed")
	f.IntVar(&o.seeds, "seeds", 1000, "how many seeds")
	f.IntVar(&o.workers, "workers", runtime.NumCPU(), "how many runs at a time")
	f.IntVar(&o.tries, "shrink", 300, "how many runs may be spent on a shorter list of faults")
	f.IntVar(&o.most, "most", 10, "end after that many broken seeds")
	f.StringVar(&o.faults, "faults", "", "play the faults of this file instead of those of the seed")
	f.StringVar(&o.out, "out", "sim-out", "the directory for what failed")
	f.StringVar(&o.record, "record", "", "play one seed, and write what consoles would see of it into this file, for getvpn-tui replay")
	f.BoolVar(&o.force, "force", false, "with --record: replace a file that exists")
	f.BoolVar(&o.tokens, "tokens", false, "give the key servers of every run tokens, which keep the KEKs; otherwise one run of three has them")
	f.BoolVar(&o.trace, "trace", false, "write the trace of every seed")
	return c
}

// simFailed shrinks a run, writes it down and says so.
func simFailed(w io.Writer, r sim.Outcome, out string, tries int) error {
	seed := r.Plan.Config.Seed
	fmt.Fprintf(w, "\n%v\n  %d faults; %v\n", &r.Plan, len(r.Plan.Faults), r.Violations[0])
	plan, runs := sim.Shrink(r.Plan, r.Rule(), tries)
	dir := filepath.Join(out, fmt.Sprintf("seed-%d", seed))
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // nothing of it is secret
		return err
	}
	short, stats, err := simRecorded(plan, filepath.Join(dir, "recording.ndjson.gz"), true)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "  after %d runs %d faults are left:\n", runs, len(plan.Faults))
	for _, f := range plan.Faults {
		fmt.Fprintf(w, "    %v\n", f)
	}
	if len(short.Violations) > 0 {
		fmt.Fprintf(w, "  %v\n", short.Violations[0])
	}
	fmt.Fprintf(w, "  see %s, and getvpn-tui replay %s (%d events)\n", dir, filepath.Join(dir, "recording.ndjson.gz"), stats.Events)
	return short.Save(dir)
}

// simRecorded plays a plan into a recording.
func simRecorded(p sim.Plan, path string, force bool) (o sim.Outcome, st record.Stats, err error) {
	rec, err := record.Create(path, sim.New(p.Config).Header(p.String()), record.Options{Force: force})
	if err != nil {
		return o, st, err
	}
	o, err = sim.PlayRecorded(p, true, rec)
	if err = errors.Join(err, rec.Flush()); err == nil {
		st = rec.Stats()
	}
	return o, st, errors.Join(err, rec.Close())
}

// simRecord plays one plan into a file and says what it was like.
func simRecord(w io.Writer, p sim.Plan, path string, force bool) error {
	o, st, err := simRecorded(p, path, force)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%v\n%d faults, %d steps, %d datagrams; %s has %d frames, %d events, %d kB: getvpn-tui replay %s\n",
		&p, len(p.Faults), o.Stats.Steps, o.Stats.Sent, path, st.Frames, st.Events, st.Size>>10, path)
	if len(o.Violations) > 0 {
		return fmt.Errorf("it broke an invariant: %v", o.Violations[0])
	}
	return nil
}
