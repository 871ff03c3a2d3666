package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/check"
	"github.com/getvpn/getvpn/lab/netns"
	"github.com/getvpn/getvpn/lab/scenario"
	"github.com/getvpn/getvpn/lab/topologies"
)

// choice is how a user picks and shapes a scenario.
type choice struct {
	scenario.Options
	driver string
	name   string
}

func (o *choice) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.driver, "driver", netns.Name, "what nodes are made of: "+drivers.Names())
	c.Flags().StringVar(&o.Profile, "profile", "", "a set of values that the scenario brings, as in --profile quick")
	c.Flags().StringToStringVar(&o.Set, "set", nil, "a variable of the scenario, as in --set tek_lifetime=24s")
	c.Flags().BoolVar(&o.Sabotage, "sabotage", false, "break on purpose what the scenario teaches: its checks must notice")
	c.Flags().Uint64Var(&o.Seed, "seed", 0, "decides the drawn values of an exercise, and a run in the simulator, and repeats it (default: another each time; run --driver sim: 1)")
	c.Flags().StringVar(&o.name, "name", "", "name of the lab (default: that of the scenario)")
}

func (o *choice) load(name string) (*scenario.Scenario, error) {
	if _, err := drivers.Driver(o.driver); err != nil {
		return nil, err
	}
	s, err := topologies.Load(name, o.Options)
	if err != nil {
		return nil, err
	}
	if err := check.Validate(s); err != nil {
		return nil, err
	}
	if o.name == "" {
		o.name = s.LabName()
	}
	return s, nil
}

func listCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "list", Short: "List the scenarios that come with getvpn-lab", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			type entry struct {
				Name        string            `json:"name"`
				Title       string            `json:"title"`
				Description string            `json:"description"`
				Nodes       []string          `json:"nodes"`
				Vars        map[string]string `json:"vars"`
			}
			var all []entry
			for _, name := range topologies.Names() {
				s, err := topologies.Load(name, scenario.Options{})
				if err != nil {
					return err
				}
				e := entry{s.Name, s.Title, s.Description, nil, s.Vars}
				for _, n := range s.Nodes {
					e.Nodes = append(e.Nodes, n.Name)
				}
				all = append(all, e)
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), all)
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, e := range all {
				fmt.Fprintf(w, "%s\t%s\t%d nodes\n", e.Name, e.Title, len(e.Nodes))
			}
			return w.Flush()
		}}
	c.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return c
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // values are for people
	return enc.Encode(v)
}
