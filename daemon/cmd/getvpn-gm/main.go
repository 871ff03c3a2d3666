// Command getvpn-gm is a GDOI group member: a gateway that encrypts the group's traffic.
package main

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/gm"
	"github.com/getvpn/getvpn/daemon/hsmcmd"
	"github.com/getvpn/getvpn/daemon/process"
)

func main() {
	cmd := process.Command(process.Spec[config.GM]{
		Name:      "getvpn-gm",
		Short:     "Group member of GDOI groups (RFC 6407)",
		Load:      config.LoadGM,
		Common:    func(c *config.GM) *config.Common { return &c.Common },
		Effective: (*config.GM).Effective,
		Explain:   (*config.GM).Explain,
		Check:     gm.Check,
		New: func(c *config.GM, log *slog.Logger) (process.Daemon, error) {
			return gm.New(c, log, gm.Options{})
		},
	})
	cmd.AddCommand(doctor(), down(), hsmcmd.Command(hsmcmd.Spec{Daemon: "getvpn-gm", Load: func(file string) (*hsmcmd.Target, error) {
		c, err := config.LoadGM(file)
		if err != nil {
			return nil, err
		}
		return &hsmcmd.Target{Common: &c.Common}, nil
	}}))
	process.Main(cmd)
}

func doctor() *cobra.Command {
	return onConfig("doctor", "Look whether this system can run the member; nothing is changed", func(c *config.GM) error {
		return process.Checked(gm.Doctor(c, os.Stdout))
	})
}

func down() *cobra.Command {
	return onConfig("down", "Remove what a dead daemon left in the kernel, the guard against clear traffic included", gm.TakeDown)
}

// onConfig makes a command that needs nothing but the configuration.
func onConfig(name, short string, run func(*config.GM) error) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: name + " --config FILE", Short: short, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := config.LoadGM(file)
			if err != nil {
				return err
			}
			return process.Fault(run(c))
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}
