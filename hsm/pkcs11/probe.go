//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
)

// Mechanisms as findings name them.
const (
	mechCBC     = "CKM_AES_CBC"
	mechGCM     = "CKM_AES_GCM"
	mechOAEP256 = "CKM_RSA_PKCS_OAEP SHA-256"
	mechOAEP1   = "CKM_RSA_PKCS_OAEP SHA-1"
	mechRSA     = "CKM_RSA_PKCS"
	mechECDSA   = "CKM_ECDSA"
	mechRandom  = "C_GenerateRandom"
	mechKWP     = "CKM_AES_KEY_WRAP_KWP (0x210B)"
	mechPad     = "CKM_AES_KEY_WRAP_PAD (0x210A)"

	ckmAESKeyWrapKWP = 0x210B // PKCS#11 3.0
)

type findings struct {
	list []hsm.Finding
	bad  map[string]hsm.Finding
}

// usable refuses a mechanism that the probe has not found, or found wrong.
func (t *Token) usable(mechanism string) error {
	f := t.probe.Load()
	if f == nil {
		return nil
	}
	if bad, ok := f.bad[mechanism]; ok {
		return fmt.Errorf("%w: %s is %s in this token: %s", hsm.ErrUnsupported, mechanism, bad.Verdict, bad.Detail)
	}
	return nil
}

var (
	errMissing  = errors.New("the token does not offer it")
	errUnproven = errors.New("not proven")
)

// probe tries what the house needs with vectors whose answers are known. All objects are of the session and vanish.
func (w *work) probe() (*findings, error) {
	has := map[uint]bool{}
	mechs, err := get(w.api, "C_GetMechanismList", func() ([]*p11.Mechanism, error) { return w.api.GetMechanismList(w.slot) })
	if err != nil {
		return nil, err
	}
	for _, m := range mechs {
		has[m.Mechanism] = true
	}
	f := &findings{bad: map[string]hsm.Finding{}}
	for _, p := range []struct {
		name string
		mech uint
		try  func() error
	}{
		{mechRSA, p11.CKM_RSA_PKCS, func() error { return fmt.Errorf("%w yet: every key signs once before it is used", errUnproven) }},
		{mechECDSA, p11.CKM_ECDSA, w.tryECDSA},
		{mechCBC, p11.CKM_AES_CBC, w.tryCBC},
		{mechGCM, p11.CKM_AES_GCM, w.tryGCM},
		{mechOAEP256, p11.CKM_RSA_PKCS_OAEP, func() error { return w.tryOAEP(hsm.OAEPSHA256) }},
		{mechOAEP1, p11.CKM_RSA_PKCS_OAEP, func() error { return w.tryOAEP(hsm.OAEPSHA1) }},
		{mechRandom, 0, w.tryRandom},
		{mechKWP, ckmAESKeyWrapKWP, func() error { return w.tryKeyWrap(ckmAESKeyWrapKWP) }},
		{mechPad, p11.CKM_AES_KEY_WRAP_PAD, func() error { return w.tryKeyWrap(p11.CKM_AES_KEY_WRAP_PAD) }},
	} {
		found := hsm.Finding{Mechanism: p.name, Verdict: hsm.Works}
		err := errMissing
		if p.mech == 0 || has[p.mech] {
			err = p.try()
		}
		switch {
		case err == nil:
		case gone(err):
			return nil, err
		case errors.Is(err, errUnproven):
			found.Verdict, found.Detail = hsm.Unproven, err.Error()
		case errors.Is(err, errMissing) || is(err, p11.CKR_MECHANISM_INVALID, p11.CKR_MECHANISM_PARAM_INVALID, p11.CKR_ARGUMENTS_BAD, p11.CKR_FUNCTION_NOT_SUPPORTED):
			found.Verdict, found.Detail = hsm.Missing, err.Error()
		default:
			found.Verdict, found.Detail = hsm.Wrong, err.Error()
		}
		if found.Verdict == hsm.Missing || found.Verdict == hsm.Wrong {
			f.bad[p.name] = found
		}
		f.list = append(f.list, found)
	}
	return f, nil
}
