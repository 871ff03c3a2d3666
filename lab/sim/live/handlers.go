package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/lab/sim"
)

// answerTimeout is how long an operator waits for a daemon's answer, by the wall clock.
const answerTimeout = 8 * time.Second

// handlers answer for a node as its daemon would.
func (s *Server) handlers(node string, ks bool) control.Handlers {
	h := control.Handlers{
		Fresh:    s.plan.Virtual,
		Snapshot: func(ctx context.Context) (*control.Snapshot, error) { return s.snapshot(ctx, node) },
		Stop: func(ctx context.Context) (string, error) {
			return s.order(ctx, Order{Verb: VerbStop, Node: node})
		},
		DryRun: func(ctx context.Context, request any) (control.Reply, error) { return s.dryRun(ctx, node, request) },
	}
	if !ks {
		h.Reregister = forward[control.ReregisterRequest](s, node, "reregister")
		return h
	}
	h.Rekey = forward[control.RekeyRequest](s, node, "rekey")
	h.ClearMember = forward[control.ClearMemberRequest](s, node, "clear-member")
	h.ClearMembers = forward[control.ClearMembersRequest](s, node, "clear-members")
	h.RemoveMember = forward[control.RemoveMemberRequest](s, node, "remove-member")
	h.Readmit = forward[control.ReadmitRequest](s, node, "readmit")
	h.Handover = forward[control.HandoverRequest](s, node, "handover")
	h.Plan = func(ctx context.Context, q control.PlanRequest) (*control.Plan, error) {
		return s.planned(ctx, node, q)
	}
	h.Apply = func(ctx context.Context, q control.PlanRequest) (*control.Plan, error) { return s.apply(ctx, node, q) }
	return h
}

// forward makes an order of a request.
func forward[T any](s *Server, node, verb string) func(context.Context, T) (string, error) {
	return func(ctx context.Context, q T) (string, error) {
		body, err := json.Marshal(q)
		if err != nil {
			return "", err
		}
		return s.order(ctx, Order{Verb: verb, Node: node, Body: body})
	}
}

// dryRun says what an order to a daemon would do, or refuses it as the daemon would now. The run does not know of it, and stays what
// it is when it is played again.
func (s *Server) dryRun(ctx context.Context, node string, request any) (out control.Reply, err error) {
	if q, ok := request.(control.PlanRequest); ok {
		q.Quiet = true
		p, err := s.planned(ctx, node, q)
		if err == nil && p.Refused() != "" {
			err = control.Refused(p.Refused())
		}
		if err != nil {
			return out, err
		}
		return control.Reply{Text: p.Summary(), Plan: p}, nil
	}
	ev, err := translate.Foreseen(request)
	if err != nil {
		return out, err
	}
	aerr := s.ask(ctx, node, func(n *sim.Node) {
		switch {
		case s.failed != nil:
			err = s.failed
		case s.trip != nil:
			err = control.Refused(s.trip.String())
		default:
			f, refused := n.Foresee(ev)
			if refused != nil {
				err = control.Refused(refused.Error())
			}
			out = control.Reply{Text: f.Text, Unforeseen: f.Unforeseen}
		}
	})
	return out, errors.Join(err, aerr)
}

// snapshot of a node.
func (s *Server) snapshot(ctx context.Context, node string) (out *control.Snapshot, err error) {
	err = s.ask(ctx, node, func(n *sim.Node) { out = s.look(n) })
	return out, err
}

// ask looks at a node that runs. One whose process is stopped answers when it goes on.
func (s *Server) ask(ctx context.Context, node string, look func(*sim.Node)) (err error) {
	for {
		var later chan struct{}
		cerr := s.call(ctx, func() {
			n := s.run.s.Node(node)
			switch {
			case !n.Up():
				err = errors.New("the daemon has ended")
			case n.Paused() && s.plan.Virtual && s.pace.speed == 0:
				err = errors.New("the daemon is stopped where it stands, and does not answer")
			case n.Paused():
				later = s.changed
			default:
				look(n)
			}
		})
		if err = errors.Join(err, cerr); err != nil || later == nil {
			return err
		}
		select {
		case <-later:
		case <-s.ended:
			return errEnding
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look is a node's snapshot. What is said about time changes while the run stands still, so that a console sees that the node is there.
func (s *Server) look(n *sim.Node) *control.Snapshot {
	x := n.Snapshot()
	x.PID += 1_000_000 * s.back // a daemon of before time was turned back is another one
	x.LastSeq = s.front(n).journal.Last()
	text := "simulated, at the speed of the wall clock"
	switch {
	case s.failed != nil:
		text = "simulated, and broken: " + s.failed.Error()
	case s.trip != nil:
		text = fmt.Sprintf("simulated: time is on its way to %v", s.trip.to)
	case s.pace.speed == 0:
		text = fmt.Sprintf("simulated: time stands still for %v; getvpn-lab time run goes on", s.pace.now().Sub(s.pace.wall).Round(time.Second))
	case s.pace.speed != 1:
		text = fmt.Sprintf("simulated, %g times as fast as the wall clock", s.pace.speed)
	}
	x.Warn = append([]string{text}, x.Warn[1:]...)
	return x
}

// order carries an order out now. One to a daemon waits for its answer, which takes time of the run.
func (s *Server) order(ctx context.Context, o Order) (string, error) {
	answer := make(chan gdoi.CommandResult, 1)
	var err error
	still := false
	cerr := s.call(ctx, func() {
		if s.failed != nil {
			err = s.failed
			return
		}
		if s.trip != nil { // it would make void what is still to be done again
			err = refusef("%v", s.trip)
			return
		}
		if len(o.Body) > 0 {
			s.waiting[s.run.next+1] = answer
		}
		_, serr := s.step(func() (bool, error) {
			_, err = s.run.Give(o)
			return true, nil
		})
		if err == nil && serr == nil && s.plan.Virtual && s.pace.speed == 0 {
			serr = s.settle(o, answer)
		}
		if err = errors.Join(err, serr); err == nil {
			err = s.plan.write(s.dir)
		}
		still = s.pace.speed == 0
	})
	if err = errors.Join(err, cerr); err != nil {
		if errors.Is(err, ErrOrder) {
			err = control.Refused(err.Error())
		}
		return "", err
	}
	if len(o.Body) == 0 {
		return o.String() + ": done", nil
	}
	if still {
		select {
		case a := <-answer:
			return said(a)
		default:
			return "ordered; time stands still, and it is done when that goes on", nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	select {
	case a := <-answer:
		return said(a)
	case <-ctx.Done():
		return "", fmt.Errorf("%s has not answered within %v", o.Node, answerTimeout)
	}
}

func said(a gdoi.CommandResult) (string, error) {
	if a.Err != "" {
		return "", control.Refused(a.Err)
	}
	return a.Text, nil
}
