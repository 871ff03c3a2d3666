package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/check"
)

// doCommand: what steps and solutions do, by hand, so that an exercise can be written in a scenario's own words.
func doCommand(lab *string) *cobra.Command {
	return &cobra.Command{Use: "do ACTION...", Short: "Carry out actions in the words of a scenario's steps, up to the first that fails", Args: cobra.MinimumNArgs(1),
		Long: "Carry out actions as scenarios have them in do:, each one argument, up to the first that fails. What they can be, a wrong one says.",
		Example: "  getvpn-lab do 'revoke gm2' 'reload ks1'               onto its authority's revocation list\n" +
			"  getvpn-lab do 'configure x1 cert=x1-expired'          the node's file with another value, read at a start or reload\n" +
			"  getvpn-lab do 'wipe ks1 state.db'                     one file of a daemon's state",
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := drivers.Open(*lab)
			if err != nil {
				return err
			}
			env := &check.Env{Lab: l, Scenario: l.Scenario(), Log: func(string, ...any) {}}
			for _, text := range args {
				if err := check.Do(cmd.Context(), env, []string{text}); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: done\n", text)
			}
			return nil
		}}
}
