package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/app"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
)

// refused is a failure of what was asked, in contrast to a wrong command line.
type refused struct{ error }

type options struct {
	lab, socket, dir, theme string
}

// defaultDir is where daemons put their sockets unless their configuration says otherwise.
const defaultDir = "/run/getvpn"

// source chooses what to attach to: what was named, else the only running lab, else the host's daemons.
func (o *options) source() (*source.Source, error) {
	named := 0
	for _, s := range []string{o.lab, o.socket, o.dir} {
		if s != "" {
			named++
		}
	}
	switch {
	case named > 1:
		return nil, fmt.Errorf("use only one of --lab, --socket and --dir")
	case o.socket != "":
		return source.Socket(o.socket), nil
	case o.dir != "":
		if info, err := os.Stat(o.dir); err != nil || !info.IsDir() {
			return nil, refused{fmt.Errorf("--dir %s is not a directory: name the one with the daemons' *.sock files", o.dir)}
		}
		return source.Dir(o.dir), nil
	case o.lab != "":
		if _, err := os.Stat(filepath.Join(source.LabDir(), o.lab)); err != nil {
			return nil, refused{fmt.Errorf("lab %q is not running: start it with 'getvpn-lab up %s'", o.lab, o.lab)}
		}
		return source.Lab(o.lab), nil
	}
	labs, _ := filepath.Glob(filepath.Join(source.LabDir(), "*", "lab.json"))
	if len(labs) == 1 {
		return source.Lab(filepath.Base(filepath.Dir(labs[0]))), nil
	}
	if len(labs) > 1 {
		var names []string
		for _, l := range labs {
			names = append(names, filepath.Base(filepath.Dir(l)))
		}
		return nil, fmt.Errorf("several labs are running (%s): name one with --lab", strings.Join(names, ", "))
	}
	return source.Dir(defaultDir), nil
}

func command() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:   "getvpn-tui",
		Short: "Operator console of getvpn: see a group's key servers, members and keys, and steer them",
		Long: "Without a verb: the live console. Attaches to the running lab, or to the daemons of this host (" + defaultDir + "/*.sock).\n" +
			"Exit codes: 0 done, 1 refused or unreachable, 2 wrong usage.",
		Example:       "  getvpn-tui --lab basic\n  getvpn-tui show members --json\n  getvpn-tui rekey blue --kek",
		Args:          cobra.NoArgs,
		Version:       control.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return console(cmd.Context(), o) },
	}
	f := root.PersistentFlags()
	f.StringVar(&o.lab, "lab", "", "attach to a running lab")
	f.StringVar(&o.socket, "socket", "", "attach to one daemon's control socket")
	f.StringVar(&o.dir, "dir", "", "attach to every *.sock of a directory")
	f.StringVar(&o.theme, "theme", "", "colours: "+strings.Join(theme.Names(), ", "))
	root.AddCommand(showCommand(o), planCommand(o, "plan", false), planCommand(o, "apply", true), rekeyCommand(o), clearCommand(o), clearAllCommand(o), removeCommand(o), readmitCommand(o), handoverCommand(o), reregisterCommand(o), labCommand(o, "kill", action.Kill), labCommand(o, "start", action.Start))
	return root
}

// console runs the screen.
func console(ctx context.Context, o *options) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		return fmt.Errorf("the console needs a terminal; 'getvpn-tui show overview' prints the same without one")
	}
	th, err := theme.New(o.theme)
	if err != nil {
		return err
	}
	src, err := o.source()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { src.Run(ctx); close(done) }()
	_, err = tea.NewProgram(app.New(ctx, src, th), tea.WithAltScreen(), tea.WithContext(ctx), tea.WithFPS(15)).Run()
	cancel()
	<-done
	if err != nil && ctx.Err() == nil {
		return refused{err}
	}
	return nil
}

