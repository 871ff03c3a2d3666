package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/app"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
)

// refused is a failure of what was asked, in contrast to a wrong command line.
type refused struct{ error }

type options struct {
	lab, socket, dir, theme, view string
	write, mouse                  bool
	fps                           int
	played                        played
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
	}
	if err := client.CheckLabDir(); err != nil {
		return nil, refused{err}
	}
	if o.lab != "" {
		if _, err := os.Stat(filepath.Join(source.LabDir(), o.lab)); err != nil {
			return nil, refused{fmt.Errorf("lab %q is not running: start it with 'getvpn-lab up %s'", o.lab, o.lab)}
		}
		if err := client.TrustLabDir(); err != nil { // made by another user after the look above
			return nil, refused{err}
		}
		return source.Lab(o.lab), nil
	}
	labs, _ := filepath.Glob(filepath.Join(source.LabDir(), "*", "lab.json"))
	if err := client.TrustLabDir(); err != nil && len(labs) > 0 { // made by another user after the look above
		return nil, refused{err}
	}
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
			"It looks on; with --write it acts, too, each time after a question. Verbs act at once.\n" +
			"Exit codes: 0 done, 1 refused or unreachable, 2 wrong usage.",
		Example:       "  getvpn-tui --lab basic --write\n  getvpn-tui show members --filter state=down\n  getvpn-tui rekey blue --kek --json",
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
	root.Flags().BoolVar(&o.write, "write", false, "allow actions from the screen; what daemons allow is said by their sockets")
	root.Flags().BoolVar(&o.mouse, "mouse", false, "catch the mouse (m toggles it)")
	root.Flags().StringVar(&o.view, "view", "", "the view to begin with: "+strings.Join(view.Names(), ", "))
	root.Flags().IntVar(&o.fps, "fps", 40, "most often that the screen is drawn, in a second")
	root.AddCommand(showCommand(o), recordCommand(o), replayCommand(o))
	for _, v := range action.Verbs() {
		root.AddCommand(verbCommand(o, v))
	}
	return root
}

// console watches daemons on the screen.
func console(ctx context.Context, o *options) error {
	src, err := o.source()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { src.Run(ctx); close(done) }()
	err = screen(ctx, o, src)
	cancel()
	<-done
	return err
}

// screen runs the console over a source.
func screen(ctx context.Context, o *options, src app.Source) error {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stdout.Fd())) {
		return fmt.Errorf("the console needs a terminal; 'getvpn-tui show pulse' prints the same without one")
	}
	th, err := theme.New(o.theme)
	if err != nil {
		return err
	}
	if o.view != "" {
		v, err := view.ByName(o.view)
		if err != nil {
			return err
		}
		o.view = v.Name()
	}
	if th.Name == "mono" && os.Getenv("TERM") != "dumb" {
		lipgloss.SetColorProfile(termenv.ANSI) // bold and reverse are no colours
	}
	screen := []tea.ProgramOption{tea.WithAltScreen(), tea.WithContext(ctx), tea.WithFPS(max(1, min(o.fps, 60)))}
	if o.mouse {
		screen = append(screen, tea.WithMouseCellMotion())
	}
	m := app.New(ctx, src, app.Options{Theme: th, Write: o.write, Mouse: o.mouse, Start: o.view, History: readHistory(), Columns: readColumns()})
	_, err = tea.NewProgram(m, screen...).Run()
	writeHistory(m.History())
	writeColumns(m.Columns())
	text, failed := m.EndRecording()
	if text != "" {
		fmt.Println(text)
	}
	if failed != nil {
		return refused{failed}
	}
	if err != nil && ctx.Err() == nil {
		return refused{err}
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
