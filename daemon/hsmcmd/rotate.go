package hsmcmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/daemon/process"
)

func (s Spec) rotate() *cobra.Command {
	var (
		group  string
		asJSON bool
	)
	cmd := s.verb("rotate", "Have the running key server replace the signature key of a group; no member is dropped", func(cmd *cobra.Command, t *Target) error {
		r, err := client.New(t.Common.Control).Rotate(cmd.Context(), control.RotateRequest{Group: group})
		switch {
		case err != nil && !errors.Is(err, client.ErrRefused):
			return fmt.Errorf("no key server answers at its control socket (%w): members learn a new signature key from a rekey, so it must run", err)
		case err != nil:
			fmt.Fprintln(cmd.ErrOrStderr(), "error:", err)
			return process.Checked(false)
		case asJSON:
			return process.PrintJSON(cmd.OutOrStdout(), r)
		}
		_, err = fmt.Fprintln(cmd.OutOrStdout(), r.Text)
		return err
	})
	cmd.Long = `A new key is made where the old one is, and a rekey of the KEK brings it to the members. The old key signs nothing any more,
and is destroyed when the last KEK that came with it has ended. 'hsm status' shows what is under way.

Exit codes: 0 it has begun, 1 refused, 3 no key server answers.`
	cmd.Flags().StringVar(&group, "group", "", "the `group`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("group")
	return cmd
}
