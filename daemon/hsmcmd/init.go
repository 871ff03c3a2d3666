package hsmcmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

// initialise is one run of "hsm init".
type initialise struct {
	*Target
	daemon string
	in     io.Reader
	out    io.Writer

	officerFile, officerCredential string
	label                          string
	wipe, force                    bool
}

func (s Spec) init() *cobra.Command {
	i := &initialise{daemon: s.Daemon}
	early := s
	early.Load = s.loadEarly
	cmd := early.verb("init", "Initialise the token of the configuration, unless it is, and make the keys that are missing", func(cmd *cobra.Command, t *Target) error {
		i.Target, i.in, i.out = t, cmd.InOrStdin(), cmd.OutOrStdout()
		return i.run(cmd.Context())
	})
	cmd.Long = `Initialises the token that the custody section names, if nobody has, and makes the keys that the configuration names and
the token lacks. A token that is initialised is never touched but for that, unless --wipe says so; then, if it has keys, its
label must be typed, or --force given. The security officer's PIN is asked at the terminal, or comes from a file or a
credential; the user's PIN comes from where the custody section says.`
	f := cmd.Flags()
	f.StringVar(&i.officerFile, "so-pin-file", "", "`file` with the security officer's PIN, open to its owner only")
	f.StringVar(&i.officerCredential, "so-pin-credential", "", "systemd credential with the security officer's PIN, by its `name`")
	f.StringVar(&i.label, "label", "", "label of a new token, where the configuration names it by its serial alone")
	f.BoolVar(&i.wipe, "wipe", false, "initialise the token though it is: everything in it is destroyed")
	f.BoolVar(&i.force, "force", false, "with --wipe: do not ask for the label of a token that has keys")
	return cmd
}

func (i *initialise) run(ctx context.Context) error {
	c := i.Common.Custody
	switch {
	case c == nil:
		return errors.New("the configuration has no custody section: keys are files, which the daemon makes itself; add custody: {module, token, pin} to keep them in a token")
	case i.force && !i.wipe:
		return errors.New("--force goes with --wipe")
	case c.Files:
		fmt.Fprintln(i.out, "keys are files: there is no token to initialise")
	default:
		if err := custody.Loadable(c); err != nil {
			return err
		}
		if err := i.initToken(ctx); err != nil {
			return err
		}
	}
	h, err := i.open(ctx)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := i.keys(ctx, h); err != nil {
		return err
	}
	return i.next(h)
}

