package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/netns"
)

func demoCommand() *cobra.Command {
	r := runner{status: true, wait: time.Minute}
	c := &cobra.Command{Use: "demo NAME|FILE.yaml", Short: "On a terminal: lab and console; otherwise: status and checks (this is make lab)", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if isTerminal() {
				return r.console(cmd, args[0])
			}
			if s, err := r.load(args[0]); err == nil && r.Profile == "" && s.Profiles["quick"] != nil {
				r.Profile = "quick" // nobody waits ten minutes without a screen
			}
			rep, err := r.run(cmd, args[0], cmd.OutOrStdout())
			if err != nil {
				return err
			}
			rep.Print(cmd.OutOrStdout())
			if !rep.OK {
				return errChecks
			}
			return nil
		}}
	r.flags(c)
	return c
}

// console brings the lab up unless it is, shows it, and asks what becomes of it.
func (r *runner) console(cmd *cobra.Command, scenarioName string) error {
	s, err := r.load(scenarioName)
	if err != nil {
		return err
	}
	l, err := netns.Open(r.name)
	switch {
	case errors.Is(err, netns.ErrNotUp):
		fmt.Fprintf(cmd.OutOrStdout(), "bringing up %s: %s\n", s.Name, s.Title)
		if l, err = netns.Up(cmd.Context(), r.name, s, nil); err != nil {
			return err
		}
		if err := l.WaitRegistered(cmd.Context(), r.wait); err != nil {
			fmt.Fprintln(cmd.ErrOrStderr(), err) // the console shows the same, and more
		}
	case err != nil:
		return err
	}
	tui := exec.CommandContext(cmd.Context(), beside("getvpn-tui"), "--lab", l.Name()) //nolint:gosec // our own console
	tui.Stdin, tui.Stdout, tui.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := tui.Run(); err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "getvpn-lab: the console:", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "take lab %s down? [Y/n] ", l.Name())
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n') // no answer is the default
	if a := strings.ToLower(strings.TrimSpace(answer)); a == "n" || a == "no" {
		fmt.Fprintf(cmd.OutOrStdout(), "it stays up: getvpn-tui --lab %s, getvpn-lab status, getvpn-lab down\n", l.Name())
		return nil
	}
	return netns.Down(l.Name())
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
