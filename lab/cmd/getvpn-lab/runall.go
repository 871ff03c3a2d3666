package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim"
	"github.com/getvpn/getvpn/lab/topologies"
)

// fleet is every scenario, several of them side by side.
type fleet struct {
	runner
	jobs    int
	verbose bool
}

// one is a scenario of a fleet, in one of its profiles.
type one struct {
	scenario, profile, lab string
	alone                  bool
	report                 *scenario.Report
	took                   time.Duration // by the wall clock, which is not that of a simulated lab
	err                    error         // it could not begin
}

// all runs every scenario. Those that want the machine for themselves come after the others, one by one.
func (f *fleet) all(cmd *cobra.Command, progress io.Writer) ([]*scenario.Report, error) {
	list, err := f.plan()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	out := &lines{w: progress}
	width := min(f.jobs, len(list))
	queue := make(chan *one)
	var side sync.WaitGroup
	for range width {
		side.Go(func() {
			for o := range queue {
				f.one(cmd, o, out)
			}
		})
	}
	for _, o := range list {
		if !o.alone || width == 1 {
			queue <- o
		}
	}
	close(queue)
	side.Wait()
	for _, o := range list {
		if o.alone && width > 1 {
			f.one(cmd, o, out)
		}
	}
	return summary(progress, f.driver, list, width, time.Since(began))
}

// plan is what there is to run.
func (f *fleet) plan() ([]*one, error) {
	var list []*one
	names := map[string]bool{}
	known := f.Profile == ""
	for _, name := range topologies.Names() {
		s, err := topologies.Load(name, scenario.Options{})
		if err != nil {
			return nil, err
		}
		_, has := s.Profiles[f.Profile]
		known = known || has
		profiles, err := f.profiles(s)
		if err != nil {
			return nil, err
		}
		for i, p := range profiles {
			lab := s.LabName()
			if f.name != "" {
				lab = fmt.Sprintf("%s_%d", f.name, len(list)+1)
			} else if i > 0 {
				lab = fmt.Sprintf("%.14s_%d", lab, i+1)
			}
			if !scenario.ValidName(lab) || names[lab] {
				return nil, fmt.Errorf("lab name %q: choose a shorter --name", lab)
			}
			names[lab] = true
			list = append(list, &one{scenario: name, profile: p, lab: lab, alone: s.Alone})
		}
	}
	if !known {
		return nil, fmt.Errorf("no scenario has a profile %q", f.Profile)
	}
	return list, nil
}

// profiles are those in which a scenario is run. Where quick is asked for, those whose names begin with quick- are meant, too. Broken
// on purpose it is run once; an exercise, which is broken anyway, is not.
func (f *fleet) profiles(s *scenario.Scenario) (out []string, err error) {
	if f.Sabotage {
		switch _, known := s.Profiles[f.Profile]; {
		case s.Sabotage == nil:
			return nil, nil
		case s.Sabotage.Profile != "" || !known:
			return []string{s.Sabotage.Profile}, nil
		}
		return []string{f.Profile}, nil
	}
	if f.Profile == "" {
		return []string{""}, nil
	}
	for p := range s.Profiles {
		if p == f.Profile || strings.HasPrefix(p, f.Profile+"-") {
			out = append(out, p)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("scenario %s has no profile %q", s.Name, f.Profile)
	}
	slices.Sort(out)
	return out, nil
}

// one runs a scenario, with what it says behind its name.
func (f *fleet) one(cmd *cobra.Command, o *one, out *lines) {
	r := f.runner
	r.Profile, r.name = o.profile, o.lab
	if r.logs != "" {
		r.logs = filepath.Join(r.logs, o.lab)
	}
	said := out.of(o.String())
	if !f.verbose {
		said = io.Discard
	}
	if cmd.Context().Err() != nil {
		o.err = errNotRun
		return
	}
	began := time.Now()
	o.report, o.err = r.run(cmd, o.scenario, said)
	o.took = time.Since(began)
	if errors.Is(o.err, sim.ErrModel) {
		o.report = o.empty(r.driver)
		o.report.Skipped, o.err = o.err.Error(), nil
	}
	switch {
	case o.interrupted() && o.report == nil:
		fmt.Fprintln(out.of(o.String()), o.err)
		return
	case o.err != nil:
		fmt.Fprintln(out.of(o.String()), "FAILED:", o.err)
		return
	}
	if !f.verbose {
		for _, c := range o.report.Checks {
			if c.Failed() && o.report.Sabotage == nil {
				fmt.Fprintln(out.of(o.String()), c)
			}
		}
	}
	o.report.Print(out)
}

func (o *one) String() string {
	if o.profile == "" || o.profile == "quick" {
		return o.scenario
	}
	return o.scenario + " " + o.profile
}

// empty is the report of a run that has not begun, which is still to say why.
func (o *one) empty(driver string) *scenario.Report {
	return &scenario.Report{Scenario: o.scenario, Profile: o.profile, Driver: driver, Checks: []scenario.Result{}}
}

// errNothing ends all runs of which none has passed, because the driver carries none of them.
var errNothing = errors.New("no run has passed: all of them were skipped")

// summary prints the figures of all, and says whether all passed.
func summary(w io.Writer, driver string, list []*one, width int, took time.Duration) (reports []*scenario.Report, err error) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nSCENARIO\tPROFILE\tCHECKS\tPASSED\tSKIPPED\tSECONDS\tWALL\t")
	var failed, checks, left, ended, missing, good int
	var verdict string
	for _, o := range list {
		if o.report == nil {
			rep := o.empty(driver)
			rep.Error = o.err.Error()
			reports, verdict = append(reports, rep), rep.Error
			switch {
			case o.interrupted():
				ended++
			case errors.Is(o.err, errNotRun):
				missing++
			default:
				failed, verdict = failed+1, "FAILED: "+verdict
			}
			fmt.Fprintf(t, "%s\t%s\t-\t-\t-\t-\t-\t%s\n", o.scenario, o.profile, verdict)
			continue
		}
		reports = append(reports, o.report)
		passed, _, skipped := o.report.Counts()
		checks, verdict = checks+passed, ""
		left += skipped
		switch {
		case o.interrupted():
			ended, verdict = ended+1, o.report.Error
		case o.report.OK:
			good++
		case o.report.Skipped != "" && o.report.Error == "":
			verdict = "skipped: " + o.report.Skipped
		default:
			failed, verdict = failed+1, "FAILED "+o.report.Error
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%.0f\t%.1f\t%s\n", o.scenario, o.profile, len(o.report.Checks), passed, skipped, o.report.Seconds,
			o.took.Seconds(), verdict)
	}
	if err := t.Flush(); err != nil {
		return reports, err
	}
	fmt.Fprintf(w, "%d checks passed, %d skipped\n", checks, left)
	if ended+missing > 0 {
		fmt.Fprintf(w, "interrupted: of %d runs %d failed, %d were interrupted, and %d were not begun\n", len(list), failed, ended, missing)
		return reports, errInterrupted
	}
	fmt.Fprintf(w, "%d runs, %d failed, in %.0f s, %d side by side\n", len(list), failed, took.Seconds(), width)
	if failed > 0 {
		return reports, errChecks
	}
	if good == 0 {
		return reports, errNothing
	}
	return reports, nil
}
