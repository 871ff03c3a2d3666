package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/getvpn/getvpn/tui/app"
	"github.com/getvpn/getvpn/tui/classic"
	"github.com/getvpn/getvpn/tui/export"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/view"
	"github.com/getvpn/getvpn/tui/widget"
)

// shown is how a view is printed.
type shown struct {
	json, wide                    bool
	format, filter, sort, columns string
	desc                          bool
	node                          string
}

func showCommand(o *options) *cobra.Command {
	s := &shown{}
	names := view.Names()
	c := &cobra.Command{
		Use:   "show {" + strings.Join(names, "|") + "} [GROUP] | {gdoi|ks|gm} ...",
		Short: "Print a view once, or what a router would print",
		Long: "Print a view once. --json is everything that the view knows, typed; --format is the table as the screen has it, filtered and sorted." +
			classicHelp(),
		Example: "  getvpn-tui show members --filter 'state=down drops>10'\n  getvpn-tui show rekey blue --json\n" +
			"  getvpn-tui show members --sort drops --desc --format csv\n" +
			"  getvpn-tui show ks members summary --node ks1\n  getvpn-tui show crypto gdoi group blue",
		Args: func(_ *cobra.Command, args []string) error {
			if isClassic(args) {
				_, err := classic.Parse(args)
				return err
			}
			if len(args) != 1 && len(args) != 2 {
				return fmt.Errorf("show needs one view: %s; and may name a group; or gdoi, ks or gm and what routers have after that", strings.Join(names, ", "))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if isClassic(args) {
				return classic.Complete(append(args, word)), cobra.ShellCompDirectiveNoFileComp
			}
			if len(args) == 0 {
				return append(slices.Clone(names), "gdoi", "ks", "gm", "crypto"), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if isClassic(args) {
				return s.runClassic(cmd, o, args)
			}
			if s.node != "" {
				return fmt.Errorf("--node is for what routers have: show gdoi, ks and gm")
			}
			v, err := view.ByName(args[0])
			if err != nil {
				return err
			}
			if s.format != "" && !slices.Contains(export.Formats(), s.format) {
				return fmt.Errorf("--format is one of %s", strings.Join(export.Formats(), ", "))
			}
			fleet, err := o.fleet(cmd.Context())
			if err != nil {
				return err
			}
			group := ""
			if len(args) == 2 {
				group = args[1]
			}
			if err := o.reached(fleet); err == nil && group != "" && !slices.Contains(fleet.Groups(), group) {
				return refused{fmt.Errorf("no attached key server has a group %q; the groups here are [%s]", group, strings.Join(fleet.Groups(), " "))}
			}
			if err := s.print(cmd.Context(), cmd.OutOrStdout(), o, v, fleet, group); err != nil {
				return err
			}
			return o.reached(fleet)
		},
	}
	f := c.Flags()
	f.StringVar(&o.played.file, "replay", "", "print what a recording has, at the moment that --at says; without it at its end")
	playedFlags(c, o)
	f.BoolVar(&s.json, "json", false, "print JSON: everything that the view knows")
	f.StringVar(&s.format, "format", "", "print the view's table as "+strings.Join(export.Formats(), ", "))
	f.StringVar(&s.filter, "filter", "", "only rows that fit: 'text !text state=down drops>10'")
	f.StringVar(&s.sort, "sort", "", "sort by a column")
	f.BoolVar(&s.desc, "desc", false, "the other way round")
	f.StringVar(&s.columns, "columns", "", "these columns in this order, or all but some: 'member,state' or '-rtt'")
	f.StringVar(&s.node, "node", "", "of gdoi, ks and gm: only what this daemon says")
	f.BoolVar(&s.wide, "wide", false, "all columns, however wide the terminal is")
	return c
}

// print writes a view. What is wrong with the flags is a usage error; all else was refused.
func (s *shown) print(ctx context.Context, w io.Writer, o *options, v view.View, fleet *source.Fleet, group string) error {
	if s.json {
		if err := printJSON(w, v.Data(fleet, group)); err != nil {
			return refused{err}
		}
		return nil
	}
	f, err := s.frame(w, o, v, fleet, group)
	if err != nil {
		return err
	}
	if v.Name() == (view.Policy{}).Name() {
		f.Pending = app.AskPending(ctx, fleet, group)
	}
	if p, ok := v.(view.Printer); ok && s.format == "" && s.filter == "" && s.sort == "" {
		return printLines(w, p.Print(f))
	}
	page, look := v.Page(f), &widget.Look{Still: true, Filter: s.filter, Sort: s.sort, Desc: s.desc}
	if page.Table != nil {
		if _, err := widget.ParseFilter(s.filter, page.Table.Keys()); err != nil {
			return err
		}
		if s.sort != "" && !slices.Contains(page.Table.Keys(), s.sort) {
			return fmt.Errorf("no column %q in this view: %s", s.sort, strings.Join(page.Table.Keys(), " "))
		}
		if look.Columns, err = widget.ParseColumns(s.columns, nil, page.Table); err != nil {
			return err
		}
	}
	if s.format != "" {
		if err := export.Write(w, s.format, page, f, look); err != nil {
			return refused{err}
		}
		return nil
	}
	return printLines(w, export.Lines(page, f, look))
}

// frame is as wide as the terminal, or 120 columns without one.
func (s *shown) frame(w io.Writer, o *options, v view.View, fleet *source.Fleet, group string) (*view.Frame, error) {
	width := 120
	if f, ok := w.(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		lipgloss.SetColorProfile(termenv.Ascii)
	} else if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
		width = n
	}
	if s.wide {
		width = 400
	}
	if s.format == "svg" {
		lipgloss.SetColorProfile(termenv.TrueColor)
	}
	th, err := theme.New(o.theme)
	return &view.Frame{Theme: th, Fleet: fleet, Width: width, Height: 1000, Place: view.Place{View: v.Name(), Group: group}}, err
}

// printJSON prints for programs, and so that people can read it.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func printLines(w io.Writer, lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return refused{err}
		}
	}
	return nil
}
