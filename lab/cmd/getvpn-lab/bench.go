package main

import (
	"errors"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/bench"
	"github.com/getvpn/getvpn/lab/netns"
)

func benchCommand() *cobra.Command {
	var asJSON bool
	c := bench.Config{From: "h1", To: "h3"}
	cmd := &cobra.Command{Use: "bench", Short: "Measure iperf3 throughput from host to host, through two members and without them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := exec.LookPath("iperf3"); err != nil {
				return errors.New("iperf3 is missing: run 'apt-get install iperf3'")
			}
			o := choice{driver: "netns", name: "bench"}
			s, err := o.load("basic")
			if err != nil {
				return err
			}
			l, err := drivers.Up(cmd.Context(), netns.Name, o.name, s, nil)
			if err != nil {
				return err
			}
			var r *bench.Result
			if err = l.WaitRegistered(cmd.Context(), time.Minute); err == nil {
				r, err = bench.Run(cmd.Context(), l, c, cmd.ErrOrStderr())
			}
			if err = errors.Join(err, drivers.Down(o.name)); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), r)
			}
			r.Print(cmd.OutOrStdout())
			return nil
		}}
	cmd.Flags().StringVar(&c.From, "from", c.From, "host that sends")
	cmd.Flags().StringVar(&c.To, "to", c.To, "host that receives")
	cmd.Flags().IntVar(&c.Rounds, "rounds", 3, "measurements of each path")
	cmd.Flags().IntVar(&c.Seconds, "seconds", 3, "length of one measurement")
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}
