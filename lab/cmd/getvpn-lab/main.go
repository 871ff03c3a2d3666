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
	understood := false
	err := root(&understood).ExecuteContext(ctx)
	leave()
	if err != nil {
		fmt.Fprintln(os.Stderr, "getvpn-lab:", err)
		stop()
		os.Exit(exitCode(understood, err)) //nolint:gocritic // stop was called
	}
}

// root makes the command line. understood becomes true when it makes sense: from then on a failure is one of the work.
func root(understood *bool) *cobra.Command {
	var lab string
	c := &cobra.Command{
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if err := nameIt(cmd, lab); err != nil {
				return err
			}
			*understood = true
			return rights(cmd, args, lab)
		},
		Use:   "getvpn-lab",
		Short: "A whole GET VPN in network namespaces: bring it up, look inside, break it, check it",
		Example: `  getvpn-lab readme basic               what it teaches, what to look at, exercises
  getvpn-lab demo basic                 everything at once, as make lab does
  getvpn-lab up basic                   bring it up and leave it
  getvpn-lab exec h1 -- ping 10.1.3.10  run anything inside a node
  getvpn-lab kill ks1                   a crash; getvpn-lab start ks1 ends it
  getvpn-lab partition gm1,gm2/gm3 --for 30s
  getvpn-lab token lose ks1             pull its HSM out; token return ks1 puts it back
  getvpn-lab down
  getvpn-lab run basic --json           up, all checks, down; exit 0 only if all passed
  getvpn-lab run basic --profile quick --sabotage   broken on purpose: exit 0 only if the checks notice`,
		Long: "A whole GET VPN in network namespaces: bring it up, look inside, break it, check it.\n\n" +
			"It works as root, and without: then the labs of a user live in a user namespace of that user's, where the system allows it.\n\n" +
			"Exit codes: 0 done and every check passed, 1 failed, 2 wrong command line.",
		Version:       control.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.PersistentFlags().StringVar(&lab, "lab", "", "which lab, when several are up; of up, run and demo: its name")
	c.AddCommand(listCommand(), readmeCommand(), validateCommand(), upCommand(), runCommand(), demoCommand(), benchCommand(), benchPeersCommand(), soakCommand(), downCommand(&lab),
		statusCommand(&lab), execCommand(&lab), logsCommand(&lab), healCommand(&lab), partitionCommand(&lab), tokenCommand(&lab), doCommand(&lab), mrouteCommand(), anchorCommand(), containerCommand(), exportCommand(), simCommand(), simLiveCommand(), timeCommand(&lab), ladderCommand(&lab))
	c.AddCommand(daemonCommands(&lab)...)
	c.AddCommand(gradeCommand(&lab), hintCommand(&lab), solutionCommand(&lab), resetCommand(&lab), configCommand(&lab))
	c.SetFlagErrorFunc(readable)
	countInWords(c)
	return c
}
