//go:build cgo

package pkcs11

import (
	"context"
	"os"
	"testing"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
)

func opened(t testing.TB, o Options) *Token {
	t.Helper()
	h, err := Open(context.WithoutCancel(t.Context()), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h.(*Token)
}

func options(s *hsmtest.SoftHSM, label string) Options {
	return Options{Token: s.URI(label), AllowOAEPSHA1: true}
}

func TestConformanceSoftHSM(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one", "two")
	hsmtest.Suite{
		Open:   func(t *testing.T) hsm.Token { return opened(t, options(s, "one")) },
		Second: func(t *testing.T) hsm.Token { return opened(t, options(s, "two")) },
	}.Run(t)
}

// TestConformanceGiven runs against a token of the operator's. Its keys are named hsmtest-... and removed again.
func TestConformanceGiven(t *testing.T) {
	module, token, pin := os.Getenv("GETVPN_PKCS11_MODULE"), os.Getenv("GETVPN_PKCS11_URI"), os.Getenv("GETVPN_PKCS11_PIN_FILE")
	if module == "" || token == "" || pin == "" {
		t.Skip("no token is given: set GETVPN_PKCS11_MODULE (path of the library), GETVPN_PKCS11_URI (pkcs11:token=LABEL) and GETVPN_PKCS11_PIN_FILE")
	}
	u, err := hsm.ParseURI(token)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Module: module, Token: u, PIN: PINFile(pin), AllowOAEPSHA1: true}
	hsmtest.Suite{
		Open:   func(t *testing.T) hsm.Token { return opened(t, o) },
		Second: func(t *testing.T) hsm.Token { return opened(t, o) },
	}.Run(t)
	for _, f := range opened(t, o).Info().Findings {
		t.Logf("%-30s %-9s %s", f.Mechanism, f.Verdict, f.Detail)
	}
}
