package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/check"
	"github.com/getvpn/getvpn/lab/course"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim/live"
)

// errChecks ends the program with status 1; the report has said everything.
var errChecks = errors.New("not every check passed")

// runner is one or more runs.
type runner struct {
	choice
	wait   time.Duration
	keep   bool
	logs   string
	status bool // print the lab's status once it is up
	only   []string
}

// once runs one scenario for its report and its verdict.
func (r *runner) once(cmd *cobra.Command, name string) error {
	rep, err := r.run(cmd, name, cmd.OutOrStdout())
	if err != nil {
		return err
	}
	rep.Print(cmd.OutOrStdout())
	return verdict(rep)
}

func runCommand() *cobra.Command {
	var f fleet
	var asJSON, all bool
	c := &cobra.Command{Use: "run NAME|FILE.yaml", Short: "Bring a scenario up, go through its steps and checks, take it down",
		Long: "Bring a scenario up, go through its steps and checks, take it down. The exit status is 0 only if every check passed.\n\n" +
			"With --sabotage the scenario is brought up broken, as it says itself, and the exit status is 0 only if every result that must notice\n" +
			"has failed: a check that could not measure has caught nothing. With --control beside it nothing is broken, and the same steps must\n" +
			"pass. With --all a scenario that the driver does not carry is skipped, and has not failed; but something must have passed.",
		Args: func(cmd *cobra.Command, args []string) error { // what fails here is a wrong command line
			switch {
			case len(args) > 1 || all != (len(args) == 0):
				return errors.New("name one scenario, or --all")
			case cmd.Flags().Changed("jobs") && !all:
				return errors.New("--jobs says how many scenarios run side by side, and goes with --all")
			case f.jobs < 1:
				return fmt.Errorf("--jobs %d: at least 1", f.jobs)
			case f.Control && !f.Sabotage:
				return errors.New("--control is that of --sabotage, and goes with it")
			case f.Sabotage && len(f.only) > 0:
				return errors.New("--sabotage: the scenario says itself which steps show it, so --only has no place beside it")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			progress := cmd.OutOrStdout()
			if asJSON {
				progress = cmd.ErrOrStderr() // standard output is the report alone
			}
			if all {
				reports, err := f.all(cmd, progress)
				if asJSON {
					err = errors.Join(err, writeJSON(cmd.OutOrStdout(), reports))
				}
				return err
			}
			rep, err := f.run(cmd, args[0], progress)
			if err != nil {
				return err
			}
			rep.Print(progress)
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), rep)
			}
			if err == nil {
				err = verdict(rep)
			}
			return err
		}}
	f.flags(c)
	c.Flags().BoolVar(&f.Control, "control", false, "with --sabotage, break nothing: the same steps must then pass")
	c.Flags().DurationVar(&f.wait, "wait", time.Minute, "how long members may take to register")
	c.Flags().BoolVar(&f.keep, "keep", false, "leave the lab up afterwards")
	c.Flags().StringVar(&f.logs, "logs", "", "copy the daemons' logs to this directory before the lab goes")
	c.Flags().StringSliceVar(&f.only, "only", nil, "run only the steps of these names")
	c.Flags().BoolVar(&asJSON, "json", false, "the report as JSON on standard output, progress on standard error")
	c.Flags().BoolVar(&all, "all", false, "every scenario; with --profile quick in each of its profiles quick and quick-...")
	c.Flags().IntVar(&f.jobs, "jobs", 1, "with --all, how many scenarios run side by side")
	c.Flags().BoolVar(&f.verbose, "verbose", false, "with --all, tell every step and check")
	return c
}

