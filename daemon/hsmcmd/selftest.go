package hsmcmd

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/process"
	"github.com/getvpn/getvpn/hsm"
)

// Report is what "hsm selftest --json" prints.
type Report struct {
	OK       bool                     `json:"ok"`
	Token    string                   `json:"token"`
	Findings []control.CustodyFinding `json:"findings"` // of the probe with known vectors
	Parts    []Part                   `json:"parts"`
}

// Part is one thing that was tried.
type Part struct {
	Part    string `json:"part"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
}

func (s Spec) selftest() *cobra.Command {
	var asJSON bool
	cmd := s.verb("selftest", "Try the token: known vectors, and every use of keys, compared with what this program computes", func(cmd *cobra.Command, t *Target) error {
		h, err := t.open(cmd.Context())
		if err != nil {
			return err
		}
		defer h.Close()
		info := custody.Describe(h.Info(), nil)
		r := &Report{Token: info.URI, Findings: info.Findings, Parts: []Part{}}
		out := cmd.OutOrStdout()
		if !asJSON {
			fmt.Fprintf(out, "token  %s\n", info.URI)
			for _, f := range r.Findings {
				fmt.Fprintf(out, "probe  %-34s %-8s %s\n", f.Mechanism, f.Verdict, f.Detail)
			}
		}
		err = hsm.Selftest(cmd.Context(), h, func(part string, err error) {
			p, word := Part{Part: part, OK: err == nil}, "works"
			if err != nil {
				p.Problem, word = err.Error(), "FAILS"
			}
			r.Parts = append(r.Parts, p)
			if !asJSON {
				fmt.Fprintf(out, "try    %-34s %-8s %s\n", part, word, p.Problem)
			}
		})
		if r.OK = err == nil; asJSON {
			if err := process.PrintJSON(out, r); err != nil {
				return err
			}
		}
		if !r.OK && errors.Is(err, hsm.ErrUnavailable) {
			return err // it went away
		}
		return process.Checked(r.OK)
	})
	cmd.Long = "Keys named getvpn-selftest-… are made in the token and removed again; those that are there are not touched. A running daemon\nis not disturbed.\n\nExit codes: 0 all works, 1 something does not, 3 the token cannot be asked."
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
