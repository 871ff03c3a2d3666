package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/course"
	"github.com/getvpn/getvpn/lab/driver"
)

func statusCommand(lab *string) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "status [LAB]", Short: "Show what is up: nodes, daemons, faults", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				*lab = args[0]
			}
			names := driver.Labs()
			if *lab != "" {
				names = []string{*lab}
			}
			if asJSON {
				all := []*driver.Status{}
				for _, n := range names {
					l, err := drivers.Open(n)
					if err != nil {
						return err
					}
					st, err := l.Status(cmd.Context())
					if err != nil {
						return err
					}
					all = append(all, st)
				}
				return writeJSON(cmd.OutOrStdout(), all)
			}
			if len(names) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "no lab is up%s\n", ofRoot())
			}
			var errs []error
			for _, n := range names {
				l, err := drivers.Open(n)
				if err == nil {
					err = printStatus(cmd, l, len(names) > 1)
				}
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON: a list of labs")
	return c
}

// printCourse says what an exercise is about, how far it is, and where the files are that it may take to change.
func printCourse(out io.Writer, l driver.Lab, dir string) {
	c, err := course.Read(dir)
	if err != nil || len(c.Tasks) == 0 {
		return
	}
	fmt.Fprintf(out, "\n%s\n\n", c.Text)
	for _, t := range c.Tasks {
		fmt.Fprintf(out, "task %s (%d points, %s): %s\n", t.Name, t.Points, t.State, t.Title)
	}
	fmt.Fprintf(out, "configuration files: %s/NODE/NODE.yaml; after a change: getvpn-lab reload NODE, or stop and start\n", filepath.Join(dir, "config"))
	fmt.Fprintln(out, "then: getvpn-lab grade; stuck: getvpn-lab hint TASK; give up: getvpn-lab solution")
}

func printStatus(cmd *cobra.Command, l driver.Lab, gap bool) error {
	st, err := l.Status(cmd.Context())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "lab %s (scenario %s, %s), up for %s, in %s\n", st.Name, st.Scenario, st.Driver,
		time.Since(st.Created).Round(time.Second), st.Dir)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tKIND\tADDRESSES\tPID\tSTATE")
	for _, n := range st.Nodes {
		var addresses []string
		for _, a := range n.Addresses {
			addresses = append(addresses, a.String())
		}
		if len(addresses) > 3 {
			addresses = append(addresses[:2], fmt.Sprintf("and %d more", len(n.Addresses)-2))
		}
		pid := "-"
		if n.Running {
			pid = fmt.Sprint(n.PID)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", n.Name, n.Kind, strings.Join(addresses, " "), pid, n.Detail)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	printCourse(out, l, st.Dir)
	for _, f := range st.Faults {
		until := "until heal"
		if f.Until != nil {
			until = fmt.Sprintf("for another %s", f.Until.Sub(st.Now).Round(time.Second))
		}
		fmt.Fprintf(out, "fault: %s %s, %s\n", f.Kind, f.Spec, until)
	}
	if gap {
		fmt.Fprintln(out)
	}
	return nil
}
