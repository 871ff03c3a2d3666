//go:build cgo

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
)

func TestChoosesByName(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "same", "same", "one")
	open := func(u hsm.URI) (hsm.Token, error) {
		o := options(s, "one")
		u.PINSource = s.PINFile()
		o.Token, o.Module = u, s.Module
		return Open(t.Context(), o)
	}
	_, err := open(hsm.URI{Token: "same"})
	if !errors.Is(err, errAmbiguous) {
		t.Fatalf("two tokens match: %v", err)
	}
	// The error names the serials, so that the operator can choose.
	_, list, _ := strings.Cut(err.Error(), "serial=")
	serial, _, _ := strings.Cut(list, ";")
	h, err := open(hsm.URI{Token: "same", Serial: serial})
	if err != nil {
		t.Fatalf("by label and serial %q: %v", serial, err)
	}
	if !strings.Contains(h.Info().URI, "serial="+serial) {
		t.Errorf("%s was opened", h.Info().URI)
	}
	_ = h.Close()
	if _, err := open(hsm.URI{Token: "nobody"}); !errors.Is(err, hsm.ErrUnavailable) || !strings.Contains(err.Error(), "token=one") {
		t.Errorf("no token matches: %v", err)
	}
	if _, err := open(hsm.URI{Object: "key"}); err == nil {
		t.Error("any token was accepted")
	}
	if _, err := Open(t.Context(), Options{Module: filepath.Join(t.TempDir(), "none.so"), Token: hsm.URI{Token: "x"}, PIN: PINFile("x")}); err == nil {
		t.Error("a module that is not there was accepted")
	}
}

func TestPIN(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	t.Run("wrong, asked once", func(t *testing.T) {
		var logins atomic.Int32
		o := options(s, "one")
		o.PIN = func(context.Context) ([]byte, error) { return []byte("wrong pin 99"), nil }
		o.Fault = func(function string) uint {
			if function == "C_Login" {
				logins.Add(1)
			}
			return 0
		}
		_, err := Open(t.Context(), o)
		if !errors.Is(err, errPIN) || !errors.Is(err, hsm.ErrUnavailable) || strings.Contains(err.Error(), "wrong pin") {
			t.Errorf("%v", err)
		}
		if n := logins.Load(); n != 1 {
			t.Errorf("tried %d times: tokens lock themselves", n)
		}
	})
	t.Run("wiped", func(t *testing.T) {
		pin := s.PIN()
		o := options(s, "one")
		o.PIN = func(context.Context) ([]byte, error) { return pin, nil }
		opened(t, o)
		if !bytes.Equal(pin, make([]byte, len(pin))) {
			t.Errorf("the PIN is still there: %q", pin)
		}
	})
	t.Run("credential", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "ks-pin"), s.PIN(), 0o400); err != nil {
			t.Fatal(err)
		}
		t.Setenv("CREDENTIALS_DIRECTORY", dir)
		o := options(s, "one")
		o.PIN = PINCredential("ks-pin")
		opened(t, o)
		for _, bad := range []string{"", "../pin", "nobody"} {
			if _, err := PINCredential(bad)(t.Context()); err == nil {
				t.Errorf("credential %q was found", bad)
			}
		}
	})
}

// TestFindings: what SoftHSM 2.6.1 does wrong has a name.
func TestFindings(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h := opened(t, options(s, "one"))
	got := map[string]hsm.Finding{}
	for _, f := range h.Info().Findings {
		got[f.Mechanism] = f
		t.Logf("%-30s %-9s %s", f.Mechanism, f.Verdict, f.Detail)
	}
	want := map[string]hsm.Verdict{mechCBC: hsm.Works, mechGCM: hsm.Works, mechECDSA: hsm.Works, mechOAEP1: hsm.Works, mechRandom: hsm.Works}
	if h.Info().Model == "SoftHSM project SoftHSM v2" && h.Info().Firmware == "2.6" {
		want[mechKWP], want[mechPad], want[mechOAEP256] = hsm.Missing, hsm.Wrong, hsm.Missing
	}
	for m, v := range want {
		if got[m].Verdict != v {
			t.Errorf("%s: %s (%s), want %s", m, got[m].Verdict, got[m].Detail, v)
		}
	}
	if got[mechPad].Verdict == hsm.Wrong && !strings.Contains(got[mechPad].Detail, "20 octets") {
		t.Errorf("the wrong key wrap is not described: %s", got[mechPad].Detail)
	}
}

