package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// caller asks a server's mux without a socket, as a user of the machine.
type caller struct {
	s   *Server
	uid uint32
}

func (c caller) post(path, key, body string) *httptest.ResponseRecorder {
	return c.postUntil(context.Background(), path, key, body)
}

func (c caller) postUntil(ctx context.Context, path, key, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.WithValue(ctx, peerKey{}, syscall.Ucred{Uid: c.uid}), "POST", path, strings.NewReader(body))
	if key != "" {
		r.Header.Set(IdempotencyKey, key)
	}
	w := httptest.NewRecorder()
	c.s.http.Handler.ServeHTTP(w, r)
	return w
}

// counting is a server whose rekeys take a second and are counted.
func counting() (caller, *atomic.Int64) {
	n := new(atomic.Int64)
	return caller{s: NewServer(Handlers{
		Rekey: func(ctx context.Context, r RekeyRequest) (string, error) {
			if r.Group == "slow" { // heeds no deadline
				time.Sleep(2 * keepAnswers)
			}
			time.Sleep(time.Second)
			if r.Group != "slow" && ctx.Err() != nil {
				return "", ctx.Err()
			}
			if r.Group == "broken" {
				return "", errors.New("the disk is full")
			}
			return fmt.Sprintf("rekey %d of %s", n.Add(1), r.Group), nil
		},
		DryRun: func(_ context.Context, req any) (Reply, error) {
			return Reply{Text: fmt.Sprintf("would rekey %s, %d so far", req.(RekeyRequest).Group, n.Load())}, nil
		},
	}, new(Journal))}, n
}

func TestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := counting()
		first := c.post("/v1/rekey", "k1", `{"group":"blue"}`)
		for i, row := range []struct {
			path, key, body string
			status          int
			want            string
			again           bool
			done            int64
		}{
			{"/v1/rekey", "k1", `{"group":"blue"}`, 200, first.Body.String(), true, 1},
			{"/v1/rekey", "k1", ` {"kek":false, "group":"blue"}`, 200, first.Body.String(), true, 1}, // the same in other words
			{"/v1/rekey", "k1", `{"group":"red"}`, 422, "sent with another request", false, 1},
			{"/v1/rekey?dry_run=true", "k1", `{"group":"red"}`, 200, `{"text":"would rekey red, 1 so far","dry_run":true}`, false, 1},
			{"/v1/rekey", "k2", `{"group":"blue"}`, 200, "rekey 2 of blue", false, 2},
			{"/v1/rekey", "", `{"group":"blue"}`, 200, "rekey 3 of blue", false, 3},
			{"/v1/rekey", "k3", `{"group":"broken"}`, 500, "disk is full", false, 3},
			{"/v1/rekey", "k3", `{"group":"broken"}`, 500, "disk is full", true, 3},
			{"/v1/rekey", "k4", `{"grp":"blue"}`, 400, "unknown field", false, 3},
			{"/v1/rekey", "k4", `{"group":"blue"}`, 200, "rekey 4", false, 4}, // what was not understood was not carried out
			{"/v1/rekey", "two words", `{"group":"blue"}`, 400, "one word", false, 4},
			{"/v1/rekey", strings.Repeat("x", maxKey+1), `{"group":"blue"}`, 400, "one word", false, 4},
		} {
			w := c.post(row.path, row.key, row.body)
			if w.Code != row.status || !strings.Contains(w.Body.String(), row.want) || (w.Header().Get(Replayed) == "true") != row.again || n.Load() != row.done {
				t.Errorf("row %d: %d %s, again %q, %d done", i, w.Code, w.Body, w.Header().Get(Replayed), n.Load())
			}
		}
		time.Sleep(keepAnswers)
		if w := c.post("/v1/rekey", "k1", `{"group":"red"}`); w.Code != 200 || w.Header().Get(Replayed) != "" {
			t.Errorf("after %v: %d %s", keepAnswers, w.Code, w.Body)
		}
		if l := len(c.s.done.by); l != 1 {
			t.Errorf("%d and %d answers are kept, want 1", l, len(c.s.done.by))
		}
	})
}

// TestOnceUnderWay: a repeat waits for the first, which goes on although its caller has gone.
func TestOnceUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := counting()
		ctx, hangUp := context.WithCancel(t.Context())
		go c.postUntil(ctx, "/v1/rekey", "k", `{"group":"blue"}`)
		synctest.Wait()
		hangUp()
		begun := time.Now()
		w := c.post("/v1/rekey", "k", `{"group":"blue"}`)
		if took := time.Since(begun); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "rekey 1 of blue") || n.Load() != 1 || took != time.Second {
			t.Errorf("%d %s after %v, %d done", w.Code, w.Body, took, n.Load())
		}
	})
}

