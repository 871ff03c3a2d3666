package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/compose"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/netns"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/sim/live"
	"github.com/getvpn/getvpn/lab/space"
	"github.com/getvpn/getvpn/lab/topologies"
)

// lookers are the commands that only read; all others enter namespaces.
var lookers = []string{"list", "readme", "validate", "export", "status", "logs", "sim", live.Process, "time", "ladder", "help", "completion", "mroute", space.Command}

// makers are the commands that bring up a lab of namespaces without being asked for a driver.
var makers = []string{"soak", "bench"}

// rights gives a command what it takes to enter namespaces. Where the user is not root that is the user namespace of the user's labs:
// the command goes on there, as another program, and does not come back from here.
func rights(cmd *cobra.Command, args []string, lab string) error {
	if err := client.CheckLabDir(); err != nil {
		return err
	}
	name := cmd.Name()
	if slices.Contains(lookers, name) {
		return nil
	}
	if space.Inside() {
		return space.Arrive()
	}
	flag := cmd.Flags().Lookup("driver")
	creates := flag != nil || slices.Contains(makers, name)
	lab, made := about(cmd, args, lab)
	if made == netns.Name && !creates {
		if err := driver.Owned(lab); err != nil {
			return err
		}
	}
	if !space.Needed() {
		return nil
	}
	if name == "bench-peers" {
		return errors.New("bench-peers installs what it compares with, and needs root: run it with sudo")
	}
	if flag != nil {
		made = flag.Value.String()
	} else if creates {
		made = netns.Name
	}
	switch made {
	case compose.Name:
		return fmt.Errorf("%s needs root, for the networks of the containers: run it with sudo%s", name, instead(cmd, args))
	case netns.Name, "": // what is not known may be of any driver
	default:
		return nil
	}
	err := space.Enter(creates)
	var missing *space.Missing
	switch {
	case errors.As(err, &missing):
		return fmt.Errorf("%s: %w\nput that right, or run it with sudo%s", name, err, instead(cmd, args))
	case err != nil:
		return err
	case made == netns.Name && name != "down":
		return errors.New("the namespaces of this lab are gone: its processes have been killed, or the machine was started again; getvpn-lab down takes the rest away")
	}
	return nil
}

// instead offers the simulator, as a line to type, for what it carries, and otherwise what there is without any lab.
func instead(cmd *cobra.Command, args []string) string {
	if cmd.Flags().Lookup("driver") == nil {
		return ""
	}
	if len(args) == 1 { // otherwise it is all of them, and the simulator skips what it does not carry
		s, err := topologies.Load(args[0], scenario.Options{})
		if err != nil {
			return "" // which the command says itself, when it comes to that
		}
		if live.Carries(s) != nil {
			return fmt.Sprintf("; the simulator, which needs neither, does not carry %s: a virtual machine where you are root does, and\n"+
				"  getvpn-lab readme %s\nshows here what it is about; basic is one that the simulator carries: getvpn-lab up basic --driver %s", s.Name, args[0], live.Name)
		}
	}
	line := []string{filepath.Base(os.Args[0])}
	for i, a := range os.Args[1:] {
		if a != "--driver" && os.Args[i] != "--driver" && !strings.HasPrefix(a, "--driver=") {
			line = append(line, a)
		}
	}
	return fmt.Sprintf("; or take the simulator, which needs neither:\n  %s --driver %s", strings.Join(line, " "), live.Name)
}

// about is the lab of a command that has one already, and what it is made of; "" where that is not known.
func about(cmd *cobra.Command, args []string, lab string) (name, made string) {
	if (cmd.Name() == "down" || cmd.Name() == "heal") && len(args) == 1 {
		lab = args[0]
	}
	labs := driver.Labs()
	if lab == "" && len(labs) == 1 {
		lab = labs[0]
	}
	st, err := driver.ReadState(lab)
	if err != nil {
		return lab, ""
	}
	return lab, st.Driver
}

// ofRoot tells an ordinary user of the labs of root, which are elsewhere.
func ofRoot() string {
	if !space.Needed() || os.Getenv("GETVPN_LAB_DIR") != "" {
		return ""
	}
	all, _ := filepath.Glob("/run/getvpn-lab/*/lab.json")
	for i, file := range all {
		all[i] = filepath.Base(filepath.Dir(file))
	}
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("; root has %s: use sudo", strings.Join(all, ", "))
}

// leave is the last of a command: what else was for labs goes with the last of them.
func leave() {
	if err := space.Leave(); err != nil {
		fmt.Fprintln(os.Stderr, "getvpn-lab:", err)
	}
}

// anchorCommand is what keeps the namespaces of an ordinary user's labs.
func anchorCommand() *cobra.Command {
	return &cobra.Command{
		Use: space.Command, Short: "Keep the namespaces of a user's labs, until ended", Hidden: true, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return space.Anchor(cmd.Context(), args) },
	}
}
