// Package pkcs11 keeps keys in a PKCS#11 token: SoftHSM, or any vendor's module by its path.
//
//	caller ── queue (bounded, with deadline) ── workers, one session each ── module (shared, initialised once)
//
// A token is chosen by label, serial, model or manufacturer, never by slot: slots are numbered anew when devices move.
// Two tokens that match are an error.
//
// Calls. A call into a module cannot be interrupted. So it runs in a goroutine of its own, and the caller leaves when
// its context ends; the session stays taken until the module returns. When all sessions are taken, callers wait; when
// more than Options.Queue wait, the next is told ErrBusy at once. A module that hangs costs its sessions, nothing else.
//
// Loss. What says that the token, the login or the handles are gone (CKR_DEVICE_REMOVED, CKR_TOKEN_NOT_PRESENT,
// CKR_SESSION_HANDLE_INVALID, CKR_USER_NOT_LOGGED_IN, ...) makes the package drop all sessions, look for the token again,
// log in, and try the call once more. Some modules see a token again only after C_Finalize and C_Initialize (SoftHSM
// is one): that is done when nothing else is in the module. Between attempts callers get ErrUnavailable without delay.
// A PIN that was refused is never tried again, since tokens lock themselves.
//
// Keys have a label, and one use. They are made in the token, sensitive, and not extractable, except for KEKs made
// movable, which leave only wrapped under an RSA key. Attributes are read back before a key is used: a key that could
// leave is refused. See the Findings of Info for what the probe made of the mechanisms.
//
// Without cgo there is only Open, which says so.
package pkcs11
