package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// labSocket is where the lab itself is steered, for the user who brought it up.
const labSocket = "sim.sock"

// What time can be asked to do.
const (
	TimeShow  = "show"
	TimePause = "pause"
	TimeRun   = "run"
	TimeStep  = "step"
	TimeBack  = "back"
	TimeGoto  = "goto"
	TimeFork  = "fork"
)

// TimeRequest is one of them.
type TimeRequest struct {
	Do    string        `json:"do"`
	Speed float64       `json:"speed,omitempty"` // run: times the wall clock; 0: once
	By    time.Duration `json:"by,omitempty"`    // step: by a time, or to the next event for 0; back
	To    time.Duration `json:"to,omitempty"`    // goto
	Name  string        `json:"name,omitempty"`  // fork: of the new lab
}

// TimeStatus is where a run is.
type TimeStatus struct {
	Now    time.Duration `json:"now"`          // since the beginning of the run
	Wall   time.Time     `json:"wall"`         // what the nodes' calendars say
	Speed  float64       `json:"speed"`        // 0: it stands still
	To     time.Duration `json:"to,omitempty"` // where it is on its way to
	Behind bool          `json:"behind,omitempty"`
	Events uint64        `json:"events"` // of the run, so far
	Hash   string        `json:"hash"`   // of everything that has happened
	Orders int           `json:"orders"` // given so far
	Ahead  int           `json:"ahead"`  // that are carried out again later
	Broken []string      `json:"broken,omitempty"`
	Failed string        `json:"failed,omitempty"`
	Said   string        `json:"said,omitempty"` // what the step was
	Forked string        `json:"forked,omitempty"`
}

// Reply answers on the lab's socket.
type Reply struct {
	Text  string      `json:"text,omitempty"`
	Error string      `json:"error,omitempty"`
	Flows *FlowsReply `json:"flows,omitempty"`
	Time  *TimeStatus `json:"time,omitempty"`
}

// listenLab opens the lab's socket.
func (s *Server) listenLab() (serve func() error, stop func(), err error) {
	path := filepath.Join(s.dir, labSocket)
	l, err := control.Listen(path)
	if err != nil {
		return nil, nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /order", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context, o Order) (Reply, error) {
			text, err := s.order(ctx, o)
			if err != nil {
				return Reply{}, err
			}
			t, err := s.Time(ctx, TimeRequest{Do: TimeShow}) // carrying it out may have taken some
			return Reply{Text: text, Time: t}, err
		})
	})
	mux.HandleFunc("POST /flows", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context, q FlowsRequest) (Reply, error) {
			f, err := s.Flows(ctx, q)
			return Reply{Flows: f}, err
		})
	})
	mux.HandleFunc("POST /time", func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, func(ctx context.Context, q TimeRequest) (Reply, error) {
			t, err := s.Time(ctx, q)
			return Reply{Time: t}, err
		})
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	return func() error { return server.Serve(l) }, func() { _ = server.Close() }, nil
}

