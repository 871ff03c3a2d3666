package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/scenario"
)

// Virtual is a lab whose time goes only where its user sends it: a scenario's steps and checks happen at the same instants each time,
// and do not wait for the wall clock. What is ordered has been done when the order returns, however much time of the run that takes.
type Virtual struct{ *Lab }

// virtualEpoch is when all of them begin, so that calendars say the same each time.
var virtualEpoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// look asks for the time.
func (l *Virtual) look(ctx context.Context) error { return l.time(ctx, TimeRequest{Do: TimeShow}) }

func (l *Virtual) time(ctx context.Context, q TimeRequest) error {
	st, err := AskTime(ctx, l.name, q)
	if err == nil {
		l.note(st)
	}
	return err
}

// Now implements driver.Virtual, as all that follows.
func (l *Virtual) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at.Wall
}

func (l *Virtual) Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	return l.time(ctx, TimeRequest{Do: TimeStep, By: d})
}

func (l *Virtual) Broken(ctx context.Context) ([]string, error) {
	if err := l.look(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.Clone(l.at.Broken)
	if l.at.Failed != "" {
		out = append(out, l.at.Failed)
	}
	return out, nil
}

func (l *Virtual) Refuses(w []string) error {
	switch verb := w[0]; {
	case verb == "exec" && len(w) > 2 && forwards(w[2:]):
		return nil
	case verb == "exec":
		return driver.NoNetwork("nothing for exec")
	case verb == "wipe" && len(w) > 2 && !slices.Equal(w[2:], database):
		return driver.NoNetwork("disks with " + database[0] + " alone")
	case verb == "operator" && len(w) > 2 && w[2] == "rotate":
		return driver.NoNetwork("no new signature keys")
	}
	return nil
}

// forwards says whether a command makes a machine a router: the one that the model knows.
func forwards(argv []string) bool {
	return slices.Equal(argv, []string{"sysctl", "-qw", "net.ipv4.ip_forward=1"})
}

func (l *Virtual) Run(_ context.Context, node string, argv []string) (string, error) {
	if !forwards(argv) {
		return "", errNoNetwork
	}
	return "", l.order(Order{Verb: VerbForward, Node: node})
}

// Operate takes time of the run.
func (l *Virtual) Operate(ctx context.Context, node string, args []string) (string, error) {
	out, err := l.Lab.Operate(ctx, node, args)
	return out, errors.Join(err, l.look(ctx))
}

// WaitRegistered is that of every lab, in the time of the run.
func (l *Virtual) WaitRegistered(ctx context.Context, limit time.Duration) error {
	s, end := l.Scenario(), l.Now().Add(limit)
	for _, node := range s.Named(scenario.KindMember) {
		if n := s.Node(node); n.Program == "" || n.Manual {
			continue
		}
		for {
			ok, why := l.Registered(ctx, node)
			if ok {
				break
			}
			if l.Now().After(end) {
				return fmt.Errorf("%s has not registered within %s of simulated time: %s", node, limit, why)
			}
			if err := l.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle goes on until an order has been carried out: there is nobody else to let time pass.
func (s *Server) settle(o Order, answer chan gdoi.CommandResult) error {
	done := func() bool { return true }
	switch {
	case len(o.Body) > 0:
		done = func() bool { return len(answer) > 0 }
	case o.Verb == VerbStop:
		done = func() bool { return !s.run.s.Node(o.Node).Up() }
	}
	defer func() { s.pace.set(0, s.run.Now()) }()
	for end := s.run.Now() + answerTimeout; !done() && s.run.Now() < end; {
		if _, err := s.step(func() (bool, error) { return s.run.Advance(end, 1) }); err != nil {
			return err
		}
	}
	return nil
}
