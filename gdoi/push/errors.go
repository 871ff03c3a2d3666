package push

import (
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// Why a datagram is discarded, always silently (RFC 6407 §4.4, §7.3.5).
var (
	// ErrUnknownKEK: the cookies are not the SPI of the KEK.
	ErrUnknownKEK = errors.New("no KEK with this SPI")
	// ErrMalformed: not the form of a GROUPKEY-PUSH, or not decrypted by this KEK. Same as isakmp.ErrMalformed.
	ErrMalformed = isakmp.ErrMalformed
	// ErrDuplicate: octet for octet a message that was accepted: the normal fate of a retransmission.
	ErrDuplicate = errors.New("retransmission of an accepted message")
	// ErrReplay: SEQ is not greater than that of the last accepted message.
	ErrReplay = errors.New("sequence number is not new")
	// ErrSignature: nobody with the group's signature key wrote this.
	ErrSignature = errors.New("signature does not verify")
	// ErrUnsupported: genuine, but with policy that this implementation does not know. Same as pull.ErrUnsupported.
	// The sequence number counts as used; the member should register again.
	ErrUnsupported = pull.ErrUnsupported
	// ErrAckForged: an acknowledgement whose HASH is wrong.
	ErrAckForged = errors.New("acknowledgement does not verify")
)

// Errors of a key server.
var (
	// ErrMessage: the message cannot be sent as it is.
	ErrMessage = errors.New("push: cannot build this message")
)

// Error is what Open returns. Reason is a stable code for counters and journals.
type Error struct {
	Reason string
	// Genuine says that the signature verified, so that the key server itself sent what could not be used.
	Genuine bool
	Err     error
}

// Error returns the text of the cause.
func (e *Error) Error() string { return "push: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// reasons maps causes to codes, first match first.
var reasons = []struct {
	err  error
	code string
}{
	{ErrUnknownKEK, "unknown-kek"},
	{ErrDuplicate, "duplicate"},
	{ErrReplay, "replay"},
	{ErrSignature, "bad-signature"},
	{ErrAckForged, gdoi.DropAckForged},
	{ErrUnsupported, "unsupported-policy"},
	{ErrMalformed, "malformed"},
}

func discard(genuine bool, err error) *Error {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return &Error{r.code, genuine, err}
		}
	}
	return &Error{"failed", genuine, err}
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMalformed}, args...)...)
}
