package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/tui/classic"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/view"
)

// isClassic says whether a command line after show is one of the field's, not one of our views. No view has such a name.
func isClassic(args []string) bool {
	return len(args) > 0 && !slices.Contains(view.Names(), args[0]) && classic.Begins(args[0])
}

// block is what one device says, as JSON has it.
type block struct {
	Node    string         `json:"node"`
	Command string         `json:"command"`
	Data    classic.Answer `json:"data"`
}

// runClassic asks the daemons and prints a command of the field.
func (s *shown) runClassic(cmd *cobra.Command, o *options, args []string) error {
	q, err := classic.Parse(args)
	if err != nil {
		return err
	}
	if s.format != "" || s.filter != "" || s.sort != "" || s.desc || s.wide || s.columns != "" {
		return fmt.Errorf("what routers have is printed as they print it: only --node and --json go with it")
	}
	fleet, err := o.fleet(cmd.Context())
	if err != nil {
		return err
	}
	if len(fleet.Nodes) == 0 {
		return o.reached(fleet)
	}
	return s.classic(cmd, fleet, q)
}

// classic prints a command of the field, as each daemon that it concerns would print it.
func (s *shown) classic(cmd *cobra.Command, fleet *source.Fleet, q classic.Query) error {
	nodes, missing, err := s.devices(fleet, q)
	if err != nil {
		return err
	}
	out := []block{}
	for _, n := range nodes {
		if a := q.Answer(n.Snap); a != nil {
			out = append(out, block{n.Name, q.Line(), a})
		}
	}
	w := cmd.OutOrStdout()
	if s.json {
		if err := printJSON(w, out); err != nil {
			return refused{err}
		}
	} else {
		for i, b := range out {
			if i > 0 {
				fmt.Fprintln(w)
			}
			if len(fleet.Nodes) > 1 && s.node == "" { // as on a device's terminal: the prompt says whose words follow
				fmt.Fprintf(w, "%s#%s\n", b.Node, b.Command)
			}
			if _, err := fmt.Fprint(w, classic.Text(b.Data)); err != nil {
				return refused{err}
			}
		}
	}
	for _, n := range missing {
		fmt.Fprintf(cmd.ErrOrStderr(), "getvpn-tui: %s: %s\n", n.Name, n.Problem)
	}
	switch {
	case len(missing) > 0:
		return errSaid
	case len(out) > 0:
		return nil
	case q.Group != "":
		return refused{fmt.Errorf("%s: no attached daemon that this concerns has a group %q; the groups here are [%s]", q.Line(), q.Group, strings.Join(fleet.Groups(), " "))}
	case q.Command.Role != "":
		return refused{fmt.Errorf("%s: no %s is attached", q.Line(), map[string]string{"ks": "key server", "gm": "group member"}[q.Command.Role])}
	}
	return refused{fmt.Errorf("%s: no attached daemon has a group", q.Line())}
}

// devices are the daemons that a command concerns, those that were reached and those that were not.
func (s *shown) devices(fleet *source.Fleet, q classic.Query) (nodes, missing []*source.Node, err error) {
	if s.node != "" && fleet.Node(s.node) == nil {
		var names []string
		for i := range fleet.Nodes {
			names = append(names, fleet.Nodes[i].Name)
		}
		return nil, nil, refused{fmt.Errorf("--node %s is not attached; these are: [%s]", s.node, strings.Join(names, " "))}
	}
	for i := range fleet.Nodes {
		n := &fleet.Nodes[i]
		concerned := q.Command.Role == "" || n.Role == "" || n.Role == q.Command.Role
		switch {
		case s.node != "" && n.Name != s.node:
		case s.node != "" && !concerned:
			return nil, nil, refused{fmt.Errorf("%s is no %s, and does not know '%s'", n.Name, map[string]string{"ks": "key server", "gm": "group member"}[q.Command.Role], q.Line())}
		case !concerned:
		case n.Connected:
			nodes = append(nodes, n)
		default:
			missing = append(missing, n)
		}
	}
	return nodes, missing, nil
}

// classicHelp lists the commands of the field.
func classicHelp() string {
	var b strings.Builder
	b.WriteString("\n\nThe words of routers are known as well, cut short and with 'crypto gdoi' or 'crypto gkm' before them if you like, and print what\n" +
		"routers print; --json is the same, typed:\n\n")
	for _, u := range classic.Usage() {
		fmt.Fprintf(&b, "  show %-24s %s\n", u[0], u[1])
	}
	return strings.TrimRight(b.String(), "\n")
}
