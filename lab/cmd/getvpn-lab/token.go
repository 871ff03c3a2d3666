package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/lab/driver"
)

func tokenCommand(lab *string) *cobra.Command {
	return &cobra.Command{Use: "token lose|return NODE...", Short: "Pull the HSM token of a node out, or put it back", Args: cobra.MinimumNArgs(2),
		Long: "Pull the HSM token of a node out of its machine, or put it back. Nodes with hsm: in the scenario have one: a SoftHSM token\n" +
			"in a directory of its own, which is moved away. getvpn-lab exec NODE -- ... runs a program that can use the token.",
		Example:   "  getvpn-lab token lose ks1\n  getvpn-tui --lab hsm\n  getvpn-lab token return ks1",
		ValidArgs: []string{"lose", "return"},
		RunE: func(cmd *cobra.Command, args []string) error {
			do := map[string]func(driver.Lab, string) error{"lose": driver.Lab.LoseToken, "return": driver.Lab.ReturnToken}[args[0]]
			if do == nil {
				return fmt.Errorf("token %s: write lose or return", args[0])
			}
			return atNodes(cmd, *lab, args[1:], "token "+args[0], do)
		}}
}
