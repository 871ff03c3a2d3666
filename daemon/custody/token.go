package custody

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/pkcs11"
	"github.com/getvpn/getvpn/hsm/soft"
)

// TokenOptions of OpenToken; the zero value is what a command uses.
type TokenOptions struct {
	// Notify and Fault are those of pkcs11.Options.
	Notify func(problem error)
	Fault  func(function string) uint
}

// OpenToken opens what the custody section names: a token, or files under the state directory, which are also what there
// is without a section (nil). It looks for the token, logs in and probes it; whoever is asked for the PIN has two minutes.
func OpenToken(ctx context.Context, c *config.Custody, state string, o TokenOptions) (hsm.Token, error) {
	if c == nil || c.Files {
		return soft.Open(FilesDir(state))
	}
	if err := Loadable(c); err != nil {
		return nil, err
	}
	h, err := pkcs11.Open(ctx, pkcs11.Options{
		Module: c.Module, Token: c.Token, PIN: PIN(c), Sessions: c.Sessions, Queue: c.Queue, Timeout: c.Timeout,
		AllowOAEPSHA1: c.AllowOAEPSHA1, Notify: o.Notify, Fault: o.Fault,
	})
	switch {
	case errors.Is(err, hsm.ErrUnavailable) && Initialised(c) == nil:
		return nil, fmt.Errorf("the token %s of the custody section: %w; is it there? one that is new is initialised by 'hsm init'", c.Token, err)
	case err != nil:
		return nil, fmt.Errorf("the token %s of the custody section: %w", c.Token, err)
	}
	return h, nil
}

// Initialised is the token of a custody section, as anybody may see it; nil: none that is initialised.
func Initialised(c *config.Custody) *pkcs11.TokenState {
	all, err := pkcs11.Tokens(c.Module)
	if err != nil {
		return nil
	}
	for n := range all {
		if all[n].Initialised && c.Token.Matches(all[n].URI) {
			return &all[n]
		}
	}
	return nil
}

// FilesDir is where keys in files are.
func FilesDir(state string) string { return filepath.Join(state, "keys") }
