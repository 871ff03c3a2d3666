package ks_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/ks"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/pkcs11"
)

// TestOrphans: KEKs in the token that no record names are removed at the start, and nothing else is.
func TestOrphans(t *testing.T) {
	w := newWorld(t)
	s := w.inToken("")
	h, err := pkcs11.Open(t.Context(), pkcs11.Options{Token: s.URI("ks1"), AllowOAEPSHA1: true})
	if err != nil {
		t.Fatal(err)
	}
	kek := hsm.Spec{Kind: hsm.AES256, Use: hsm.Encrypt, Movable: true}
	for _, name := range []string{"kek-00112233445566778899aabbccddeeff", "somebody's"} {
		if err := h.Ensure(t.Context(), name, kek); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	w.startKS()
	w.pair()
	if h, err = pkcs11.Open(t.Context(), pkcs11.Options{Token: s.URI("ks1"), AllowOAEPSHA1: true}); err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	keys, err := h.Inventory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	living := 0
	for _, k := range keys {
		if strings.HasPrefix(k.Name, "kek-") {
			living++
			if k.Spec != kek {
				t.Errorf("%+v", k)
			}
			continue
		}
		names = append(names, k.Name)
	}
	slices.Sort(names)
	if fmt.Sprint(names) != "[rekey-blue somebody's state transport]" || living == 0 {
		t.Errorf("the token has %q and %d KEKs", names, living)
	}
	if _, err := h.Public(t.Context(), "kek-00112233445566778899aabbccddeeff"); !errors.Is(err, hsm.ErrNoKey) {
		t.Errorf("the orphan: %v", err)
	}
}

// TestCustodyStartFailures: a start without what the state needs ends with an error that says what to do.
func TestCustodyStartFailures(t *testing.T) {
	w := newWorld(t)
	s := w.inToken("")
	start := func() error {
		t.Helper()
		c, err := config.LoadKS(w.path("ks.yml"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := ks.New(c, slog.New(slog.DiscardHandler), ks.Options{Clock: fast{w.epoch}})
		if err == nil {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			err = d.Run(ctx, func() {})
		}
		return err
	}
	refused := func(want ...string) {
		t.Helper()
		err := start()
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%v does not say %q", err, text)
			}
		}
	}
	s.Leave(t)
	refused("pkcs11:token=ks1", "is it there")
	s.Return(t)
	if err := start(); err != nil {
		t.Fatal(err)
	}
	w.edit("  allow-oaep-sha1: true\n", "")
	refused("allow-oaep-sha1: true")
	w.edit("custody:\n  module: "+s.Module+"\n  token: pkcs11:token=ks1\n  pin: {file: "+s.PINFile()+"}\n", "")
	refused("no custody section", w.path("ks"))
	w.edit("state: ks\n", "state: ks2\n")
	if err := start(); err != nil {
		t.Fatal(err)
	}
	w.edit("state: ks2\n", fmt.Sprintf("state: ks2\ncustody: {module: %s, token: pkcs11:token=ks1, pin: {file: %s}, allow-oaep-sha1: true}\n", s.Module, s.PINFile()))
	refused("sealed by a key in a file", w.path("ks2"))
}
