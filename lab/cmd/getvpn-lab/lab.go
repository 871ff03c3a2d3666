package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/getvpn/getvpn/lab/course"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim/live"
)

func isTerminal() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
}

func upCommand() *cobra.Command {
	var o choice
	var detach bool
	var wait time.Duration
	c := &cobra.Command{Use: "up NAME|FILE.yaml", Short: "Bring a lab up and wait until its members have registered", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.drawSeed()
			s, err := o.load(args[0])
			if err != nil {
				return err
			}
			ctx, w := cmd.Context(), cmd.OutOrStdout()
			if len(s.Faults) > 0 || s.Sabotaged && len(s.Sabotage.Do) > 0 {
				detach = false // what is broken by actions begins with a group that works
			}
			l, err := seeded(o.Seed, false).Up(ctx, o.driver, o.name, s, nil)
			if err != nil {
				return err
			}
			if !detach {
				if err := l.WaitRegistered(ctx, wait); err != nil {
					return fmt.Errorf("%w\nthe lab stays up; getvpn-lab status, logs NODE and down go on from here", err)
				}
			}
			if err := begin(ctx, l, nil); err != nil {
				return err
			}
			if isTerminal() && len(s.Tasks) == 0 {
				fmt.Fprintf(w, "%s is up. Next:\n  getvpn-lab readme %s\n  getvpn-tui --lab %s\n  getvpn-lab status\n  getvpn-lab exec h1 -- sh\n  getvpn-lab down\n", o.name, args[0], o.name)
				return nil
			}
			return printStatus(cmd, l, false)
		}}
	o.flags(c)
	c.Flags().BoolVar(&detach, "detach", false, "return as soon as the daemons run, without waiting for registrations (an exercise waits, and a sabotage by actions)")
	c.Flags().DurationVar(&wait, "wait", time.Minute, "how long members may take to register")
	return c
}

// down takes a lab away, and what a reset that did not come to its end has kept of its course.
func down(name string) error {
	if scenario.ValidName(name) {
		if err := course.Forget(driver.Dir(name)); err != nil {
			return err
		}
	}
	return drivers.Down(name)
}

func downCommand(lab *string) *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "down [NAME]", Short: "Take a lab away, also half of one; nothing is left", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			names := driver.Labs()
			switch {
			case len(args) == 1:
				names = args
			case *lab != "":
				names = []string{*lab}
			case len(names) > 1 && !all:
				return fmt.Errorf("several labs are up: %v; name one, or --all", names)
			}
			if len(names) == 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "no lab is up%s\n", ofRoot())
			}
			for _, n := range names {
				if !drivers.Known(n) {
					return noLab(n)
				}
				if err := down(n); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s is down\n", n)
			}
			return nil
		}}
	c.Flags().BoolVar(&all, "all", false, "every lab")
	return c
}

// noLab says that there is no lab of that name, and which there are.
func noLab(name string) error {
	there := "none is up"
	if labs := driver.Labs(); len(labs) > 0 {
		there = "there is: " + strings.Join(labs, ", ")
	}
	return fmt.Errorf("there is no lab %q; %s%s", name, there, ofRoot())
}

// daemonCommands are those that act on the daemon of one node.
func daemonCommands(lab *string) []*cobra.Command {
	type verb struct {
		name, short string
		do          func(cmd *cobra.Command, l driver.Lab, node string) error
	}
	var out []*cobra.Command
	for _, v := range []verb{
		{"kill", "End the daemon of a node with SIGKILL, as a crash would",
			func(_ *cobra.Command, l driver.Lab, node string) error { return l.Kill(node) }},
		{"start", "Start the daemon of a node again",
			func(cmd *cobra.Command, l driver.Lab, node string) error { return l.Start(cmd.Context(), node) }},
		{"stop", "End the daemon of a node in order",
			func(_ *cobra.Command, l driver.Lab, node string) error { return l.Stop(node) }},
		{"reload", "Make the daemon of a node read its configuration file again (SIGHUP); getvpn-lab config NODE names the file",
			func(_ *cobra.Command, l driver.Lab, node string) error { return l.Reload(node) }},
		{"pause", "Stop the daemon of a node where it stands (SIGSTOP), as a machine that hangs would",
			func(_ *cobra.Command, l driver.Lab, node string) error { return l.Pause(node) }},
		{"resume", "Let a paused daemon go on",
			func(_ *cobra.Command, l driver.Lab, node string) error { return l.Resume(node) }},
		{"wipe", "Empty the state directory of a daemon that does not run",
			func(_ *cobra.Command, l driver.Lab, node string) error { return l.Wipe(node) }},
	} {
		out = append(out, &cobra.Command{Use: v.name + " NODE...", Short: v.short, Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				return atNodes(cmd, *lab, args, v.name, func(l driver.Lab, node string) error { return v.do(cmd, l, node) })
			}})
	}
	return out
}

