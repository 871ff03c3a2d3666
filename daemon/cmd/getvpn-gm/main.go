// Command getvpn-gm is a GDOI group member: a gateway that encrypts the group's traffic.
package main

import (
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/gm"
	"github.com/getvpn/getvpn/daemon/process"
)

func main() {
	cmd := process.Command(process.Spec[config.GM]{
		Name:      "getvpn-gm",
		Short:     "Group member of GDOI groups (RFC 6407)",
		Load:      config.LoadGM,
		Common:    func(c *config.GM) *config.Common { return &c.Common },
		Effective: (*config.GM).Effective,
		Check:     gm.Check,
		New: func(c *config.GM, log *slog.Logger) (process.Daemon, error) {
			return gm.New(c, log, gm.Options{})
		},
	})
	cmd.AddCommand(doctor())
	process.Main(cmd)
}

func doctor() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "doctor --config FILE", Short: "Look whether this system can run the member; nothing is changed", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.LoadGM(file)
			if err != nil {
				return err
			}
			return process.Checked(gm.Doctor(c, cmd.OutOrStdout()))
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}