func answer[T any](w http.ResponseWriter, r *http.Request, f func(context.Context, T) (Reply, error)) {
	var q T
	status := http.StatusOK
	reply, err := Reply{}, json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&q)
	if err == nil {
		reply, err = f(r.Context(), q)
	}
	if err != nil {
		status, reply = http.StatusBadRequest, Reply{Error: err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(reply)
}

// Time does something to time and says where the run is then. When ctx ends, time goes no further.
func (s *Server) Time(ctx context.Context, q TimeRequest) (out *TimeStatus, err error) {
	var on *trip
	cerr := s.call(ctx, func() {
		said, was := "", s.trip
		switch {
		case s.trip != nil && q.Do == TimePause:
			s.arrive(fmt.Errorf("time was stopped on its way to %v", s.trip.to))
		case s.trip != nil && q.Do != TimeShow:
			err = errors.New(s.trip.String())
		case s.failed != nil && q.Do != TimeShow && q.Do != TimeBack && q.Do != TimeGoto:
			err = s.failed
		default:
			said, err = s.time(q)
		}
		if s.trip != was {
			on = s.trip
		}
		out = s.status()
		out.Said = said
	})
	if err = errors.Join(err, cerr); err != nil || on == nil {
		return out, err
	}
	select {
	case <-on.done:
		return on.out, on.err
	case <-s.ended:
		return nil, errEnding
	case <-ctx.Done():
		_ = s.call(context.WithoutCancel(ctx), func() {
			if s.trip == on {
				s.arrive(ctx.Err())
			}
		})
		return nil, ctx.Err()
	}
}

func (s *Server) time(q TimeRequest) (said string, err error) {
	now := s.run.Now()
	switch q.Do {
	case TimeShow:
	case TimePause:
		s.pace.set(0, now)
	case TimeRun:
		if q.Speed == 0 {
			q.Speed = 1
		}
		if q.Speed < 0.001 || q.Speed > MaxSpeed {
			return "", fmt.Errorf("a speed of %g: from 0.001 to %d times the wall clock", q.Speed, MaxSpeed)
		}
		s.pace.set(q.Speed, now)
	case TimeStep:
		s.pace.set(0, now)
		if q.By < 0 {
			return "", fmt.Errorf("a step of %v: time goes back with back %v", q.By, -q.By)
		}
		if q.By > 0 {
			return "", s.travel(now + min(q.By, 2*maxTrip)) // a sum that is too large for a time is too far, too
		}
		_, err = s.step(func() (bool, error) {
			var err error
			said, err = s.run.StepEvent(now + time.Hour)
			return true, err
		})
		s.pace.set(0, s.run.Now())
	case TimeBack:
		if q.By <= 0 {
			return "", fmt.Errorf("back by %v: say how far, as in back 30s", q.By)
		}
		return "", s.travel(max(0, now-q.By))
	case TimeGoto:
		if q.To < 0 {
			return "", fmt.Errorf("there is no time %v: a run begins at 0", q.To)
		}
		return "", s.travel(q.To)
	case TimeFork:
		return s.forkTo(q.Name)
	default:
		return "", fmt.Errorf("time %q: there is show, pause, run, step, back, goto and fork", q.Do)
	}
	return said, err
}

// maxTrip is how far time goes on at once: who asks for more has most likely mistaken the unit.
const maxTrip = 7 * 24 * time.Hour

// trip is time on its way to where somebody sent it. It goes there in slices, so that consoles are answered meanwhile.
type trip struct {
	from, to time.Duration
	back     bool          // the run is played again from its beginning
	done     chan struct{} // closed when it has ended, with what follows
	out      *TimeStatus
	err      error
}

// String says why nothing else can be done meanwhile.
func (t *trip) String() string {
	return fmt.Sprintf("time is on its way to %v; getvpn-lab time pause stops it", t.to)
}

// travel sets out to a time, to stand still there.
func (s *Server) travel(to time.Duration) error {
	from := s.run.Now()
	if to-from > maxTrip {
		return fmt.Errorf("time goes on by %v at most at once, and now it is %v", maxTrip, from)
	}
	s.pace.set(0, from)
	back := s.failed != nil || to < from
	if back { // what broke off cannot go on as it is
		s.failed = nil
		s.back++
		_ = s.guard(func() { _ = s.state().Write() }) // consoles that lose all daemons at once find out why; who does not is told by their pids
		if _, err := s.step(func() (bool, error) { s.run.begin(); return true, nil }); err != nil {
			return err
		}
	}
	s.trip = &trip{from: from, to: to, back: back, done: make(chan struct{})}
	return nil
}

// proceed goes on with a trip.
func (s *Server) proceed() {
	there, err := s.step(func() (bool, error) { return s.run.Advance(s.trip.to, slice) })
	if there || err != nil {
		s.arrive(err)
	}
}

// arrive ends a trip where it is.
func (s *Server) arrive(err error) {
	t, now := s.trip, s.run.Now()
	s.trip = nil
	s.pace.set(0, now)
	if s.failed == nil && now < t.from {
		s.tell("", EventBack, machine.Warning, fmt.Sprintf("time was turned back by %v; %d orders of later are carried out again, until another is given", t.from-now, s.run.Ahead()))
	}
	t.err = errors.Join(err, s.guard(func() { t.out = s.status() }))
	_ = s.sync() // as in call
	close(t.done)
}

// EventBack is the event that says that time was turned back.
const EventBack = "time-turned-back"

func (s *Server) status() *TimeStatus {
	hash := s.run.s.TraceHash()
	out := &TimeStatus{
		Now: s.run.Now(), Wall: s.run.s.Wall(), Speed: s.pace.speed, Behind: s.behind && s.pace.speed > 0, Events: s.run.s.Done(), Hash: fmt.Sprintf("%x", hash[:8]),
		Orders: s.run.next, Ahead: s.run.Ahead(), Forked: s.plan.Forked,
	}
	if s.trip != nil {
		out.To = s.trip.to
	}
	for _, v := range s.run.s.Check.Violations() {
		out.Broken = append(out.Broken, v.String())
	}
	if s.failed != nil {
		out.Failed = s.failed.Error()
	}
	return out
}
