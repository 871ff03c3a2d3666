package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/check"
	"github.com/getvpn/getvpn/lab/course"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// seeds are how many exercises there are of one scenario for who does not choose one: short to write down, too many to learn.
const seeds = 9999

// drawSeed chooses the seed of a lab unless the user has.
func (o *choice) drawSeed() {
	if o.Seed == 0 {
		o.Seed = 1 + rand.Uint64N(seeds) //nolint:gosec // which exercise is no secret
	}
}

// begin breaks what the exercise, or the sabotage, is about, once all members have registered, and writes the course: a new one, or that
// of before, also when a reset that did not come to its end has kept it.
func begin(ctx context.Context, l driver.Lab, before *course.Course) error {
	s, dir := l.Scenario(), driver.Dir(l.Name())
	if before == nil {
		before = course.Kept(dir, s)
	}
	if len(s.Faults) > 0 {
		if err := course.Break(ctx, l); err != nil {
			return fmt.Errorf("the exercise could not be prepared: %w; getvpn-lab down %s ends the lab", err, l.Name())
		}
	}
	if err := check.Sabotage(ctx, &check.Env{Lab: l, Scenario: s, Log: func(string, ...any) {}}); err != nil {
		return fmt.Errorf("%w; getvpn-lab down %s ends the lab", err, l.Name())
	}
	c := course.New(s, time.Now())
	if before != nil {
		c = before.Again(s, time.Now())
	}
	if err := c.Write(dir); err != nil {
		return err
	}
	return course.Forget(dir)
}

// exercise finds a lab with tasks.
func exercise(name string) (driver.Lab, error) {
	l, err := drivers.Open(name)
	if err != nil {
		return nil, err
	}
	if len(l.Scenario().Tasks) == 0 {
		return nil, fmt.Errorf("lab %s: %w; getvpn-lab run %s goes through its checks", l.Name(), course.ErrNoTasks, l.Scenario().Name)
	}
	return l, nil
}

func gradeCommand(lab *string) *cobra.Command {
	var asJSON bool
	var file string
	c := &cobra.Command{Use: "grade [LAB]", Short: "Check the tasks of an exercise as the lab is now, and give points", Args: cobra.MaximumNArgs(1),
		Long: "Check the tasks of an exercise as the lab is now: what was measured, what it should be, and the points. It may be asked as often as\n" +
			"you like. The exit status is 0 only if every task passed.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				*lab = args[0]
			}
			l, err := exercise(*lab)
			if err != nil {
				return err
			}
			found, err := course.Measure(cmd.Context(), l, func(string, ...any) {})
			if err != nil {
				return err
			}
			var rep *course.Report
			err = course.Change(driver.Dir(l.Name()), func(c *course.Course) error {
				c.Grade(found, time.Now())
				rep = c.Report(l.Name(), found)
				return nil
			})
			if err == nil && file != "" {
				err = writeReport(file, rep)
			}
			switch {
			case err != nil:
				return err
			case asJSON:
				err = writeJSON(cmd.OutOrStdout(), rep)
			default:
				rep.Print(cmd.OutOrStdout())
			}
			if err == nil && !rep.OK {
				err = errors.New("not every task is done")
			}
			return err
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "the report as JSON")
	c.Flags().StringVar(&file, "report", "", "write the report to this file as well: JSON when its name ends in .json, otherwise text")
	return c
}

func writeReport(file string, rep *course.Report) error {
	f, err := create(file, 0o644)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if filepath.Ext(file) == ".json" {
		err = writeJSON(f, rep)
	} else {
		rep.Print(f)
	}
	return errors.Join(err, f.Close())
}

func hintCommand(lab *string) *cobra.Command {
	return &cobra.Command{Use: "hint [TASK]", Short: "Show the next hint of a task, which costs a part of its points; without a task, what there is", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := exercise(*lab)
			if err != nil {
				return err
			}
			dir, out := driver.Dir(l.Name()), cmd.OutOrStdout()
			if len(args) == 0 {
				c, err := course.Read(dir)
				if err != nil {
					return err
				}
				for _, t := range c.Tasks {
					fmt.Fprintf(out, "%s  %s: %d of %d hints taken, the next costs %d of %d points\n", t.Name, t.Title, len(t.Taken), t.Hints, t.Price(), t.Points)
					for i, h := range t.Taken {
						fmt.Fprintf(out, "  %d. %s\n", i+1, h)
					}
				}
				return nil
			}
			var hint string
			var price int
			err = course.Change(dir, func(c *course.Course) (err error) {
				hint, price, err = c.Hint(l.Scenario(), args[0])
				return err
			})
			if err != nil {
				return err
			}
			fmt.Fprintln(out, hint)
			if price > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "(that cost %d points)\n", price)
			}
			return nil
		}}
}

