package main

import (
	"context"
	"errors"

	"github.com/getvpn/getvpn/lab/scenario"
)

// errInterrupted ends a run that somebody has ended.
var errInterrupted = errors.New(scenario.Interrupted)

// interrupted says so in place of all that failed because somebody has ended the run, which is no more than a consequence.
func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// verdict is the error of a run whose report has said everything.
func verdict(rep *scenario.Report) error {
	switch {
	case rep.OK:
		return nil
	case rep.Error == scenario.Interrupted:
		return errInterrupted
	case rep.Skipped != "":
		return errors.New("it was skipped, and so has proved nothing")
	}
	return errChecks
}

// errNotRun is what became of a run that was not begun when somebody ended all of them.
var errNotRun = errors.New("not run")

// interrupted says whether somebody has ended it.
func (o *one) interrupted() bool {
	return errors.Is(o.err, errInterrupted) || o.report != nil && o.report.Error == scenario.Interrupted
}
