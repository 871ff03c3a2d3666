package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/metrics"
	"strconv"
	"sync"
	"time"
)

// Limits of the server; none is for operators.
const (
	maxBody        = 64 << 10
	maxHeader      = 16 << 10
	maxConns       = 128
	requestTimeout = 10 * time.Second
	snapshotAge    = 100 * time.Millisecond // a snapshot so young serves further readers
	watchInterval  = time.Second
	watchHurry     = 150 * time.Millisecond // from an event that changes much to the snapshot that shows it
	writeTimeout   = 10 * time.Second       // of an answer, or one line of a watch stream; a reader slower than this is cut off
	eventBatch     = 256
)

// ErrRefused marks an error of a Handler as the caller's fault (400), not the daemon's (500).
var ErrRefused = errors.New("refused")

// Refused is an ErrRefused that says text and nothing else.
func Refused(text string) error { return refusal(text) }

type refusal string

func (r refusal) Error() string        { return string(r) }
func (r refusal) Is(target error) bool { return target == ErrRefused }

// Handlers is what a daemon offers. Those that are nil do not exist for its role. Each returns one sentence about
// what it did.
type Handlers struct {
	Snapshot     func(context.Context) (*Snapshot, error)
	Rekey        func(context.Context, RekeyRequest) (string, error)
	ClearMember  func(context.Context, ClearMemberRequest) (string, error)
	ClearMembers func(context.Context, ClearMembersRequest) (string, error)
	RemoveMember func(context.Context, RemoveMemberRequest) (string, error)
	Readmit      func(context.Context, ReadmitRequest) (string, error)
	Reregister   func(context.Context, ReregisterRequest) (string, error)
	Plan         func(context.Context, PlanRequest) (*Plan, error)
	Apply        func(context.Context, PlanRequest) (*Plan, error)
	Handover     func(context.Context, HandoverRequest) (string, error)
	Rotate       func(context.Context, RotateRequest) (string, error)
	Stop         func(context.Context) (string, error)
	// DryRun gets the request of any of the changes above, and says what would be done, or refuses it as the change would.
	// It changes nothing.
	DryRun func(ctx context.Context, request any) (Reply, error)
	// Fresh has every question for a snapshot make a new one: that of a moment ago is of another time where time is not that on the wall.
	Fresh bool
}

// Server answers on the control socket.
type Server struct {
	h       Handlers
	journal *Journal
	http    http.Server
	closing chan struct{}
	done    answers

	mu   sync.Mutex
	snap *Snapshot
	text []byte // snap as JSON
	at   time.Time
}

// NewServer returns a server that Serve will run.
func NewServer(h Handlers, j *Journal) *Server {
	s := &Server{h: h, journal: j, closing: make(chan struct{})}
	mux := http.NewServeMux()
	for _, r := range Routes() {
		mux.HandleFunc(r.Method+" "+r.Path, r.handler(s))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fail(w, http.StatusNotFound, fmt.Sprintf("no %s %s here; GET /v1/openapi.json describes what there is", r.Method, r.URL.Path))
	})
	s.http = http.Server{
		Handler: mux, ConnContext: withPeer, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: requestTimeout, ReadTimeout: requestTimeout, IdleTimeout: time.Minute,
	}
	return s
}

// Serve answers until Close.
func (s *Server) Serve(l net.Listener) error {
	if err := s.http.Serve(&listener{l, make(chan struct{}, maxConns)}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control: %w", err)
	}
	return nil
}

// Close ends watch streams, lets requests under way finish until ctx ends, and removes the socket.
func (s *Server) Close(ctx context.Context) error {
	close(s.closing)
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

func answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written as JSON"}`)
	}
	send(w, status, append(text, '\n'))
}

// send writes an answer. A caller that does not read it holds a connection, of which there are few, no longer than
// writeTimeout.
func send(w http.ResponseWriter, status int, text []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func fail(w http.ResponseWriter, status int, text string) { answer(w, status, Reply{Error: text}) }

// Snapshot is the state of the daemon as callers see it, for others in the process than those.
func (s *Server) Snapshot(ctx context.Context) (*Snapshot, error) {
	snap, _, err := s.snapshot(ctx)
	return snap, err
}

// snapshot returns a snapshot that is not older than snapshotAge nor than the last event, as JSON too: who has seen an event
// sees what it speaks of.
func (s *Server) snapshot(ctx context.Context) (*Snapshot, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.h.Fresh && s.snap != nil && s.snap.LastSeq == s.journal.Last() && time.Since(s.at) < snapshotAge {
		return s.snap, s.text, nil
	}
	snap, err := s.h.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	snap.Process = process()
	text, err := json.Marshal(snap)
	if err != nil {
		return nil, nil, err
	}
	s.snap, s.text, s.at = snap, text, time.Now()
	return snap, text, nil
}

func (s *Server) getSnapshot(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	_, text, err := s.snapshot(ctx)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, http.StatusOK, json.RawMessage(text))
}

func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) {
	since, err := uint64(0), error(nil)
	if q := r.Form.Get(querySince); q != "" {
		if since, err = strconv.ParseUint(q, 10, 64); err != nil {
			fail(w, http.StatusBadRequest, "since must be a number, as in /v1/events?since=17")
			return
		}
	}
	events := s.journal.Since(since, JournalSize)
	if events == nil {
		events = []Event{}
	}
	answer(w, http.StatusOK, events)
}

// process reads the runtime's own counters, which stops nothing.
func process() Process {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/sched/goroutines:goroutines"}}
	metrics.Read(s)
	return Process{HeapLive: s[0].Value.Uint64(), Goroutines: int(s[1].Value.Uint64())} //nolint:gosec // a few dozen
}

// unchanged compares snapshots but for the time at which they were taken and the process's own figures.
func unchanged(a, b *Snapshot) bool {
	if a == nil || b == nil {
		return false
	}
	x, y := *a, *b
	x.Time, y.Time = time.Time{}, time.Time{}
	x.Process, y.Process = Process{}, Process{}
	tx, errx := json.Marshal(&x)
	ty, erry := json.Marshal(&y)
	return errx == nil && erry == nil && bytes.Equal(tx, ty)
}