// TestOnceSlow: what is under way is not forgotten, however long it takes, and what is done is kept from its end on. Others are
// forgotten meanwhile.
func TestOnceSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := counting()
		go c.post("/v1/rekey", "slow", `{"group":"slow"}`)
		synctest.Wait()
		c.post("/v1/rekey", "other", `{"group":"blue"}`)
		time.Sleep(keepAnswers + time.Second)
		for range 2 {
			if w := c.post("/v1/rekey", "slow", `{"group":"slow"}`); w.Header().Get(Replayed) != "true" || !strings.Contains(w.Body.String(), "rekey 2 of slow") || n.Load() != 2 {
				t.Errorf("%d %s, %d done", w.Code, w.Body, n.Load())
			}
			time.Sleep(keepAnswers - time.Second)
		}
		if l := len(c.s.done.by); l != 1 {
			t.Errorf("%d and %d answers are kept, want 1", l, len(c.s.done.by))
		}
	})
}

// TestOncePlan: a look is answered anew each time, with a key or without, and takes no place of a change.
func TestOncePlan(t *testing.T) {
	n := 0
	c := caller{s: NewServer(Handlers{Plan: func(context.Context, PlanRequest) (*Plan, error) { n++; return new(Plan), nil }}, new(Journal))}
	for range 2 {
		if w := c.post("/v1/plan", "k", `{}`); w.Code != 200 || w.Header().Get(Replayed) != "" {
			t.Errorf("%d %s, again %q", w.Code, w.Body, w.Header().Get(Replayed))
		}
	}
	if n != 2 || len(c.s.done.by) != 0 {
		t.Errorf("%d plans were made, %d are kept", n, len(c.s.done.by))
	}
}

// deaf is a caller that does not read its answer, and would have a deadline.
type deaf struct {
	*httptest.ResponseRecorder
	hears    chan struct{}
	deadline atomic.Pointer[time.Time]
}

func (d *deaf) Write(b []byte) (int, error) { <-d.hears; return len(b), nil }

func (d *deaf) SetWriteDeadline(at time.Time) error { d.deadline.Store(&at); return nil }

// TestOnceDeaf: a repeat has the answer although the first caller does not read its own, and no caller has more than some time
// to read one.
func TestOnceDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, n := counting()
		for i, path := range []string{"/v1/rekey", "/v1/rekey", "/v1/rekey?dry_run=true", "/v1/openapi.json", "/v1/nothing"} {
			method := http.MethodPost
			if i == 3 {
				method = http.MethodGet
			}
			r := httptest.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, syscall.Ucred{}), method, path, strings.NewReader(`{"group":"blue"}`))
			r.Header.Set(IdempotencyKey, "k")
			d := &deaf{ResponseRecorder: httptest.NewRecorder(), hears: make(chan struct{})}
			done := make(chan struct{})
			go func() { c.s.http.Handler.ServeHTTP(d, r); close(done) }()
			time.Sleep(2 * time.Second) // the rekey is over
			if w := c.post("/v1/rekey", "k", `{"group":"blue"}`); w.Header().Get(Replayed) != "true" || !strings.Contains(w.Body.String(), "rekey 1 of blue") || n.Load() != 1 {
				t.Errorf("%s: again: %d %s, %d done", path, w.Code, w.Body, n.Load())
			}
			if left := time.Until(*d.deadline.Load()); left <= 0 || left > writeTimeout {
				t.Errorf("%s: %v left to read the answer", path, left)
			}
			close(d.hears)
			<-done
		}
	})
}

// TestOnceBounds: callers have places of their own, and what is kept has an end.
func TestOnceBounds(t *testing.T) {
	var l answers
	now := time.Now()
	for i := range maxKeys {
		a, first := l.take(askedKey{1, fmt.Sprint(i)}, [32]byte{}, now)
		if a == nil || !first {
			t.Fatal(i, a, first)
		}
		a.finish(200, Reply{})
	}
	if a, _ := l.take(askedKey{1, "one more"}, [32]byte{}, now); a != nil {
		t.Error("there is no bound")
	}
	if a, first := l.take(askedKey{1, "0"}, [32]byte{}, now); a == nil || first {
		t.Error("the first is forgotten")
	}
	if a, first := l.take(askedKey{2, "0"}, [32]byte{}, now); a == nil || !first {
		t.Error("another caller has no place")
	}
	if a, first := l.take(askedKey{1, "one more"}, [32]byte{}, time.Now().Add(keepAnswers)); a == nil || !first || len(l.by) != 2 {
		t.Errorf("old answers are kept, or what is under way is not: %d", len(l.by))
	}
	a := &answered{done: make(chan struct{})}
	long := strings.Repeat("\x01ü", maxAnswer)
	a.finish(200, Reply{Text: long, Plan: &Plan{File: long}})
	if len(a.body) > maxAnswer || !strings.HasPrefix(string(a.body), `{"text":"\u0001`) {
		t.Errorf("%d octets are kept: %.40s", len(a.body), a.body)
	}
}

// TestOncePanic: whoever waits for a change that ends in a panic has an answer.
func TestOncePanic(t *testing.T) {
	c := caller{s: NewServer(Handlers{Rekey: func(context.Context, RekeyRequest) (string, error) { panic("broken") }}, new(Journal))}
	func() {
		defer func() { _ = recover() }()
		c.post("/v1/rekey", "k", "")
	}()
	if w := c.post("/v1/rekey", "k", ""); w.Code != 500 || !strings.Contains(w.Body.String(), "failed") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
