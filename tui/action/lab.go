package action

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/getvpn/getvpn/tui/source"
)

// ErrNoLab is returned for lab actions on a console that is not attached to a lab.
var ErrNoLab = errors.New("only the nodes and the network of a lab can be handled from here: attach with --lab NAME")

// courseBound is how long a lab may take to be graded, or to begin again: that measures, and starts daemons.
const courseBound = 5 * time.Minute

// Lab has getvpn-lab do something to a running lab, and returns what it said, in a sentence.
func Lab(ctx context.Context, lab string, args ...string) (string, error) {
	out, err := runLab(ctx, bound, lab, args...)
	return sentence(out), err
}

// sentence makes one of lines.
func sentence(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ") }

// runLab runs getvpn-lab and returns what it printed. What it says of a failure is the error.
func runLab(ctx context.Context, bound time.Duration, lab string, args ...string) (string, error) {
	if lab == "" {
		return "", ErrNoLab
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, labBinary(), append(args, "--lab", lab)...) //nolint:gosec // our own program, and what an operator has named
	cmd.Env = append(os.Environ(), "GETVPN_LAB_BY="+who())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		why := sentence(strings.TrimPrefix(errs.String(), "getvpn-lab: "))
		switch {
		case ctx.Err() != nil:
			why = "it had not ended after " + bound.String()
		case why == "":
			why = err.Error()
		}
		return out.String(), fmt.Errorf("getvpn-lab %s: %s", strings.Join(args, " "), why)
	}
	return out.String(), nil
}

// who says to the lab who breaks it.
func who() string {
	if user := os.Getenv("SUDO_USER"); user != "" {
		return "the console of " + user
	}
	return "the console"
}

// Grade has the tasks of a lab looked at. Its result is there, too, if not all of them are solved, which is an error: scripts
// go by that.
func Grade(ctx context.Context, fleet *source.Fleet) (Result, error) {
	out, err := runLab(ctx, courseBound, fleet.Lab, "grade")
	r := Result{Text: strings.TrimSpace(out)}
	r.Brief = r.Text[strings.LastIndex(r.Text, "\n")+1:]
	if err != nil && r.Text != "" {
		err = errors.New("not solved yet: " + strings.TrimSpace(r.Brief))
	}
	return r, err
}

// ofCourse makes a verb's Run of a command of getvpn-lab whose answer is a text to be read.
func ofCourse(words ...string) func(context.Context, *source.Fleet, Call) (Result, error) {
	return func(ctx context.Context, f *source.Fleet, c Call) (Result, error) {
		all := append(slices.Clone(words), c.Args...)
		if c.On("do") {
			all = append(all, "--do")
		}
		out, err := runLab(ctx, courseBound, f.Lab, all...)
		return Result{Text: strings.TrimSpace(out)}, err
	}
}

// labBinary finds getvpn-lab: where GETVPN_LAB says, else beside this program, else on the PATH.
func labBinary() string {
	if p := os.Getenv("GETVPN_LAB"); p != "" {
		return p
	}
	if self, err := os.Executable(); err == nil {
		p := filepath.Join(filepath.Dir(self), "getvpn-lab")
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return "getvpn-lab"
}
