//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"strings"
	"testing"

	p11 "github.com/miekg/pkcs11"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
)

func pinOf(text string) PIN {
	return func(context.Context) ([]byte, error) { return []byte(text), nil }
}

// TestInit walks a token's life: made, found, filled, not wiped by accident, wiped on purpose.
func TestInit(t *testing.T) {
	s := hsmtest.NewSoftHSM(t)
	o := InitOptions{Module: s.Module, Token: hsm.URI{Token: "ks1"}, OfficerPIN: pinOf("officer 12"), PIN: pinOf("a user's 47")}
	ctx := t.Context()

	short := o
	short.PIN = pinOf("1")
	if _, err := Init(ctx, short); !errors.Is(err, errLength) || !strings.Contains(err.Error(), "nothing was done") {
		t.Fatalf("a PIN that is too short: %v", err)
	}
	made, err := Init(ctx, o)
	if err != nil || made.Token != "ks1" || made.Serial == "" {
		t.Fatalf("Init made %v: %v", made, err)
	}
	if _, err := Init(ctx, o); !errors.Is(err, hsm.ErrExists) {
		t.Fatalf("a token that is there: %v", err)
	}
	all, err := Tokens(s.Module)
	if err != nil {
		t.Fatal(err)
	}
	ready := 0
	for _, ts := range all {
		if ts.Initialised && ts.PINSet && ts.URI.String() == made.String() {
			ready++
		}
	}
	if ready != 1 {
		t.Fatalf("the token is not the one that Tokens lists: %+v", all)
	}

	keys := func() int {
		t.Helper()
		h, err := Open(ctx, Options{Module: s.Module, Token: hsm.URI{Token: "ks1"}, PIN: o.PIN})
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		if err := h.Ensure(ctx, "kek-1", hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true}); err != nil {
			t.Fatal(err)
		}
		list, err := h.Inventory(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Ensure(ctx, "kek-2", hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true}); err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if n := keys(); n != 1 {
		t.Fatalf("a new token has %d keys after the first was made", n)
	}
	wrong := o
	wrong.Wipe, wrong.OfficerPIN = true, pinOf("not the officer")
	if _, err := Init(ctx, wrong); !is(err, p11.CKR_PIN_INCORRECT) {
		t.Fatalf("a wrong officer: %v", err)
	}
	if n := keys(); n != 2 {
		t.Fatalf("after a refused wipe %d keys are left of 2", n)
	}
	wipe := o
	wipe.Wipe = true
	again, err := Init(ctx, wipe)
	if err != nil || again.Token != "ks1" {
		t.Fatalf("wiping: %v: %v", again, err)
	}
	if n := keys(); n != 1 {
		t.Fatalf("a wiped token has %d keys after one was made", n)
	}
}

func TestInitWantsToKnowWhat(t *testing.T) {
	good := InitOptions{Module: "/nowhere.so", Token: hsm.URI{Token: "ks1"}, OfficerPIN: pinOf("1234"), PIN: pinOf("1234")}
	for name, change := range map[string]func(*InitOptions){
		"no module":  func(o *InitOptions) { o.Module = "" },
		"no label":   func(o *InitOptions) { o.Token = hsm.URI{Serial: "7"} },
		"33 octets":  func(o *InitOptions) { o.Token.Token = strings.Repeat("x", 33) },
		"a PIN each": func(o *InitOptions) { o.OfficerPIN = nil },
		"be loaded":  func(*InitOptions) {},
	} {
		o := good
		change(&o)
		if _, err := Init(t.Context(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
