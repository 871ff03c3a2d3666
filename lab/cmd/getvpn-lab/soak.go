package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/netns"
)

// soakCommand is the scenario soak with its length as a flag.
func soakCommand() *cobra.Command {
	var r runner
	r.driver, r.wait = netns.Name, time.Minute
	length := 30 * time.Minute
	c := &cobra.Command{Use: "soak", Short: "Full rate through two members for a long time while keys roll: nothing lost to a rekey, no growth", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A new key every 20 s; the first and the last may fall outside.
			r.Set = map[string]string{"for": length.String(), "rekeys": fmt.Sprint(max(int(length/(20*time.Second))-2, 0))}
			return r.once(cmd, "soak")
		}}
	c.Flags().DurationVar(&length, "for", length, "how long")
	c.Flags().StringVar(&r.name, "name", "", "name of the lab (default: soak)")
	c.Flags().StringVar(&r.logs, "logs", "", "copy the daemons' logs to this directory before the lab goes")
	return c
}
