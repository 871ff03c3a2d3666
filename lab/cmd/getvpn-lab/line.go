package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/topologies"
)

// wrongLine is a command line that makes no sense.
type wrongLine struct{ error }

func (w wrongLine) Unwrap() error { return w.error }

func wrong(format string, args ...any) error { return wrongLine{fmt.Errorf(format, args...)} }

// exitCode is that of a failure; understood: cobra has made sense of the command line.
func exitCode(understood bool, err error) int {
	var line wrongLine
	if !understood || errors.As(err, &line) || errors.Is(err, topologies.ErrUnknown) || errors.Is(err, driver.ErrNoDriver) {
		return 2
	}
	return 1
}

// labless are the commands that are about no lab that is up.
var labless = []string{"list", "readme", "validate", "export", "sim", "bench", "bench-peers", "completion"}

// nameIt makes --lab and --name one where a lab is brought up, and refuses a lab's name that would be passed over.
func nameIt(cmd *cobra.Command, lab string) error {
	name := cmd.Flags().Lookup("name") // what brings a lab up has it
	if name != nil && name.Changed && name.Value.String() == "" {
		return wrong("--name is empty: give the lab a name, or leave --name out, and it has that of the scenario")
	}
	if !cmd.Flags().Changed("lab") {
		return nil
	}
	switch {
	case slices.Contains(labless, cmd.Name()):
		return wrong("--lab %s: %s is not about a lab that is up", lab, cmd.Name())
	case name == nil:
		return nil
	case lab == "":
		return wrong("--lab is empty: give the lab a name with --name, or leave it out, and it has that of the scenario")
	case name.Changed && name.Value.String() != lab:
		return wrong("--name %s and --lab %s are two names for one lab: leave --lab out", name.Value, lab)
	}
	return cmd.Flags().Set("name", lab)
}

var (
	count  = regexp.MustCompile(`^(?:accepts|requires) (between \d+ and \d+|at most \d+|at least \d+|\d+) arg\(s\), (?:only )?received (\d+)$`)
	number = regexp.MustCompile(`^(invalid argument ".*" for "[^"]*" flag): strconv\.Parse(Uint|Int|Float): .*: (.*)$`)
)

// readable says in words what is wrong with the flags of a command.
func readable(cmd *cobra.Command, err error) error {
	if m := number.FindStringSubmatch(err.Error()); m != nil {
		want := map[string]string{"Uint": "a whole number from 0", "Int": "a whole number", "Float": "a number"}[m[2]]
		if m[3] == "value out of range" {
			want += " that is not so large"
		}
		return fmt.Errorf("%s: it takes %s", m[1], want)
	}
	if err.Error() == "unknown flag: --name" {
		return fmt.Errorf("%w; --lab names a lab that is up", err)
	}
	return fmt.Errorf("%w; getvpn-lab %s --help shows what there is", err, cmd.Name())
}

// countInWords makes all commands say in words how many arguments they take.
func countInWords(c *cobra.Command) {
	for _, sub := range c.Commands() {
		check := sub.Args
		if check == nil {
			continue
		}
		sub.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err == nil {
				return nil
			}
			if m := count.FindStringSubmatch(err.Error()); m != nil {
				return fmt.Errorf("%s takes %s argument(s), and here are %s; write %s", cmd.Name(), m[1], m[2], cmd.UseLine())
			}
			return err
		}
	}
}
