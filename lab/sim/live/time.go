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
	Now    time.Duration `json:"now"`   // since the beginning of the run
	Wall   time.Time     `json:"wall"`  // what the nodes' calendars say
	Speed  float64       `json:"speed"` // 0: it stands still
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
			return Reply{Text: text}, err
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

// Time does something to time and says where the run is then.
func (s *Server) Time(ctx context.Context, q TimeRequest) (out *TimeStatus, err error) {
	cerr := s.call(ctx, func() {
		said := ""
		if s.failed != nil && q.Do != TimeShow && q.Do != TimeBack && q.Do != TimeGoto {
			err = s.failed
		} else {
			said, err = s.time(q)
		}
		out = s.status()
		out.Said = said
	})
	return out, errors.Join(err, cerr)
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
		_, err = s.step(func() (bool, error) {
			if q.By > 0 {
				return true, s.run.Goto(now + q.By)
			}
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

// travel goes to a time and stands still there.
func (s *Server) travel(to time.Duration) error {
	from := s.run.Now()
	s.failed = nil
	if to < from {
		s.back++
	}
	_, err := s.step(func() (bool, error) { return true, s.run.Goto(to) })
	s.pace.set(0, s.run.Now())
	if err == nil && to < from {
		s.tell("", EventBack, machine.Warning, fmt.Sprintf("time was turned back by %v; %d orders of later are carried out again, until another is given", from-to, s.run.Ahead()))
	}
	return err
}

// EventBack is the event that says that time was turned back.
const EventBack = "time-turned-back"

func (s *Server) status() *TimeStatus {
	hash := s.run.s.TraceHash()
	out := &TimeStatus{
		Now: s.run.Now(), Wall: s.run.s.Wall(), Speed: s.pace.speed, Behind: s.behind && s.pace.speed > 0, Events: s.run.s.Done(), Hash: fmt.Sprintf("%x", hash[:8]),
		Orders: s.run.next, Ahead: s.run.Ahead(), Forked: s.plan.Forked,
	}
	for _, v := range s.run.s.Check.Violations() {
		out.Broken = append(out.Broken, v.String())
	}
	if s.failed != nil {
		out.Failed = s.failed.Error()
	}
	return out
}
