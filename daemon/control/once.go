package control

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"syscall"
	"time"
)

// IdempotencyKey is the header by which a change is done once: whoever does not know whether a request has arrived repeats it
// with the same key, and gets the answer of the first.
const IdempotencyKey = "Idempotency-Key"

// Replayed is set on an answer that was given before.
const Replayed = "Idempotency-Replayed"

// Limits of what is remembered for it. Only operators can change anything, and there are at most two of them, root and the
// daemon's user; so this is some 16 MiB, if all answers were long ones, and some hundred kilobytes as they are.
const (
	keepAnswers = 10 * time.Minute
	maxKeys     = 1024 // of one caller; more are refused: to forget one would be to do it twice
	maxKey      = 128
	maxAnswer   = 16 << 10 // of a longer one, its plan is not kept
)

// answers are those of changes that came with a key.
type answers struct {
	mu sync.Mutex
	by map[askedKey]*answered
}

// askedKey is a caller and the caller's key.
type askedKey struct {
	uid uint32
	key string
}

type answered struct {
	what   [sha256.Size]byte // the request
	done   chan struct{}     // closed when what follows is there
	at     time.Time         // when it was done
	status int
	body   []byte
}

// keyOf is the key of a request; empty: it has none.
func keyOf(r *http.Request) (string, error) {
	given, ok := r.Header[IdempotencyKey]
	if !ok {
		return "", nil
	}
	valid := len(given) == 1 && given[0] != "" && len(given[0]) <= maxKey
	for i := 0; valid && i < len(given[0]); i++ {
		valid = given[0][i] > ' ' && given[0][i] < 0x7f
	}
	if !valid {
		return "", fmt.Errorf("%s must be one word of 1 to %d printable ASCII characters, as a UUID; nothing was done", IdempotencyKey, maxKey)
	}
	return given[0], nil
}

// once carries a request out if its key is new. If not, it waits for the answer of the first and gives that.
func (s *Server) once(w http.ResponseWriter, r *http.Request, key string, req any, do func(context.Context) (int, Reply)) {
	cred, _ := r.Context().Value(peerKey{}).(syscall.Ucred)
	canonical, err := json.Marshal(req)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	what := sha256.Sum256(append([]byte(r.URL.Path+"\n"), canonical...))
	a, first := s.done.take(askedKey{cred.Uid, key}, what, time.Now())
	switch {
	case a == nil:
		fail(w, http.StatusTooManyRequests, fmt.Sprintf("%d changes came with an %s in %v, and no more can be remembered; wait, or ask without a key; nothing was done", maxKeys, IdempotencyKey, keepAnswers))
		return
	case first:
		// Carried out to its end even if the caller goes away: the answer is for whoever asks again.
		status, reply := a.carryOut(context.WithoutCancel(r.Context()), do)
		answer(w, status, reply)
		return
	case a.what != what:
		fail(w, http.StatusUnprocessableEntity, fmt.Sprintf("the %s %s was sent with another request in the last %v; use a new key for each change; nothing was done", IdempotencyKey, key, keepAnswers))
		return
	}
	select {
	case <-a.done:
	case <-r.Context().Done():
		return
	}
	w.Header().Set(Replayed, "true")
	send(w, a.status, a.body)
}

// take finds what was asked for under a key, or makes a place for it; nil: there is no more room.
func (l *answers) take(k askedKey, what [sha256.Size]byte, now time.Time) (a *answered, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nil {
		l.by = map[askedKey]*answered{}
	}
	l.forget(now)
	if a = l.by[k]; a != nil {
		return a, false
	}
	n := 0
	for o := range l.by {
		if o.uid == k.uid {
			n++
		}
	}
	if n >= maxKeys {
		return nil, false
	}
	a = &answered{what: what, done: make(chan struct{})}
	l.by[k] = a
	return a, true
}

// forget drops what was done long ago. What is under way stays, however long it takes, since a repeat would do it a second time;
// it keeps nothing else from being dropped.
func (l *answers) forget(now time.Time) {
	maps.DeleteFunc(l.by, func(_ askedKey, a *answered) bool { return a.over() && now.Sub(a.at) >= keepAnswers })
}

// over says whether the answer is there.
func (a *answered) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// carryOut finishes before anybody is answered: whoever asked first may read slowly, or never, and others wait.
func (a *answered) carryOut(ctx context.Context, do func(context.Context) (int, Reply)) (status int, reply Reply) {
	status, reply = http.StatusInternalServerError, Reply{Error: "the daemon failed to carry it out; see its log"}
	defer func() { a.finish(status, reply) }() // after a panic, too
	return do(ctx)
}

// finish keeps the answer, as far as it is short.
func (a *answered) finish(status int, reply Reply) {
	text, err := json.Marshal(reply)
	if err != nil || len(text) > maxAnswer {
		const rest = maxAnswer / 16 // JSON writes an octet as six at most
		reply.Text, reply.Error, reply.Plan = reply.Text[:min(len(reply.Text), rest)], reply.Error[:min(len(reply.Error), rest)], nil
		text, _ = json.Marshal(reply)
	}
	a.status, a.body, a.at = status, append(text, '\n'), time.Now()
	close(a.done)
}
