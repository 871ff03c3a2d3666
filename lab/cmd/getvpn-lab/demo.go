package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/driver"
)

func demoCommand() *cobra.Command {
	r := runner{status: true, wait: time.Minute}
	c := &cobra.Command{Use: "demo NAME|FILE.yaml", Short: "On a terminal: lab and console; otherwise: status and checks (this is make lab)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.drawSeed() // as up and run: otherwise an exercise is the same each time
			if isTerminal() {
				return r.console(cmd, args[0])
			}
			if s, err := r.load(args[0]); err == nil && r.Profile == "" && s.Profiles["quick"] != nil {
				r.Profile = "quick" // nobody waits ten minutes without a screen
			}
			return r.once(cmd, args[0])
		}}
	r.flags(c)
	return c
}

// console brings the lab up unless it is, and shows it; it stays up.
func (r *runner) console(cmd *cobra.Command, scenarioName string) error {
	s, err := r.load(scenarioName)
	if err != nil {
		return err
	}
	l, err := drivers.Open(r.name)
	switch {
	case errors.Is(err, driver.ErrNotUp):
		fmt.Fprintf(cmd.OutOrStdout(), "bringing up %s: %s\n", s.Name, s.Title)
		if l, err = seeded(r.Seed, false).Up(cmd.Context(), r.driver, r.name, s, nil); err != nil {
			return err
		}
		if err := l.WaitRegistered(cmd.Context(), r.wait); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), err) // the console shows the same, and more
		} else if err := begin(cmd.Context(), l, nil); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	tui := exec.CommandContext(cmd.Context(), beside("getvpn-tui"), "--lab", l.Name(), "--write", "--view", "lab") //nolint:gosec // our own console
	tui.Stdin, tui.Stdout, tui.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := tui.Run(); err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "getvpn-lab: the console:", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "lab %s stays up: getvpn-tui --lab %s attaches again, getvpn-lab down ends it\n", l.Name(), l.Name())
	return nil
}

// beside prefers the program in the directory of this one.
func beside(name string) string {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return name
}
