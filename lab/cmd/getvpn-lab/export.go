package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/compose"
)

// exportCommand writes a scenario for other tools.
func exportCommand() *cobra.Command {
	var o choice
	var format, dir string
	c := &cobra.Command{Use: "export NAME", Short: "Write a scenario as a docker-compose.yml that runs by itself",
		Example: "  getvpn-lab export basic --profile quick -o . && docker-compose up -d && getvpn-tui --lab basic",
		Args: func(cmd *cobra.Command, args []string) error { // what fails here is a wrong command line
			if format != "compose" {
				return fmt.Errorf("there is no format %q; there is: compose", format)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := o.load(args[0])
			if err != nil {
				return err
			}
			b, err := compose.Export(s, compose.Options{Lab: o.name, Scenario: args[0], Profile: o.Profile})
			if err != nil || dir == "" {
				_, _ = cmd.OutOrStdout().Write(b)
				return err
			}
			if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // nothing in it is secret
				return err
			}
			return os.WriteFile(filepath.Join(dir, "docker-compose.yml"), b, 0o644) //nolint:gosec // as above
		}}
	c.Flags().StringVar(&format, "format", "compose", "of what: compose")
	c.Flags().StringVarP(&dir, "output", "o", "", "the directory for docker-compose.yml (default: to standard output)")
	c.Flags().StringVar(&o.Profile, "profile", "", "a set of values that the scenario brings, as in --profile quick")
	c.Flags().StringVar(&o.name, "name", "", "name of the lab (default: that of the scenario)")
	o.driver = compose.Name
	return c
}
