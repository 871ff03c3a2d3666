// Command getvpn-ks is a GDOI key server.
package main

import (
	"log/slog"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/hsmcmd"
	"github.com/getvpn/getvpn/daemon/ks"
	"github.com/getvpn/getvpn/daemon/process"
)

func main() {
	cmd := process.Command(process.Spec[config.KS]{
		Name:      "getvpn-ks",
		Short:     "Key server of GDOI groups (RFC 6407)",
		Load:      config.LoadKS,
		Common:    func(c *config.KS) *config.Common { return &c.Common },
		Effective: (*config.KS).Effective,
		Explain:   (*config.KS).Explain,
		Check:     ks.Check,
		New: func(c *config.KS, log *slog.Logger) (process.Daemon, error) {
			return ks.New(c, log, ks.Options{})
		},
	})
	cmd.AddCommand(plan(), apply(), hsmcmd.Command(hsmcmd.Spec{Daemon: "getvpn-ks", Server: true, Load: func(file string) (*hsmcmd.Target, error) {
		c, err := config.LoadKS(file)
		if err != nil {
			return nil, err
		}
		return &hsmcmd.Target{Common: &c.Common, Keys: ks.Keys(c)}, nil
	}}))
	process.Main(cmd)
}