// run fails only when it cannot begin; everything later is in the report.
func (r *runner) run(cmd *cobra.Command, scenarioName string, progress io.Writer) (*scenario.Report, error) {
	o := r.choice
	if o.driver == live.Name && o.Seed == 0 {
		o.Seed = 1 // the same command gives the same report
	}
	o.drawSeed()
	s, err := o.load(scenarioName)
	if err != nil {
		return nil, err
	}
	if s.Sabotaged || s.Control {
		s.Steps = check.SabotageSteps(s)
	} else if s.Steps, err = selectSteps(s.Steps, r.only); err != nil {
		return nil, err
	}
	rep := &scenario.Report{Scenario: s.Name, Profile: o.Profile, Driver: o.driver, Started: time.Now(), Vars: s.Vars, Seed: s.Seed, Checks: []scenario.Result{}}
	now := time.Now
	say := func(format string, args ...any) {
		fmt.Fprintf(progress, "%6.1f  %s\n", now().Sub(rep.Started).Seconds(), fmt.Sprintf(format, args...))
	}
	say("bringing up %s as lab %s", s.Name, o.name)
	var capture *check.Capture
	l, err := seeded(o.Seed, true).Up(cmd.Context(), o.driver, o.name, s, func(l driver.Lab) (err error) {
		capture, err = check.StartCapture(l) // before the first daemon: the core must be clean from the beginning
		return err
	})
	if capture != nil {
		defer capture.Close()
	}
	if err = interrupted(cmd.Context(), err); errors.Is(err, errInterrupted) && drivers.Known(o.name) {
		return nil, fmt.Errorf("%w, and something of the lab is left; getvpn-lab down %s clears it", err, o.name)
	}
	if err != nil {
		return nil, err
	}
	if v, ok := l.(driver.Virtual); ok {
		now, rep.Started, rep.Seed = v.Now, v.Now(), o.Seed
	}
	steps := interrupted(cmd.Context(), r.steps(cmd, l, capture, rep, progress, say))
	if s.Sabotaged {
		rep.Sabotage = s.Sabotage.Judge(rep.Checks)
		if errors.Is(steps, driver.ErrNoNetwork) {
			rep.Skipped, rep.Sabotage, steps = steps.Error(), nil, nil
		} else if steps == nil && rep.Sabotage.Unseen() {
			rep.Skipped = "nothing that must notice can be measured by driver " + o.driver
		}
	}
	err = steps
	if r.logs != "" {
		err = errors.Join(err, copyLogs(l, r.logs))
	}
	if r.keep {
		say("lab %s stays up; getvpn-lab down %s ends it", o.name, o.name)
	} else {
		err = errors.Join(err, drivers.Down(o.name))
	}
	if err != nil {
		rep.Error = err.Error()
	}
	rep.Finish(now())
	return rep, nil
}

func (r *runner) steps(cmd *cobra.Command, l driver.Lab, capture *check.Capture, rep *scenario.Report, progress io.Writer,
	say func(string, ...any)) error {
	ctx := cmd.Context()
	if err := l.WaitRegistered(ctx, r.wait); err != nil {
		return err
	}
	say("all members have registered")
	if r.status {
		if err := printStatus(cmd, l, true); err != nil {
			return err
		}
	}
	report := func(res scenario.Result) {
		if ctx.Err() != nil { // it was not measured to its end
			return
		}
		rep.Checks = append(rep.Checks, res)
		fmt.Fprintln(progress, res)
	}
	env := &check.Env{Lab: l, Scenario: l.Scenario(), Capture: capture, Log: say}
	if err := check.Sabotage(ctx, env); err != nil {
		return err
	}
	if err := course.Follow(driver.Dir(l.Name()), env); err != nil {
		return err
	}
	check.Run(ctx, env, report)
	if err := ctx.Err(); err != nil || len(l.Scenario().Tasks) == 0 {
		return err
	}
	return course.Prove(ctx, env, report)
}

// selectSteps keeps the named steps, in the order of the names.
func selectSteps(steps []scenario.Step, only []string) ([]scenario.Step, error) {
	if len(only) == 0 {
		return steps, nil
	}
	var out []scenario.Step
	for _, name := range only {
		found := false
		for _, st := range steps {
			if st.Name == name || st.Check == name {
				out, found = append(out, st), true
			}
		}
		if !found {
			return nil, fmt.Errorf("the scenario has no step %q", name)
		}
	}
	return out, nil
}

func copyLogs(l driver.Lab, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // logs hold no secrets
		return fmt.Errorf("copying logs: %w", err)
	}
	for _, n := range l.Scenario().Nodes {
		b, err := os.ReadFile(l.LogFile(n.Name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, n.Name+".log"), b, 0o644) //nolint:gosec // as above
		}
		if err != nil {
			return fmt.Errorf("copying logs: %w", err)
		}
	}
	return nil
}
