package control

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// APIVersion is that of the interface (Versions.API).
const APIVersion = "1.1"

// Route is one thing that a daemon can be asked for.
type Route struct {
	Method, Path string
	Summary      string
	For          string   // the role of the daemons that have it; empty: both
	Change       bool     // only operators may, as a dry run too, and with an idempotency key
	Operator     bool     // only operators may
	Query        []string // names of the parameters that it takes
	Body, Answer any      // of these types; nil Body: it takes none; nil Answer: any JSON
	Stream       bool     // it answers with one Answer a line, until the caller ends it

	offered func(*Handlers) bool // nil: always
	serve   func(*Server, http.ResponseWriter, *http.Request)
}

// Names of query parameters.
const (
	querySince  = "since"
	queryDryRun = "dry_run"
)

// Routes lists all that a daemon can be asked for.
func Routes() []Route {
	return []Route{
		get("/v1/snapshot", "The daemon's state now.", Snapshot{}, (*Server).getSnapshot),
		watch("/v1/watch", "A snapshot, then events as they happen, and a fresh snapshot when something changed: once a second at most, and soon after an event of cooperating key servers (coop-...).", Watch{}, (*Server).getWatch),
		get("/v1/events", "The journal's tail, oldest first: events with a number greater than since.", []Event{}, (*Server).getEvents, querySince),
		get("/v1/whoami", "Who the daemon takes the caller for, and what the caller may do.", Whoami{}, (*Server).getWhoami),
		get("/v1/version", "Versions of this interface and of the program.", Versions{}, getVersion),
		get("/v1/openapi.json", "This description.", nil, getDocument),
		sentence("/v1/rekey", RoleKeyServer, "Make new keys now, through an ordinary rollover.",
			func(h *Handlers) func(context.Context, RekeyRequest) (string, error) { return h.Rekey }),
		sentence("/v1/clear-member", RoleKeyServer, "Take a member off the list; it must register again.",
			func(h *Handlers) func(context.Context, ClearMemberRequest) (string, error) { return h.ClearMember }),
		sentence("/v1/clear-members", RoleKeyServer, "Make all members of a group register again.",
			func(h *Handlers) func(context.Context, ClearMembersRequest) (string, error) { return h.ClearMembers }),
		sentence("/v1/remove-member", RoleKeyServer, "Exclude members from a group, and give all others keys that the excluded cannot have.",
			func(h *Handlers) func(context.Context, RemoveMemberRequest) (string, error) { return h.RemoveMember }),
		sentence("/v1/readmit", RoleKeyServer, "Let a removed member register again.",
			func(h *Handlers) func(context.Context, ReadmitRequest) (string, error) { return h.Readmit }),
		sentence("/v1/handover", RoleKeyServer, "Let another key server be primary of a group.",
			func(h *Handlers) func(context.Context, HandoverRequest) (string, error) { return h.Handover }),
		sentence("/v1/rotate", RoleKeyServer, "Give a group a new signature key.",
			func(h *Handlers) func(context.Context, RotateRequest) (string, error) { return h.Rotate }),
		sentence("/v1/reregister", RoleGroupMember, "Register again now, keeping the keys until then.",
			func(h *Handlers) func(context.Context, ReregisterRequest) (string, error) { return h.Reregister }),
		plan("/v1/plan", "Say what the configuration file, read again, would change.",
			func(h *Handlers) func(context.Context, PlanRequest) (*Plan, error) { return h.Plan }).looking(),
		plan("/v1/apply", "Read the configuration file again, and change what can change.",
			func(h *Handlers) func(context.Context, PlanRequest) (*Plan, error) { return h.Apply }),
		sentence("/v1/stop", "", "End in order.", func(h *Handlers) func(context.Context, StopRequest) (string, error) {
			if h.Stop == nil {
				return nil
			}
			return func(ctx context.Context, _ StopRequest) (string, error) { return h.Stop(ctx) }
		}),
	}
}

// Name is the last part of the path: rekey of /v1/rekey.
func (r *Route) Name() string { return r.Path[strings.LastIndexByte(r.Path, '/')+1:] }

