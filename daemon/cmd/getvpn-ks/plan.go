package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/daemon/process"
)

func plan() *cobra.Command {
	return onDaemon("plan", "Say what the running key server would change if it took up the configuration file now", (*client.Client).Plan)
}

func apply() *cobra.Command {
	return onDaemon("apply", "Have the running key server take up what can change of the configuration file", (*client.Client).Apply)
}

// onDaemon makes a command that speaks to the daemon of a configuration file. The file is checked here first, so that a
// mistake is shown even when no daemon runs.
func onDaemon(name, short string, ask func(*client.Client, context.Context, control.PlanRequest) (control.Reply, error)) *cobra.Command {
	var (
		file, group string
		now, asJSON bool
	)
	cmd := &cobra.Command{
		Use: name + " --config FILE", Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadKS(file)
			if err != nil {
				return err
			}
			r, err := ask(client.New(c.Control), cmd.Context(), control.PlanRequest{Group: group, Now: now})
			if err != nil {
				if !errors.Is(err, client.ErrRefused) {
					err = fmt.Errorf("no key server answers at its control socket (%w); start it, or check the file alone with --check-config", err)
				}
				fmt.Fprintln(os.Stderr, "error:", err)
				return process.Checked(false)
			}
			if asJSON {
				return process.PrintJSON(cmd.OutOrStdout(), r.Plan)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), r.Plan)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "config", "c", "", "configuration `file` of the running key server")
	f.StringVar(&group, "group", "", "only this group")
	f.BoolVar(&now, "now", false, "end old SAs at once, without their grace: packets under way are lost")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}
