package hsmcmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/process"
)

// Status is what "hsm status --json" prints.
type Status struct {
	Source  string           `json:"source"` // who told: "daemon", or "token" when none runs
	Custody *control.Custody `json:"custody"`
	// Missing are keys that the configuration names and the custody lacks.
	Missing []string `json:"missing"`
}

// Where a Status is from.
const (
	fromDaemon = "daemon"
	fromToken  = "token"
)

func (s Spec) status() *cobra.Command {
	var asJSON, direct bool
	cmd := s.verb("status", "Say how the token is, and which keys it has", func(cmd *cobra.Command, t *Target) error {
		st, err := t.status(cmd.Context(), direct)
		if err != nil {
			return err
		}
		if asJSON {
			err = process.PrintJSON(cmd.OutOrStdout(), st)
		} else {
			_, err = fmt.Fprint(cmd.OutOrStdout(), st)
		}
		if err != nil {
			return err
		}
		return process.Checked(st.Custody.Ready && len(st.Custody.Degraded) == 0 && len(st.Missing) == 0)
	})
	cmd.Long = "Asks the running daemon; when none runs, or with --direct, the token itself is opened and probed.\n\nExit codes: 0 all is well, 1 something is wrong or missing, 3 neither daemon nor token can be asked."
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&direct, "direct", false, "open the token beside a running daemon")
	return cmd
}

func (t *Target) status(ctx context.Context, direct bool) (*Status, error) {
	if !direct {
		snap, err := t.listed(ctx)
		if err == nil && snap.Custody == nil {
			return nil, errors.New("the running daemon has no custody: it is of another version, or of another configuration; use --direct")
		}
		if err == nil {
			st := &Status{Source: fromDaemon, Custody: snap.Custody, Missing: []string{}}
			for _, k := range t.Keys {
				if !st.has(k.Name) && !snap.Custody.KeysAt.IsZero() {
					st.Missing = append(st.Missing, k.Name)
				}
			}
			return st, nil
		}
	}
	h, err := t.open(ctx)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	keys, err := h.Inventory(ctx)
	if err != nil {
		return nil, err
	}
	st := &Status{Source: fromToken, Custody: custody.Describe(h.Info(), keys), Missing: []string{}}
	st.Custody.KeysAt = time.Now().UTC()
	custody.Degrade(st.Custody)
	for _, k := range custody.Lacks(t.Keys, keys) {
		st.Missing = append(st.Missing, k.Name)
	}
	return st, nil
}

// A daemon that has just started, or that nobody has asked for its keys, begins to list them when it is asked.
const (
	listPatience = 5 * time.Second
	listPause    = 200 * time.Millisecond
)

// listed is a snapshot of the daemon with the list of its keys, if that can be had.
func (t *Target) listed(ctx context.Context) (*control.Snapshot, error) {
	c := client.New(t.Common.Control)
	for end := time.Now().Add(listPatience); ; time.Sleep(listPause) {
		s, err := c.Snapshot(ctx)
		if err != nil || s.Custody == nil || !s.Custody.KeysAt.IsZero() || s.Custody.KeysProblem != "" || ctx.Err() != nil || time.Now().After(end) {
			return s, err
		}
	}
}

// has tells whether a key, or one that has taken its place, is in the inventory.
func (s *Status) has(name string) bool {
	return slices.ContainsFunc(s.Custody.Keys, func(k control.CustodyKey) bool { return custody.Serves(name, k.Name) })
}

func (s *Status) String() string {
	text := s.Custody.String()
	for _, k := range s.Missing {
		text += fmt.Sprintf("missing      %s: the configuration names it; 'hsm init' makes it\n", k)
	}
	if s.Source == fromToken {
		text += "no daemon was asked: this is what the token itself says\n"
	}
	return text
}
