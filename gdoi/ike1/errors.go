package ike1

import (
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// ErrIgnored and ErrFatal classify every error of this package: errors.Is(err, ErrIgnored) means that the session is
// as it was, errors.Is(err, ErrFatal) that it is Dead now.
var (
	ErrIgnored = errors.New("ike1: ignored")
	ErrFatal   = errors.New("ike1: session is dead")
)

// Reasons, stable codes for counters and journals; those of package pki are used too.
const (
	ReasonMalformed     = "malformed"             // does not parse
	ReasonCookies       = "unknown-cookies"       // not of this session
	ReasonUnexpected    = "unexpected-message"    // not now, or not this exchange
	ReasonDuplicate     = "duplicate"             // seen before and needs no answer
	ReasonReplay        = "replay"                // message id or DPD sequence seen before
	ReasonUnprotected   = "unprotected"           // in clear where encryption is required
	ReasonNoProposal    = "no-proposal-chosen"    // no common suite
	ReasonNoPSK         = "no-pre-shared-key"     // none configured for this peer
	ReasonNoCredential  = "no-certificate"        // none of ours is for the agreed method
	ReasonKeyExchange   = "invalid-key-exchange"  // public value or nonce out of range
	ReasonAuth          = "authentication-failed" // pre-shared keys differ, or a forged message
	ReasonIdentity      = "invalid-identity"      // authentic, but not who it may be
	ReasonSign          = "sign-failed"           // the key custody did not sign for us
	ReasonFragment      = "fragment-conflict"     // a fragment that contradicts others
	ReasonFragmentLimit = "fragment-limit"        // a message of too many, or too long, fragments
	ReasonRevoked       = "revoked"               // Session.Revoked: the peer's certificate
	ReasonTimeout       = "timeout"               // no answer
	ReasonExpired       = "expired"               // end of lifetime
	ReasonDPD           = "dead-peer"             // R-U-THERE unanswered
	ReasonPeerDeleted   = "deleted-by-peer"       // authenticated Delete
	ReasonLocalDeleted  = "deleted"               // Session.Delete
	ReasonDead          = "dead-session"          // session was dead before
	ReasonHint          = "hint"                  // notification in clear: remembered, not acted upon
)

// Error is every error of this package.
type Error struct {
	// Reason is one of the Reason constants.
	Reason string
	// Fatal tells that the session is dead; otherwise nothing has changed.
	Fatal bool
	// Notify is the type to answer with, zero for none.
	Notify isakmp.NotifyType
	// Err says what, and what to do.
	Err error
}

// Error is one sentence.
func (e *Error) Error() string { return "phase 1: " + e.Reason + ": " + e.Err.Error() }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is answers for ErrIgnored and ErrFatal.
func (e *Error) Is(target error) bool {
	return target == ErrFatal && e.Fatal || target == ErrIgnored && !e.Fatal
}

func ignored(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}

func malformed(err error) *Error { return &Error{Reason: ReasonMalformed, Err: err} }
