package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/check"
	"github.com/getvpn/getvpn/lab/topologies"
)

// seedsTried is how many draws of a scenario are looked at: a mistake may be in one of them only.
const seedsTried = 20

func validateCommand() *cobra.Command {
	var o choice
	var all, strict bool
	c := &cobra.Command{Use: "validate NAME|FILE.yaml... | --all", Short: "Check scenarios without running them; mistakes are file:line:column",
		Long: "Check scenarios without running them. Mistakes are file:line:column and end it with 1. What is no mistake and still not right is a\n" +
			"warning: what is declared and never used, done and never checked, a scenario without README.md, or with one that lacks a section or the\n" +
			"solution of an exercise, and one that is never broken on purpose. Every profile is checked, and of a scenario with drawn values the\n" +
			"draws of several seeds.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all != (len(args) == 0) {
				return errors.New("name scenarios, or --all")
			}
			if all {
				args = topologies.Names()
			}
			good := true
			for _, name := range args {
				warnings, err := o.validate(cmd.OutOrStdout(), cmd.ErrOrStderr(), name)
				if err != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), err)
				}
				good = good && err == nil && (!strict || warnings == 0)
			}
			if !good {
				return errors.New("not every scenario is as it should be")
			}
			return nil
		}}
	c.Flags().StringVar(&o.driver, "driver", "netns", "what nodes are made of: netns")
	c.Flags().StringVar(&o.Profile, "profile", "", "only this profile")
	c.Flags().StringToStringVar(&o.Set, "set", nil, "a variable of the scenario, as in --set tek_lifetime=24s")
	c.Flags().Uint64Var(&o.Seed, "seed", 0, "only the draw of this seed")
	c.Flags().BoolVar(&all, "all", false, "every scenario that comes with getvpn-lab")
	c.Flags().BoolVar(&strict, "strict", false, "warnings count as mistakes")
	return c
}

// validate looks at one scenario in all its forms and says how many warnings there were.
func (o *choice) validate(out, problems io.Writer, name string) (warnings int, err error) {
	s, err := o.load(name)
	if err != nil {
		return 0, err
	}
	profiles := []string{o.Profile}
	if o.Profile == "" {
		profiles = append(profiles, slices.Sorted(maps.Keys(s.Profiles))...)
	}
	seeds := []uint64{o.Seed}
	for n := uint64(1); o.Seed == 0 && s.Seed != 0 && n <= seedsTried; n++ {
		seeds = append(seeds, n)
	}
	for _, p := range profiles {
		for _, seed := range seeds {
			one := *o
			one.Profile, one.Seed = p, seed
			if _, err := one.load(name); err != nil {
				return 0, fmt.Errorf("profile %q, seed %d: %w", p, seed, err)
			}
		}
	}
	found := s.Lint(topologies.Derived(s.Name)...)
	found = append(found, check.Lint(s)...)
	found = append(found, topologies.Lint(s, name)...)
	for _, w := range found {
		fmt.Fprintf(problems, "warning: %v\n", w)
	}
	text := fmt.Sprintf("%s: %d nodes, %d links, %d steps", s.Name, len(s.Nodes), len(s.Links), len(s.Steps))
	if len(s.Tasks) > 0 {
		text += fmt.Sprintf(", %d tasks for %d points", len(s.Tasks), s.Points())
	}
	fmt.Fprintln(out, text)
	return len(found), nil
}