func get(path, summary string, answer any, serve func(*Server, http.ResponseWriter, *http.Request), query ...string) Route {
	return Route{Method: http.MethodGet, Path: path, Summary: summary, Answer: answer, Query: query, serve: serve}
}

func watch(path, summary string, answer any, serve func(*Server, http.ResponseWriter, *http.Request)) Route {
	r := get(path, summary, answer, serve)
	r.Stream = true
	return r
}

// sentence is a change that answers with a sentence.
func sentence[T any](path, role, summary string, of func(*Handlers) func(context.Context, T) (string, error)) Route {
	return change(path, role, summary, func(h *Handlers) func(context.Context, T) (Reply, error) {
		f := of(h)
		if f == nil {
			return nil
		}
		return func(ctx context.Context, req T) (Reply, error) {
			text, err := f(ctx, req)
			return Reply{Text: text}, err
		}
	})
}

// plan is a change that answers with a plan.
func plan(path, summary string, of func(*Handlers) func(context.Context, PlanRequest) (*Plan, error)) Route {
	return change(path, RoleKeyServer, summary, func(h *Handlers) func(context.Context, PlanRequest) (Reply, error) {
		f := of(h)
		if f == nil {
			return nil
		}
		return func(ctx context.Context, req PlanRequest) (Reply, error) {
			p, err := f(ctx, req)
			if err != nil {
				return Reply{}, err
			}
			return Reply{Text: p.Summary(), Plan: p}, nil
		}
	})
}

func change[T any](path, role, summary string, of func(*Handlers) func(context.Context, T) (Reply, error)) Route {
	return Route{
		Method: http.MethodPost, Path: path, Summary: summary, For: role, Change: true, Operator: true, Query: []string{queryDryRun},
		Body: *new(T), Answer: Reply{},
		offered: func(h *Handlers) bool { return of(h) != nil },
		serve:   func(s *Server, w http.ResponseWriter, r *http.Request) { command(s, w, r, of(&s.h)) },
	}
}

// looking is a route that is asked as a change is and changes nothing. It is answered anew each time: consoles look again and
// again, and would take the places of changes.
func (r Route) looking() Route {
	serve := r.serve
	r.Change, r.Query = false, nil
	r.serve = func(s *Server, w http.ResponseWriter, q *http.Request) {
		q.Header.Del(IdempotencyKey) // clients of before sent one
		serve(s, w, q)
	}
	return r
}

// handler refuses what the route is not for. A parameter that nobody knows is refused: with a slip of the pen in dry_run a
// change would be done. So is a query that cannot be read: URL.Query leaves out what it does not understand, dry_run with it. What
// was read is in the request's Form, and what serves the route looks there.
func (r *Route) handler(s *Server) http.HandlerFunc {
	route := *r
	return func(w http.ResponseWriter, q *http.Request) {
		switch {
		case route.Operator && !operator(q.Context()):
			fail(w, http.StatusForbidden, "only root and the daemon's own user may command; you may look on")
			return
		case route.offered != nil && !route.offered(&s.h):
			fail(w, http.StatusNotFound, q.URL.Path+" is not for this kind of daemon: "+whose())
			return
		}
		values, err := url.ParseQuery(q.URL.RawQuery)
		if err != nil {
			fail(w, http.StatusBadRequest, fmt.Sprintf("the query %q cannot be read: %v; nothing was done", q.URL.RawQuery, err))
			return
		}
		for name := range values {
			if !slices.Contains(route.Query, name) {
				fail(w, http.StatusBadRequest, fmt.Sprintf("%s has no parameter %q; %s", q.URL.Path, name, known(route.Query)))
				return
			}
		}
		q.Form = values
		route.serve(s, w, q)
	}
}

func known(query []string) string {
	if len(query) == 0 {
		return "it takes none"
	}
	return "it takes " + strings.Join(query, ", ")
}

// whose says which commands go to which kind of daemon.
func whose() string {
	of := map[string][]string{}
	for _, r := range Routes() {
		of[r.For] = append(of[r.For], r.Name())
	}
	return fmt.Sprintf("%s go to a key server, %s to a group member", strings.Join(of[RoleKeyServer], ", "), strings.Join(of[RoleGroupMember], ", "))
}