func showCommand(o *options) *cobra.Command {
	var asJSON bool
	var names []string
	for _, v := range view.Printed() {
		names = append(names, v.Name())
	}
	c := &cobra.Command{
		Use:   "show {" + strings.Join(names, "|") + "} [GROUP]",
		Short: "Print a view once",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 2 && (args[0] == (view.Rekey{}).Name() || args[0] == (view.Coop{}).Name()) {
				return nil
			}
			if len(args) != 1 {
				return fmt.Errorf("show needs one view: %s; coop and rekey may name a group", strings.Join(names, ", "))
			}
			return nil
		},
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			v, err := view.ByName(args[0])
			if err != nil {
				return err
			}
			if len(args) == 2 {
				v = view.Of(v, args[1])
			}
			src, err := o.source()
			if err != nil {
				return err
			}
			fleet := src.Once(cmd.Context())
			if err := reached(fleet); err == nil && len(args) == 2 && !slices.Contains(fleet.Groups(), args[1]) {
				return refused{fmt.Errorf("no attached key server has a group %q; the groups here are [%s]", args[1], strings.Join(fleet.Groups(), " "))}
			}
			if asJSON {
				enc := json.NewEncoder(cmd.OutOrStdout())
				enc.SetIndent("", "  ")
				err = enc.Encode(v.Data(fleet))
			} else {
				err = printView(cmd.OutOrStdout(), o, v, fleet)
			}
			if err != nil {
				return refused{err}
			}
			return reached(fleet)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printView draws a view as text, as wide as the terminal, or 120 columns without one.
func printView(w io.Writer, o *options, v view.View, fleet *source.Fleet) error {
	width := 120
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		lipgloss.SetColorProfile(termenv.Ascii)
	} else if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		width = n
	}
	th, err := theme.New(o.theme)
	if err != nil {
		return err
	}
	draw := v.Draw
	if p, ok := v.(view.Printer); ok {
		draw = p.Print
	}
	for _, line := range draw(&view.Frame{Theme: th, Fleet: fleet, Width: width, Height: 1000, Cursor: -1}) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// reached fails when no daemon answered.
func reached(fleet *source.Fleet) error {
	for i := range fleet.Nodes {
		if fleet.Nodes[i].Connected {
			return nil
		}
	}
	if len(fleet.Nodes) == 0 {
		return refused{fmt.Errorf("no daemon's socket was found in %s: start a daemon or a lab, or name one with --socket, --dir or --lab", fleet.Title)}
	}
	return refused{fmt.Errorf("no daemon answered: %s: %s", fleet.Nodes[0].Name, fleet.Nodes[0].Problem)}
}

// do runs an action against the daemons as they are now and prints what they said.
func (o *options) do(cmd *cobra.Command, run func(context.Context, *source.Fleet) (string, error)) error {
	src, err := o.source()
	if err != nil {
		return err
	}
	fleet := src.Once(cmd.Context())
	if err := reached(fleet); err != nil && fleet.Lab == "" {
		return err
	}
	text, err := run(cmd.Context(), fleet)
	if err != nil {
		return refused{err}
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}

func rekeyCommand(o *options) *cobra.Command {
	var kek bool
	c := &cobra.Command{
		Use: "rekey GROUP", Short: "Ask the key server for new keys now", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.do(cmd, func(ctx context.Context, f *source.Fleet) (string, error) { return action.Rekey(ctx, f, args[0], kek) })
		},
	}
	c.Flags().BoolVar(&kek, "kek", false, "replace the KEK as well as the TEK")
	return c
}

func clearCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "clear-member GROUP MEMBER", Short: "Remove a member from the key server's list; it must register again", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.do(cmd, func(ctx context.Context, f *source.Fleet) (string, error) {
				return action.ClearMember(ctx, f, args[0], args[1])
			})
		},
	}
}

func reregisterCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "reregister GROUP MEMBER", Short: "Make a member register again", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.do(cmd, func(ctx context.Context, f *source.Fleet) (string, error) {
				return action.Reregister(ctx, f, args[0], args[1])
			})
		},
	}
}

func labCommand(o *options, verb string, run func(ctx context.Context, lab, node string) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NODE", Short: strings.ToUpper(verb[:1]) + verb[1:] + " a node of the lab", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.do(cmd, func(ctx context.Context, f *source.Fleet) (string, error) { return run(ctx, f.Lab, args[0]) })
		},
	}
}
