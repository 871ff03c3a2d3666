package pki

import "fmt"

// Reasons, stable codes for counters and journals.
const (
	ReasonMissing   = "certificate-missing"   // the peer sent none
	ReasonInvalid   = "certificate-invalid"   // does not parse, or may not be used for this
	ReasonUntrusted = "certificate-untrusted" // no path to a trust anchor
	ReasonExpired   = "certificate-expired"   // it, or one on its path, is not valid now
	ReasonRevoked   = "certificate-revoked"   // a revocation list names it, or one on its path
	ReasonNoCRL     = "crl-missing"           // strict: no current revocation list of an authority on its path
)

// Error is every error of this package about a peer's certificate.
type Error struct {
	Reason string
	Err    error
}

// Error is the text.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

func failed(reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Err: fmt.Errorf(format, args...)}
}
