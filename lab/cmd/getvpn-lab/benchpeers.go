package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/bench/peers"
)

func benchPeersCommand() *cobra.Command {
	c := peers.Config{Lab: "bench_peers"}
	var quick, asJSON, asMarkdown bool
	cmd := &cobra.Command{Use: "bench-peers", Short: "Measure this project's data path beside plain forwarding and other user-space tunnels", Args: cobra.NoArgs,
		Long: "Measure this project's data path beside plain forwarding and other user-space tunnels, in interleaved rounds, and print\n" +
			"medians, minimum, maximum and ratios. What is missing is installed, with apt-get and 'go install'. It takes about 16 minutes.\n\n" +
			"Peers: " + strings.Join(peers.Names(), ", ") + "\nTests: " + strings.Join(peers.TestNames(), ", "),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if quick {
				for name, set := range map[string]func(){
					"rounds": func() { c.Rounds = 2 }, "seconds": func() { c.Seconds = 2 }, "probe": func() { c.Probe = 400 * time.Millisecond }, "steps": func() { c.Steps = 4 },
				} {
					if !cmd.Flags().Changed(name) {
						set()
					}
				}
			}
			if c.Rounds < 1 || c.Seconds < 1 || c.Steps < 1 || c.Probe <= 0 {
				return errors.New("--rounds, --seconds, --steps and --probe must be positive")
			}
			if c.Cache == "" {
				dir, err := os.UserCacheDir()
				if err != nil {
					return fmt.Errorf("where to put programs that are built: %w; say so with --cache", err)
				}
				c.Cache = filepath.Join(dir, "getvpn", "peers")
			}
			c.Log = cmd.ErrOrStderr()
			r, err := peers.Run(cmd.Context(), c)
			if r == nil {
				return err
			}
			switch out := cmd.OutOrStdout(); { // of an interrupted run: what there is
			case asJSON:
				err = errors.Join(err, writeJSON(out, r))
			case asMarkdown:
				r.Markdown(out)
			default:
				r.Print(out)
			}
			if err == nil && len(r.Errors) > 0 {
				err = errors.New("not every visit went through")
			}
			return err
		}}
	f := cmd.Flags()
	f.StringSliceVar(&c.Peers, "peers", peers.Default(), "what to measure")
	f.StringSliceVar(&c.Tests, "tests", peers.TestNames(), "tests")
	f.IntVar(&c.Rounds, "rounds", 5, "rounds; each visits every peer once")
	f.IntVar(&c.Seconds, "seconds", 4, "length of one TCP test")
	f.DurationVar(&c.Probe, "probe", 700*time.Millisecond, "length of one UDP probe")
	f.IntVar(&c.Steps, "steps", 6, "UDP probes after the first")
	f.StringVar(&c.Cache, "cache", "", "directory for programs that are built (default: the user's cache directory)")
	f.BoolVar(&c.Install, "install", true, "install what is missing")
	f.BoolVar(&quick, "quick", false, "two short rounds, about 4 minutes: for a look, not for a figure")
	f.BoolVar(&asJSON, "json", false, "the result as JSON")
	f.BoolVar(&asMarkdown, "markdown", false, "the table for a README")
	return cmd
}
