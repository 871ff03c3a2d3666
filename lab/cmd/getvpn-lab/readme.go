package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

func readmeCommand() *cobra.Command {
	var solutions bool
	c := &cobra.Command{Use: "readme NAME|FILE.yaml", Short: "Show what a scenario teaches: the idea, what to look at, exercises; --solutions shows theirs too", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := topologies.Load(args[0], scenario.Options{}); err != nil {
				return err
			}
			text, ok := topologies.Readme(args[0])
			if !ok {
				return fmt.Errorf("scenario %s has no README.md; getvpn-lab list says in a line what it is about", args[0])
			}
			fmt.Fprint(cmd.OutOrStdout(), topologies.Unfold(text, "getvpn-lab readme "+args[0]+" --solutions", solutions))
			return nil
		}}
	c.Flags().BoolVar(&solutions, "solutions", false, "with the solutions of the exercises")
	return c
}
