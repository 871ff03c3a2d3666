//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// loss is what an error says about the token.
type loss uint8

const (
	kept    loss = iota // the call failed, the token is there
	session             // sessions or the login are gone
	token               // the token or its objects are gone: the module itself may have to begin anew
	suspect             // says nothing: ask the token whether it is there
)

var losses = map[p11.Error]loss{
	p11.CKR_SESSION_HANDLE_INVALID:    session,
	p11.CKR_SESSION_CLOSED:            session,
	p11.CKR_USER_NOT_LOGGED_IN:        session,
	p11.CKR_OPERATION_ACTIVE:          session,
	p11.CKR_OPERATION_NOT_INITIALIZED: session,

	p11.CKR_DEVICE_REMOVED:           token,
	p11.CKR_DEVICE_ERROR:             token,
	p11.CKR_TOKEN_NOT_PRESENT:        token,
	p11.CKR_TOKEN_NOT_RECOGNIZED:     token,
	p11.CKR_SLOT_ID_INVALID:          token,
	p11.CKR_CRYPTOKI_NOT_INITIALIZED: token,
	p11.CKR_OBJECT_HANDLE_INVALID:    token,
	p11.CKR_KEY_HANDLE_INVALID:       token,

	p11.CKR_GENERAL_ERROR:   suspect,
	p11.CKR_FUNCTION_FAILED: suspect,
	p11.CKR_HOST_MEMORY:     suspect,
}

// errLost is a loss that was found out without a code of the module.
type errLost struct {
	loss loss
	why  string
}

func (e *errLost) Error() string { return e.why }

func lossOf(err error) loss {
	var l *errLost
	if errors.As(err, &l) {
		return l.loss
	}
	var ckr p11.Error
	if errors.As(err, &ckr) {
		return losses[ckr]
	}
	return kept
}

// gone: the error itself says that the sessions or the token are.
func gone(err error) bool {
	l := lossOf(err)
	return l == session || l == token
}

func is(err error, codes ...p11.Error) bool {
	var ckr p11.Error
	if !errors.As(err, &ckr) {
		return false
	}
	for _, c := range codes {
		if ckr == c {
			return true
		}
	}
	return false
}

// refusedPIN: none of these gets better by trying again, and trying again locks the token.
func refusedPIN(err error) bool {
	return is(err, p11.CKR_PIN_INCORRECT, p11.CKR_PIN_INVALID, p11.CKR_PIN_LEN_RANGE, p11.CKR_PIN_EXPIRED, p11.CKR_PIN_LOCKED, p11.CKR_USER_PIN_NOT_INITIALIZED)
}

// unavailable says so once.
func unavailable(err error) error {
	if errors.Is(err, hsm.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", hsm.ErrUnavailable, err)
}

func in(function string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", function, err)
}
