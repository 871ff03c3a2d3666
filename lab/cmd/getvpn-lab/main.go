// Command getvpn-lab brings up a whole GET VPN on one machine, breaks it on purpose, and checks that it behaves: every
// node is a network namespace that runs the real daemons. getvpn-lab help lists what it can do.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/getvpn/getvpn/daemon/control"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "getvpn-lab:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "getvpn-lab",
		Short: "A whole GET VPN in network namespaces: bring it up, look inside, break it, check it",
		Example: `  getvpn-lab demo basic                 everything at once, as make lab does
  getvpn-lab up basic                   bring it up and leave it
  getvpn-lab exec h1 -- ping 10.1.3.10  run anything inside a node
  getvpn-lab kill ks1                   a crash; getvpn-lab start ks1 ends it
  getvpn-lab partition gm1,gm2/gm3 --for 30s
  getvpn-lab down
  getvpn-lab run basic --json           up, all checks, down; exit 0 only if all passed`,
		Version:       control.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	var lab string
	c.PersistentFlags().StringVar(&lab, "lab", "", "which lab, when several are up")
	c.AddCommand(listCommand(), validateCommand(), upCommand(), runCommand(), demoCommand(), benchCommand(), downCommand(&lab),
		statusCommand(&lab), execCommand(&lab), logsCommand(&lab), healCommand(&lab), partitionCommand(&lab))
	c.AddCommand(daemonCommands(&lab)...)
	return c
}
