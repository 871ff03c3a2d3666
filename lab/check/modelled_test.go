package check

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control/client"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// dying is a lab of virtual time whose simulator ends at a time, or stands still from then on.
type dying struct {
	Lab
	still
	end  time.Time
	hung chan bool // nil: it ends; else told of each time that it does not answer
	told int
}

func (l *dying) answer(ctx context.Context) error {
	if l.at.Before(l.end) {
		return nil
	}
	if l.hung != nil {
		select {
		case l.hung <- true:
		default:
		}
		<-ctx.Done()
		return ctx.Err()
	}
	return errors.New("the simulator does not answer")
}

func (l *dying) Broken(ctx context.Context) ([]string, error) { return nil, l.answer(ctx) }
func (l *dying) Control(string) *client.Client                { return client.New("/nobody") }
func (l *dying) Refuses([]string) error                       { return nil }

func (l *dying) StartFlows(ctx context.Context, _ []driver.Flow, _ int) (int, time.Duration, error) {
	return 1, time.Millisecond, l.answer(ctx)
}

func (l *dying) StopFlows(ctx context.Context, _ int) error { return l.answer(ctx) }

// FlowsSince says that every packet has arrived, encrypted.
func (l *dying) FlowsSince(ctx context.Context, _ int) ([][]driver.Packets, error) {
	n := int(l.at.Sub(time.Unix(0, 0))/(20*time.Millisecond)) - l.told
	l.told += n
	p := []driver.Packets{{Count: n, Arrived: true, Left: true, SPI: 1}}
	return [][]driver.Packets{p, p}, l.answer(ctx)
}

func dyingLab(t *testing.T, end time.Duration, hung chan bool) *Env {
	t.Helper()
	s := parse(t, small+`steps:
  - {check: lossless, pairs: all, rate: 50, do: [wait 1s]}
  - {check: core-only-esp}
  - {do: wait 1m}
  - {check: core-only-esp, name: afterwards}
`)
	l := &dying{still: still{at: time.Unix(0, 0)}, end: time.Unix(0, 0).Add(end), hung: hung}
	env := &Env{Lab: l, Scenario: s, Log: t.Logf}
	c, err := StartCapture(subject{l, s})
	if err != nil {
		t.Fatal(err)
	}
	env.Capture = c
	return env
}

// subject is a lab with its scenario.
type subject struct {
	*dying
	s *scenario.Scenario
}

func (l subject) Scenario() *scenario.Scenario { return l.s }

// What is made of the silence of a simulator that has ended is no measurement, whatever was counted before.
func TestSimulatorEnds(t *testing.T) {
	for _, c := range []struct {
		end  time.Duration
		want map[string]bool // and not measured otherwise
	}{
		{time.Hour, map[string]bool{"lossless": true, "core-only-esp": true, "afterwards": true, scenario.Invariants: true}},
		{30 * time.Second, map[string]bool{"lossless": true, "core-only-esp": true}},
		{2 * time.Second, map[string]bool{}},
	} {
		seen := 0
		Run(t.Context(), dyingLab(t, c.end, nil), func(r scenario.Result) {
			if seen++; r.OK != c.want[r.Name] || !r.OK && r.Value != scenario.NotMeasured {
				t.Errorf("end after %v: %s", c.end, r)
			}
		})
		if seen != 4 {
			t.Errorf("end after %v: %d results", c.end, seen)
		}
	}
}

// A run that somebody ends does not wait for a simulator that does not answer.
func TestSimulatorHangs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hung := make(chan bool, 1)
	env := dyingLab(t, 2*time.Second, hung)
	out, forget := outliving(ctx, 0)
	defer forget()
	done := make(chan bool)
	go func() {
		Run(ctx, env, func(scenario.Result) {})
		close(done)
	}()
	<-hung
	if out.Err() != nil {
		t.Error("it has ended before the run")
	}
	cancel()
	<-done
	<-out.Done()
}