// atNodes does something at each of the nodes, up to the first where it fails, and says so.
func atNodes(cmd *cobra.Command, lab string, nodes []string, what string, do func(l driver.Lab, node string) error) error {
	l, err := drivers.Open(lab)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if err := do(l, node); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s: %s done\n", node, what)
	}
	return nil
}

func partitionCommand(lab *string) *cobra.Command {
	var d time.Duration
	var only string
	c := &cobra.Command{Use: "partition A,B/C,D", Short: "Make the network drop everything between two sides; a member brings its LAN",
		Args: func(cmd *cobra.Command, args []string) error { // what fails here is a wrong command line
			if only != "" && only != "control" {
				return fmt.Errorf("--only %s: there is --only control, which drops what key servers and members say to each other", only)
			}
			return cobra.ExactArgs(1)(cmd, args)
		},
		Example: "  getvpn-lab partition ks1/gm1,gm2 --for 30s\n  getvpn-lab partition p1/p2\n  getvpn-lab partition ks1,gm1/ks2,gm2 --only control",
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := drivers.Open(*lab)
			if err != nil {
				return err
			}
			if only != "" {
				args[0] += " only " + only
			}
			p, err := l.Scenario().ParsePartition(args[0])
			if err != nil {
				return err
			}
			if err := l.Partition(p, d); err != nil {
				return err
			}
			until := "until getvpn-lab heal"
			if d > 0 {
				until = "for " + d.String()
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s cannot reach each other %s\n", p, until)
			return nil
		}}
	c.Flags().StringVar(&only, "only", "", "control: drop what key servers and members say to each other, and let traffic through")
	c.Flags().DurationVar(&d, "for", 0, "lift it by itself after this time (default: until heal)")
	return c
}

func healCommand(lab *string) *cobra.Command {
	return &cobra.Command{Use: "heal [LAB]", Short: "Lift all partitions, and put lost tokens back", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				*lab = args[0]
			}
			l, err := drivers.Open(*lab)
			if err != nil {
				return err
			}
			if err := l.Heal(); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "no fault is left")
			return nil
		}}
}

func execCommand(lab *string) *cobra.Command {
	c := &cobra.Command{Use: "exec NODE -- COMMAND...", Short: "Run anything inside a node: tcpdump, ping, iperf3, a shell", Args: cobra.MinimumNArgs(2),
		Example: "  getvpn-lab exec p1 -- tcpdump -ni any esp",
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := drivers.Open(*lab)
			if err != nil {
				return err
			}
			argv := args[1:]
			if argv[0] == "--" {
				argv = argv[1:]
			}
			if len(argv) == 0 {
				return errors.New("exec: name a command after the node")
			}
			return l.Exec(args[0], argv)
		}}
	c.Flags().SetInterspersed(false) // what follows the node belongs to the command, with or without --
	return c
}

func logsCommand(lab *string) *cobra.Command {
	var follow bool
	c := &cobra.Command{Use: "logs NODE [SERVICE]", Short: "Show what the daemon of a node has written, or another program there, as bird",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := drivers.Open(*lab)
			if err != nil {
				return err
			}
			if l.Scenario().Node(args[0]) == nil {
				return driver.UnknownNode(args[0])
			}
			if _, ok := l.(*live.Lab); ok {
				fmt.Fprintf(cmd.ErrOrStderr(), "the daemons of lab %s are simulated and write no logs: getvpn-tui --lab %s show events --filter %s has their events; "+
					"this is what the simulator itself has to say:\n", l.Name(), l.Name(), args[0])
			}
			path := l.LogFile(args[0])
			if len(args) == 2 {
				if path, err = driver.ServiceLog(l, args[0], args[1]); err != nil {
					return err
				}
			}
			f, err := driver.OpenLog(path)
			if err != nil {
				return fmt.Errorf("node %s has no log: %w", args[0], err)
			}
			defer f.Close()
			for {
				if _, err := io.Copy(cmd.OutOrStdout(), f); err != nil || !follow {
					return err
				}
				select {
				case <-cmd.Context().Done():
					return nil
				case <-time.After(200 * time.Millisecond):
				}
			}
		}}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	return c
}
