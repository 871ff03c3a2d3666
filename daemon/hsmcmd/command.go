// Package hsmcmd is the verb "hsm" of the daemons' command lines: a token is initialised, looked at and tried, and
// signature keys are replaced. PINs come from files, credentials or the terminal, never from arguments, which every user of a
// machine can read.
package hsmcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/process"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

// Target is the daemon that the keys are of.
type Target struct {
	Common *config.Common
	// Keys are those that its configuration names.
	Keys []custody.Key

	early error // what keeps the daemon from starting: certificates that have not been issued yet
}

// Spec is what differs between the daemons.
type Spec struct {
	Daemon string // the name of the program
	Load   func(file string) (*Target, error)
	Server bool // groups have signature keys
}

// Command makes the verb.
func Command(s Spec) *cobra.Command {
	cmd := &cobra.Command{
		Use: "hsm", Short: "Initialise, look at and try the token that keeps the keys",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Usage()
			return errors.New("hsm needs a verb: init, request, status or selftest")
		},
	}
	cmd.AddCommand(s.init(), s.request(), s.status(), s.selftest())
	if s.Server {
		cmd.AddCommand(s.rotate())
	}
	return cmd
}

// verb makes a command that reads the configuration first. What run returns ends with exit code 3, unless it is of
// process.Checked.
func (s Spec) verb(name, short string, run func(*cobra.Command, *Target) error) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: name + " --config FILE", Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := s.Load(file)
			if err != nil {
				return err
			}
			return process.Fault(run(cmd, t))
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file`")
	_ = cmd.MarkFlagRequired("config")
	return cmd
}

// token is whether there is a token, and not files.
func (t *Target) token() bool { return t.Common.Custody != nil && !t.Common.Custody.Files }

// open opens what keeps the keys; the caller closes it.
func (t *Target) open(ctx context.Context) (hsm.Token, error) {
	return custody.OpenToken(ctx, t.Common.Custody, t.Common.State, custody.TokenOptions{})
}

// there is the token of the configuration; nil: none that is initialised.
func (t *Target) there() *pkcs11.TokenState { return custody.Initialised(t.Common.Custody) }

// plural is "1 key", "2 keys".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
