package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/source"
)

// verbCommand makes a verb of the command line of one of package action. Who types it means it: nothing is asked.
func verbCommand(o *options, v action.Verb) *cobra.Command {
	var asJSON bool
	switches, values := map[string]*bool{}, map[string]*string{}
	c := &cobra.Command{
		Use: v.Usage(), Short: v.Short,
		Args: func(_ *cobra.Command, args []string) error { _, err := v.Parse(args); return err },
		RunE: func(cmd *cobra.Command, args []string) error {
			call := action.Call{Args: args, Flags: map[string]string{}}
			for name, on := range switches {
				if *on {
					call.Flags[name] = "true"
				}
			}
			for name, value := range values {
				if *value != "" {
					call.Flags[name] = *value
				}
			}
			src, err := o.source()
			if err != nil {
				return err
			}
			return runVerb(cmd, v, call, src.Once(cmd.Context()), asJSON)
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			src, err := o.source()
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return v.Complete(src.Once(cmd.Context()), append(args, word)), cobra.ShellCompDirectiveNoFileComp
		},
	}
	for _, f := range v.Flags {
		if f.Value {
			values[f.Name] = c.Flags().String(f.Name, "", f.Help)
		} else {
			switches[f.Name] = c.Flags().Bool(f.Name, false, f.Help)
		}
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON: verb, done, and text or error; of plan and apply the plan")
	return c
}

// outcome is what a verb prints as JSON.
type outcome struct {
	Verb  string   `json:"verb"`
	Args  []string `json:"args"`
	Done  bool     `json:"done"`
	Text  string   `json:"text,omitempty"`
	Error string   `json:"error,omitempty"`

	DryRun bool `json:"dry_run,omitempty"`
}

// runVerb does it and prints what was said.
func runVerb(cmd *cobra.Command, v action.Verb, call action.Call, fleet *source.Fleet, asJSON bool) error {
	err := reached(fleet)
	if v.Lab && fleet.Lab != "" {
		err = nil // a lab can be handled while none of its daemons runs
	}
	var r action.Result
	if err == nil {
		r, err = v.Run(cmd.Context(), fleet, call)
	}
	w := cmd.OutOrStdout()
	if asJSON {
		if e := printOutcome(w, v.Name, call, r, err); e != nil {
			return refused{e}
		}
		if err != nil {
			return errSaid
		}
		return nil
	}
	if err != nil {
		if text := foundOf(r); text != "" {
			fmt.Fprintln(w, text)
		}
		return refused{err}
	}
	if r.Plans != nil {
		_, err = fmt.Fprint(w, r.Text)
	} else {
		_, err = fmt.Fprintln(w, r.Text)
	}
	return err
}

// foundOf is what a verb that failed has found all the same: grade, of a lab that is not solved.
func foundOf(r action.Result) string {
	if r.Brief == "" {
		return ""
	}
	return r.Text
}

// errSaid is a failure that has been printed already.
var errSaid = errors.New("")

func printOutcome(w io.Writer, verb string, call action.Call, r action.Result, err error) error {
	switch {
	case err != nil:
		return printJSON(w, outcome{Verb: verb, Args: call.Args, Text: foundOf(r), Error: err.Error()})
	case len(r.Plans) == 1:
		return printJSON(w, r.Plans[0])
	case r.Plans != nil:
		return printJSON(w, r.Plans)
	}
	return printJSON(w, outcome{Verb: verb, Args: call.Args, Done: !call.Dry(), DryRun: call.Dry(), Text: r.Text})
}
