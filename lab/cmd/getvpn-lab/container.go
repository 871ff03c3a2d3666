package main

import (
	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/compose"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// containerCommand is what runs inside the containers of a lab.
func containerCommand() *cobra.Command {
	c := &cobra.Command{Use: "container", Short: "What runs inside the containers of the driver compose", Hidden: true}
	var name, profile string
	prepare := &cobra.Command{Use: "prepare LAB", Short: "Fill the run directory of a lab", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			var s *scenario.Scenario
			if name != "" {
				var err error
				if s, err = topologies.Load(name, scenario.Options{Profile: profile}); err != nil {
					return err
				}
			}
			return compose.Prepare(args[0], s)
		}}
	prepare.Flags().StringVar(&name, "scenario", "", "the scenario; without, the one that is there")
	prepare.Flags().StringVar(&profile, "profile", "", "a set of values that the scenario brings")
	c.AddCommand(prepare,
		&cobra.Command{Use: "node LAB NODE", Short: "Be a node's machine, until ended", Args: cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error {
				return compose.Machine(cmd.Context(), args[0], args[1], cmd.OutOrStdout())
			}},
		&cobra.Command{Use: "daemon LAB NODE PROGRAM", Short: "Wait for the machine and become its daemon", Args: cobra.ExactArgs(3),
			RunE: func(cmd *cobra.Command, args []string) error {
				return compose.Daemon(cmd.Context(), args[0], args[1], args[2])
			}})
	return c
}
