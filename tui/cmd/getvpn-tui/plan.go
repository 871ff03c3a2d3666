package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/tui/action"
)

// planCommand is plan, or apply, on all attached key servers that share the group. The exit code is 0 when it was planned or applied, even if nothing changes, and 1 when the
// key server refused: the configuration file is not valid, or says what cannot change.
func planCommand(o *options, name string, apply bool) *cobra.Command {
	var now, asJSON bool
	short := "Say what the key server would change if it took up its configuration file now"
	if apply {
		short = "Have the key server take up what can change of its configuration file"
	}
	c := &cobra.Command{
		Use: name + " [GROUP]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			group := ""
			if len(args) == 1 {
				group = args[0]
			}
			src, err := o.source()
			if err != nil {
				return err
			}
			fleet := src.Once(cmd.Context())
			if err := reached(fleet); err != nil {
				return err
			}
			plans, err := action.Plan(cmd.Context(), fleet, group, now, apply)
			if err != nil {
				return refused{err}
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				if len(plans) == 1 {
					return enc.Encode(plans[0])
				}
				return enc.Encode(plans)
			}
			for _, p := range plans {
				if _, err = fmt.Fprint(cmd.OutOrStdout(), p); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&now, "now", false, "end old SAs at once, without their grace: packets under way are lost")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
