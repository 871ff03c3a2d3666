package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/mroute"
)

// mrouteCommand is what a core node of a lab with "multicast: true" runs.
func mrouteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "mroute", Short: "Route multicast in this network namespace, until ended", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := mroute.New(os.Stdout)
			if err != nil {
				return err
			}
			defer func() { _ = r.Close() }()
			return r.Run(cmd.Context())
		},
	}
}
