package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/sim/live"
)

// simLiveCommand is the process of a lab in the simulator; nobody calls it by hand.
func simLiveCommand() *cobra.Command {
	return &cobra.Command{Use: live.Process + " LAB", Short: "The process of a lab in the simulator", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return live.RunProcess(cmd.Context(), args[0]) }}
}

// timeCommand steers the time of a lab in the simulator.
func timeCommand(lab *string) *cobra.Command {
	var asJSON bool
	var q live.TimeRequest
	c := &cobra.Command{
		Use:   "time [pause | run | xN | step [event|TIME] | back TIME | goto TIME | fork NAME]",
		Short: "Stop, step, speed up, turn back and fork the time of a lab in the simulator",
		Long: "Stop, step, speed up, turn back and fork the time of a lab that was brought up with --driver sim.\n\n" +
			"Going back is exact: the run is played again from its seed with all that was done to it. What was done later is done again\n" +
			"when its time comes, until you do something else; then the rest is forgotten. A fork is another lab that begins as this one\n" +
			"is now: what if the primary had died here?",
		Example: "  getvpn-lab time                where it is\n  getvpn-lab time x100           a hundred times as fast\n  getvpn-lab time step           to the next event\n" +
			"  getvpn-lab time step 1s\n  getvpn-lab time back 30s\n  getvpn-lab time goto 2m\n  getvpn-lab time fork other && getvpn-lab --lab other kill ks1",
		Args: func(cmd *cobra.Command, args []string) (err error) { // what fails here is a wrong command line
			if err = cobra.MaximumNArgs(2)(cmd, args); err == nil {
				q, err = timeRequest(args)
			}
			return err
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := drivers.Open(*lab)
			if err != nil {
				return err
			}
			if _, ok := l.(*live.Lab); !ok {
				return fmt.Errorf("lab %s is made of real processes, whose time goes as it does: bring one up with --driver sim", l.Name())
			}
			st, err := live.AskTime(cmd.Context(), l.Name(), q)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), st)
			}
			printTime(cmd.OutOrStdout(), l.Name(), q, st)
			return nil
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

// timeRequest reads the words of the command.
func timeRequest(args []string) (q live.TimeRequest, err error) {
	word, value := live.TimeShow, ""
	if len(args) > 0 {
		word = args[0]
	}
	if len(args) > 1 {
		value = args[1]
	}
	q.Do = word
	if speed, ok := strings.CutPrefix(word, "x"); ok {
		if q.Speed, err = strconv.ParseFloat(speed, 64); err != nil || q.Speed <= 0 {
			return q, fmt.Errorf("speed %q: write it as x10", word)
		}
		q.Do = live.TimeRun
	}
	wants := func(example string) error {
		if value == "" {
			return fmt.Errorf("%s what? As in %s", word, example)
		}
		return nil
	}
	switch q.Do {
	case live.TimeShow, live.TimePause, live.TimeRun:
		if value != "" {
			err = fmt.Errorf("what is %q after %s?", value, word)
		}
	case live.TimeStep:
		if value != "" && value != "event" {
			q.By, err = time.ParseDuration(value)
		}
	case live.TimeBack:
		if err = wants("back 30s"); err == nil {
			q.By, err = time.ParseDuration(value)
		}
	case live.TimeGoto:
		if err = wants("goto 2m"); err == nil {
			q.To, err = time.ParseDuration(value)
		}
	case live.TimeFork:
		q.Name, err = value, wants("fork other")
	default:
		err = errors.New("time " + word + ": there is pause, run, x10, step, back, goto and fork")
	}
	return q, err
}

func printTime(w io.Writer, lab string, q live.TimeRequest, st *live.TimeStatus) {
	speed := "stands still"
	switch {
	case st.To > 0:
		speed = fmt.Sprintf("is on its way to %v", st.To)
	case st.Speed > 0:
		speed = fmt.Sprintf("goes ×%g", st.Speed)
		if st.Behind {
			speed += ", as far as this machine can"
		}
	}
	if q.Do == live.TimeStep && q.By == 0 {
		if st.Said == "" {
			st.Said = "nothing happens within an hour"
		}
		fmt.Fprintln(w, st.Said)
	} else if st.Said != "" {
		fmt.Fprintln(w, st.Said)
	}
	fmt.Fprintf(w, "lab %s is at %v (%s) and %s; %d events, trace %s\n", lab, st.Now, st.Wall.Format("15:04:05.000"), speed, st.Events, st.Hash)
	if st.Ahead > 0 {
		fmt.Fprintf(w, "%d orders of later times are carried out again, until another is given\n", st.Ahead)
	}
	for _, b := range st.Broken {
		fmt.Fprintln(w, "broken:", b)
	}
	if st.Failed != "" {
		fmt.Fprintln(w, "it does not go on:", st.Failed)
	}
}