func solutionCommand(lab *string) *cobra.Command {
	var do bool
	c := &cobra.Command{Use: "solution", Short: "Show how the exercise is solved, which ends it with the points so far; --do solves it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := exercise(*lab)
			if err != nil {
				return err
			}
			var text string
			err = course.Change(driver.Dir(l.Name()), func(c *course.Course) (err error) {
				text, err = c.Reveal(l.Scenario(), time.Now())
				return err
			})
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), text)
			if !do {
				return nil
			}
			return course.Solve(cmd.Context(), l, func(format string, args ...any) {
				fmt.Fprintf(cmd.ErrOrStderr(), format+"\n", args...)
			})
		}}
	c.Flags().BoolVar(&do, "do", false, "carry it out as well")
	return c
}

func resetCommand(lab *string) *cobra.Command {
	var other bool
	var wait time.Duration
	c := &cobra.Command{Use: "reset", Short: "Put a lab back to its beginning: down and up with the same values", Args: cobra.NoArgs,
		Long: "Put a lab back to its beginning: down and up with the same variables and the same drawn values. In an exercise the clock goes on and\n" +
			"hints stay taken; --new draws another one, which begins at nothing.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := drivers.Open(*lab)
			if err != nil {
				return err
			}
			st, err := l.State()
			if err != nil {
				return err
			}
			s, before := l.Scenario(), (*course.Course)(nil)
			if other && s.Seed == 0 {
				return wrong("--new: scenario %s draws nothing, and so there is no other one; reset without --new puts it back to its beginning", s.Name)
			}
			if other {
				again := choice{Options: scenario.Options{Set: st.Vars, Sabotage: st.Sabotaged}}
				again.drawSeed()
				if s, err = scenario.Parse(s.File, s.Text, again.Options); err != nil {
					return err
				}
				if err := course.Forget(st.Dir); err != nil {
					return err
				}
			} else if before, err = course.Read(st.Dir); errors.Is(err, course.ErrNoTasks) {
				before = course.Kept(st.Dir, s) // the last reset has got no further
			} else if err != nil {
				return err
			}
			if before != nil && len(before.Tasks) > 0 {
				if err := before.Keep(st.Dir); err != nil {
					return err
				}
			}
			if l, err = anew(cmd.Context(), l, st.Driver, s, wait, before); err != nil {
				if before != nil && len(before.Tasks) > 0 {
					err = fmt.Errorf("%w\nthe clock and the hints are kept: getvpn-lab reset again or, when the lab is gone, getvpn-lab up %s --name %s --seed %d goes on",
						err, st.Scenario, st.Name, st.Seed)
				}
				return err
			}
			if !other {
				fmt.Fprintf(cmd.OutOrStdout(), "%s is as at its beginning\n", l.Name())
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is a new one, of seed %d\n", l.Name(), s.Seed)
			return printStatus(cmd, l, false)
		}}
	c.Flags().BoolVar(&other, "new", false, "draw other values: a new exercise")
	c.Flags().DurationVar(&wait, "wait", time.Minute, "how long members may take to register")
	return c
}

// anew takes a lab down and brings it up.
func anew(ctx context.Context, l driver.Lab, with string, s *scenario.Scenario, wait time.Duration, before *course.Course) (driver.Lab, error) {
	name := l.Name()
	if err := drivers.Down(name); err != nil {
		return nil, err
	}
	l, err := drivers.Up(ctx, with, name, s, nil)
	if err != nil {
		return nil, err
	}
	if err := l.WaitRegistered(ctx, wait); err != nil {
		return nil, err
	}
	return l, begin(ctx, l, before)
}

// configCommand names a file, for an editor: vi $(getvpn-lab config gm1).
func configCommand(lab *string) *cobra.Command {
	return &cobra.Command{Use: "config NODE", Short: "Name the configuration file of a node's daemon, for an editor; reload makes the daemon read it", Args: cobra.ExactArgs(1),
		Example: "  vi $(getvpn-lab config gm1) && getvpn-lab reload gm1",
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := drivers.Open(*lab)
			if err != nil {
				return err
			}
			st, err := l.State()
			if err != nil {
				return err
			}
			for _, n := range st.Nodes {
				if n.Name == args[0] && n.Config != "" {
					fmt.Fprintln(cmd.OutOrStdout(), n.Config)
					return nil
				}
			}
			return fmt.Errorf("there is no node %q with a daemon in this lab; getvpn-lab status lists them", args[0])
		}}
}