// initToken initialises the token, or finds that it is.
func (i *initialise) initToken(ctx context.Context) error {
	c := i.Common.Custody
	o := pkcs11.InitOptions{Module: c.Module, Token: c.Token, Wipe: i.wipe}
	if o.Token.Token == "" {
		o.Token.Token = i.label
	}
	if o.Token.Token == "" {
		return fmt.Errorf("the custody section names the token by %s alone: give the label that it gets with --label", c.Token)
	}
	o.OfficerPIN = i.officerPIN(o.Token.Token)
	o.PIN = func(ctx context.Context) ([]byte, error) {
		if c.PIN.Prompt {
			return twice(fmt.Sprintf("PIN of the token %s, from now on: ", c.Token))
		}
		return custody.PIN(c)(ctx)
	}
	if i.wipe {
		if err := i.mayWipe(ctx); err != nil {
			return err
		}
	}
	made, err := pkcs11.Init(ctx, o)
	switch {
	case errors.Is(err, hsm.ErrExists):
		fmt.Fprintf(i.out, "token  %s is initialised; it was left alone\n", c.Token)
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintf(i.out, "token  %s was initialised\n", made)
	return nil
}

func (i *initialise) officerPIN(label string) pkcs11.PIN {
	switch {
	case i.officerFile != "":
		return pkcs11.PINFile(i.officerFile)
	case i.officerCredential != "":
		return pkcs11.PINCredential(i.officerCredential)
	}
	question := fmt.Sprintf("PIN of the security officer of the token %s: ", label)
	return func(context.Context) ([]byte, error) {
		if i.wipe {
			return custody.Prompt(question)
		}
		return twice(question)
	}
}

// twice asks for a PIN that nobody has yet.
func twice(question string) ([]byte, error) {
	a, err := custody.Prompt(question)
	if err != nil {
		return nil, err
	}
	b, err := custody.Prompt("the same again: ")
	if err != nil {
		clear(a)
		return nil, err
	}
	defer clear(b)
	if !bytes.Equal(a, b) {
		clear(a)
		return nil, errors.New("the two PINs differ; nothing was done")
	}
	return a, nil
}

// mayWipe looks what would be destroyed, and asks.
func (i *initialise) mayWipe(ctx context.Context) error {
	there := i.there()
	if there == nil {
		return nil
	}
	what := i.holds(ctx)
	if what == "" || i.force {
		return nil
	}
	fmt.Fprintf(i.out, "token  %s %s\nEverything in it is destroyed for good: members of the groups that it serves will lose their keys.\nType its label to wipe it: ", there.URI, what)
	typed, err := bufio.NewReader(i.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if strings.TrimSpace(typed) != there.URI.Token {
		fmt.Fprintln(i.out)
		return fmt.Errorf("the token %s has keys and was not wiped: what was typed is not its label (--force wipes it without asking)", there.URI.Token)
	}
	return nil
}

// holds says what a token has; empty: nothing. One that nobody can look into may have anything.
func (i *initialise) holds(ctx context.Context) string {
	h, err := i.open(ctx)
	if err != nil {
		return fmt.Sprintf("cannot be looked into (%v)", err)
	}
	defer h.Close()
	keys, err := h.Inventory(ctx)
	switch {
	case err != nil:
		return fmt.Sprintf("cannot be looked into (%v)", err)
	case len(keys) == 0:
		return ""
	}
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
	}
	const shown = 8
	if more := len(names) - shown; more > 0 {
		names = append(names[:shown], fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("has %s: %s", plural(len(keys), "key"), strings.Join(names, ", "))
}

// keys makes those that are missing. Of those that are there it is made sure that they are what they should be.
func (i *initialise) keys(ctx context.Context, h hsm.Token) error {
	there, err := h.Inventory(ctx)
	if err != nil {
		return err
	}
	missing := custody.Lacks(i.Keys, there)
	for _, k := range i.Keys {
		word := "is there"
		switch {
		case slices.ContainsFunc(missing, func(m custody.Key) bool { return m.Name == k.Name }):
			word = "was made"
		case !slices.ContainsFunc(there, func(t hsm.KeyInfo) bool { return t.Name == k.Name }) && !strings.HasPrefix(k.Name, "pkcs11:"):
			fmt.Fprintf(i.out, "key    %-20s was rotated; another has taken its place (%s)\n", k.Name, k.For)
			continue
		}
		if err := h.Ensure(ctx, k.Name, k.Spec); err != nil {
			return fmt.Errorf("key %s, for %s: %w", k.Name, k.For, err)
		}
		fmt.Fprintf(i.out, "key    %-20s %-22s %s (%s)\n", k.Name, k.Spec, word, k.For)
	}
	return nil
}

// next says what is left to do.
func (i *initialise) next(h hsm.Token) error {
	bad := 0
	for _, f := range h.Info().Findings {
		if f.Verdict == hsm.Wrong || f.Verdict == hsm.Missing {
			bad++
		}
	}
	if bad > 0 {
		fmt.Fprintf(i.out, "probe  %s not used, because the token lacks or fails it; 'hsm status' says which\n", plural(bad, "mechanism"))
	}
	fmt.Fprintln(i.out, "\nNext:")
	if i.early != nil {
		_, err := fmt.Fprintf(i.out, "  - %[1]s hsm request --config %[2]s, and have the certificate issued; until then the daemon cannot start:\n%[3]v\n", i.daemon, i.Common.File, i.early)
		return err
	}
	if i.token() {
		fmt.Fprintln(i.out, "  - keep the security officer's PIN away from this machine: it wipes the token, and nothing else needs it")
	}
	_, err := fmt.Fprintf(i.out, "  - %[1]s hsm selftest --config %[2]s\n  - %[1]s --config %[2]s --check-config, and start it\n", i.daemon, i.Common.File)
	return err
}
