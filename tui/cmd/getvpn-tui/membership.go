package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/tui/action"
	"github.com/getvpn/getvpn/tui/source"
)

func removeCommand(o *options) *cobra.Command {
	var now bool
	c := &cobra.Command{
		Use: "remove-member GROUP MEMBER...", Short: "Exclude members from a group and replace its keys; they are refused until readmitted", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.do(cmd, func(ctx context.Context, f *source.Fleet) (string, error) {
				return action.RemoveMember(ctx, f, args[0], args[1:], now)
			})
		},
	}
	c.Flags().BoolVar(&now, "now", false, "end the old keys at once; packets under way are lost")
	return c
}

func readmitCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "readmit GROUP MEMBER", Short: "Let a removed member register again", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.do(cmd, func(ctx context.Context, f *source.Fleet) (string, error) {
				return action.Readmit(ctx, f, args[0], args[1])
			})
		},
	}
}

func clearAllCommand(o *options) *cobra.Command {
	var now bool
	c := &cobra.Command{
		Use: "clear-members GROUP", Short: "Make all members register again; they keep their keys meanwhile", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.do(cmd, func(ctx context.Context, f *source.Fleet) (string, error) {
				return action.ClearMembers(ctx, f, args[0], now)
			})
		},
	}
	c.Flags().BoolVar(&now, "now", false, "withdraw all keys at once; traffic stops until members have registered")
	return c
}

func handoverCommand(o *options) *cobra.Command {
	to := ""
	c := &cobra.Command{
		Use: "handover GROUP", Short: "Let another key server be primary of a group", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.do(cmd, func(ctx context.Context, f *source.Fleet) (string, error) {
				return action.Handover(ctx, f, args[0], to)
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "which one: its number, its address, or its name if it is attached here; otherwise whom an election would choose")
	return c
}