func TestSHA1MustBeAllowed(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	o := options(s, "one")
	o.AllowOAEPSHA1 = false
	h := opened(t, o)
	for _, f := range h.Info().Findings {
		if f.Mechanism == mechOAEP256 && f.Verdict == hsm.Works {
			t.Skip("this token has RSA-OAEP with SHA-256")
		}
	}
	err := h.Ensure(t.Context(), "transport", hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Transport})
	if !errors.Is(err, hsm.ErrUnsupported) || !strings.Contains(err.Error(), "SHA-1 is not allowed") {
		t.Errorf("%v", err)
	}
}

// TestWeakKeysAreRefused: keys that others made so that they can be read, or used for more, are not used.
func TestWeakKeysAreRefused(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h := opened(t, options(s, "one"))
	for _, row := range []struct {
		name string
		more []*p11.Attribute
	}{
		{"not sensitive", []*p11.Attribute{attr(p11.CKA_SENSITIVE, false), attr(p11.CKA_EXTRACTABLE, false), attr(p11.CKA_ENCRYPT, true), attr(p11.CKA_DECRYPT, false)}},
		{"sealing key that leaves", []*p11.Attribute{attr(p11.CKA_SENSITIVE, true), attr(p11.CKA_EXTRACTABLE, true), attr(p11.CKA_ENCRYPT, true), attr(p11.CKA_DECRYPT, true)}},
		{"of no use", []*p11.Attribute{attr(p11.CKA_SENSITIVE, true), attr(p11.CKA_EXTRACTABLE, false), attr(p11.CKA_ENCRYPT, false), attr(p11.CKA_DECRYPT, false)}},
	} {
		_, err := run(t.Context(), h, "test", func(w *work) (p11.ObjectHandle, error) {
			return w.api.GenerateKey(w.s, mech(p11.CKM_AES_KEY_GEN, nil), append([]*p11.Attribute{
				attr(p11.CKA_TOKEN, true), attr(p11.CKA_PRIVATE, true), attr(p11.CKA_LABEL, row.name), attr(p11.CKA_VALUE_LEN, 32)}, row.more...))
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.EncryptCBC(t.Context(), row.name, digest[:16], digest); !errors.Is(err, hsm.ErrKey) {
			t.Errorf("%s: %v", row.name, err)
		}
	}
	list, err := h.Inventory(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("%v: %v", list, err)
	}
	for _, k := range list {
		if k.Problem == "" {
			t.Errorf("%s is listed without its problem", k.Name)
		}
	}
}

// TestAttributes reads from the token what its own keys may do.
func TestAttributes(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h := opened(t, options(s, "one"))
	for _, spec := range []hsm.Spec{
		{Kind: hsm.P256, Use: hsm.Sign}, {Kind: hsm.RSA2048, Use: hsm.Sign}, {Kind: hsm.RSA2048, Use: hsm.Transport},
		{Kind: hsm.AES256, Use: hsm.Seal}, {Kind: hsm.AES128, Use: hsm.Encrypt}, {Kind: hsm.AES128, Use: hsm.Encrypt, Movable: true},
	} {
		if err := h.Ensure(t.Context(), spec.String(), spec); err != nil {
			t.Fatal(err)
		}
		_, err := run(t.Context(), h, "test", func(w *work) (int, error) {
			o, err := w.key(spec.String(), spec.Use)
			if err != nil {
				return 0, err
			}
			v, err := w.api.attrs(w.s, o.handle, p11.CKA_SENSITIVE, p11.CKA_ALWAYS_SENSITIVE, p11.CKA_EXTRACTABLE, p11.CKA_NEVER_EXTRACTABLE, p11.CKA_PRIVATE, p11.CKA_VALUE)
			if err == nil && (!yes(v[0]) || !yes(v[1]) || yes(v[2]) != spec.Movable || yes(v[3]) == spec.Movable || !yes(v[4])) {
				t.Errorf("%s: sensitive, always, extractable, never, private: %v", spec, v[:5])
			}
			if len(v) == 6 && len(v[5]) > 0 {
				t.Errorf("%s: its value can be read", spec)
			}
			return 0, err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestSameLabelTwice(t *testing.T) {
	s := hsmtest.NewSoftHSM(t, "one")
	h := opened(t, options(s, "one"))
	for range 2 {
		if _, err := run(t.Context(), h, "test", func(w *work) (int, error) { return 0, w.generate("twin", signSpec) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := h.Public(t.Context(), "twin"); !errors.Is(err, hsm.ErrKey) {
		t.Errorf("two keys of one name: %v", err)
	}
	list, err := h.Inventory(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%v %v", list, err)
	}
	for _, k := range list { // the inventory names each in full
		if _, err := h.Sign(t.Context(), k.URI, hsm.ECDSAConcat, crypto.SHA256, digest); err != nil {
			t.Errorf("%s: %v", k.URI, err)
		}
		if err := h.Destroy(t.Context(), k.URI); err != nil {
			t.Errorf("%s: %v", k.URI, err)
		}
	}
}
