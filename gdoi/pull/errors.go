package pull

import (
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// Errors of an exchange, and of ParseOffer.
var (
	// ErrMalformed: a message does not have the form that the RFC asks for. Same as isakmp.ErrMalformed.
	ErrMalformed = isakmp.ErrMalformed
	// ErrUnsupported: policy that this implementation does not know. RFC 6407 §5.3.2 and §5.4 ask to abort.
	ErrUnsupported = errors.New("unsupported group policy")
	// ErrHash: a HASH payload does not verify: damaged, forged, or under other keys.
	ErrHash = errors.New("HASH does not verify")
	// ErrDuplicate: an identical message came again and there is no answer yet, or none is due.
	ErrDuplicate = errors.New("duplicate message")
	// ErrUnexpected: the message belongs to no state that the exchange is in.
	ErrUnexpected = errors.New("unexpected message")
	// ErrRefused: one side does not want the other's request or policy.
	ErrRefused = errors.New("refused")
	// ErrTimeout: the key server did not answer.
	ErrTimeout = errors.New("no answer from the key server")
	// ErrStale: the group's SAs have changed since message 2; the member must start again.
	ErrStale = errors.New("group SAs changed during the exchange")
)

// Error is what Handle, Timeout and the answers of a key server return. Reason is a stable code for counters and
// journals. Unless Fatal, the message was ignored and the exchange goes on as if it had not come.
type Error struct {
	Reason string
	Fatal  bool
	Err    error
	// RetryAfter is set when the key server says that it cannot answer yet, though nothing is wrong: how long to wait before
	// it is asked again.
	RetryAfter time.Duration
}

// Error returns the text of the cause.
func (e *Error) Error() string { return "pull: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// reasons maps causes to codes, first match first.
var reasons = []struct {
	err  error
	code string
}{
	{ErrHash, "bad-hash"},
	{ErrDuplicate, "duplicate"},
	{ErrUnexpected, "unexpected"},
	{ErrUnsupported, "unsupported-policy"},
	{ErrRefused, "refused"},
	{ErrTimeout, "timeout"},
	{ErrStale, "stale"},
	{ErrMalformed, "malformed"},
}

func newError(fatal bool, err error) *Error {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return &Error{Reason: r.code, Fatal: fatal, Err: err}
		}
	}
	return &Error{Reason: "failed", Fatal: fatal, Err: err}
}

func ignore(err error) *Error { return newError(false, err) }

func fatal(err error) *Error { return newError(true, err) }

func unexpected(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnexpected}, args...)...)
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrUnsupported}, args...)...)
}
