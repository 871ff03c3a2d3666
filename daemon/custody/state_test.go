package custody

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/store"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
	"github.com/getvpn/getvpn/hsm/pkcs11"
	"github.com/getvpn/getvpn/hsm/soft"
)

func files(t *testing.T, dir string) hsm.Token {
	t.Helper()
	h, err := OpenToken(t.Context(), &config.Custody{Files: true}, dir, TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// softToken opens a SoftHSM token as a configuration has it.
func softToken(t *testing.T, s *hsmtest.SoftHSM, label string) hsm.Token {
	t.Helper()
	h, err := OpenToken(t.Context(), &config.Custody{Module: s.Module, Token: hsm.URI{Token: label}, PIN: config.PIN{File: s.PINFile()}}, t.TempDir(), TokenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func softHSM(t *testing.T, labels ...string) *hsmtest.SoftHSM {
	t.Helper()
	if !pkcs11.Available {
		t.Skip("built without cgo")
	}
	return hsmtest.NewSoftHSM(t, labels...)
}

// TestState: what one process sealed the next one opens, with that token and with no other.
func TestState(t *testing.T) {
	for name, tokens := range map[string]func(t *testing.T) (own, other func() hsm.Token){
		"files": func(t *testing.T) (own, other func() hsm.Token) {
			one, two := t.TempDir(), t.TempDir()
			return func() hsm.Token { return files(t, one) }, func() hsm.Token { return files(t, two) }
		},
		"token": func(t *testing.T) (own, other func() hsm.Token) {
			s := softHSM(t, "one", "two")
			return func() hsm.Token { return softToken(t, s, "one") }, func() hsm.Token { return softToken(t, s, "two") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			own, another := tokens(t)
			dir := t.TempDir()
			first, err := OpenState(t.Context(), own(), dir)
			if err != nil {
				t.Fatal(err)
			}
			box, err := first.Seal([]byte("record"), []byte("place"))
			if err != nil || bytes.Contains(box, []byte("record")) {
				t.Fatalf("%q, %v", box, err)
			}
			if info, err := os.Stat(filepath.Join(dir, envelopeFile)); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the envelope: %v, %v", info, err)
			}
			second, err := OpenState(t.Context(), own(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := second.Open(box, []byte("place")); err != nil || string(plain) != "record" {
				t.Errorf("%q, %v", plain, err)
			}
			other := another()
			if _, err := OpenState(t.Context(), other, dir); !errors.Is(err, ErrMoved) || !strings.Contains(err.Error(), dir) {
				t.Errorf("a token without the key: %v", err)
			}
			if _, err := other.Public(t.Context(), StateKey); !errors.Is(err, hsm.ErrNoKey) {
				t.Errorf("a key was made for an envelope that is there: %v", err)
			}
			if err := other.Ensure(t.Context(), StateKey, StateSpec); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenState(t.Context(), other, dir); !errors.Is(err, ErrMoved) {
				t.Errorf("another token's key: %v", err)
			}
			if err := CheckFiles(dir); !errors.Is(err, ErrMoved) {
				t.Errorf("without a custody section: %v", err)
			}
		})
	}
}

// TestStateOfFiles: a state that was sealed by a key in a file is not sealed anew, and stays what it was.
func TestStateOfFiles(t *testing.T) {
	dir := t.TempDir()
	if err := CheckFiles(dir); err != nil {
		t.Fatal(err)
	}
	keys, err := soft.Open(FilesDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(dir, "ks ks1", keys)
	if err == nil {
		err = errors.Join(st.Write([]machine.Record{{Bucket: "b", Key: "k", Value: []byte("v")}}), st.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	h := files(t, t.TempDir())
	if _, err := OpenState(t.Context(), h, dir); !errors.Is(err, ErrMoved) || !strings.Contains(err.Error(), "key in a file") {
		t.Errorf("%v", err)
	}
	if there(filepath.Join(dir, envelopeFile)) {
		t.Error("there is an envelope now")
	}
	if st, err = store.Open(dir, "ks ks1", keys); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if got, err := st.Load(); err != nil || len(got) != 1 || string(got[0].Value) != "v" {
		t.Errorf("%v, %v", got, err)
	}
}

// TestTokenErrors: what is wrong with a section is said with its remedy.
func TestTokenErrors(t *testing.T) {
	s := softHSM(t, "one")
	dir := t.TempDir()
	plain := filepath.Join(dir, "text.so")
	if err := os.WriteFile(plain, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]config.Custody{
		"there is no file":   {Module: filepath.Join(dir, "none.so")},
		"is not a file":      {Module: dir},
		"is it a PKCS#11 mo": {Module: plain},
	} {
		c.Token = hsm.URI{Token: "x"}
		if _, err := OpenToken(t.Context(), &c, dir, TokenOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, c := range map[string]config.Custody{
		"no token matches": {Token: hsm.URI{Token: "nowhere"}, PIN: config.PIN{File: s.PINFile()}},
		"no credential":    {Token: hsm.URI{Token: "one"}, PIN: config.PIN{Credential: "hsm-pin"}},
	} {
		c.Module = s.Module
		if _, err := OpenToken(t.Context(), &c, dir, TokenOptions{}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), c.Token.String()) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestPrompt: a person is asked once, and what is wrong is not kept.
func TestPrompt(t *testing.T) {
	answers := []string{"", strings.Repeat("9", maxPIN+1), "1234", "must not be asked"}
	asked := 0
	var screen bytes.Buffer
	p := once(func() ([]byte, error) {
		return ask(&screen, "PIN: ", func() ([]byte, error) {
			asked++
			return []byte(answers[asked-1]), nil
		})
	})
	for range 2 {
		if _, err := p(t.Context()); err == nil {
			t.Error("a PIN of no use was taken")
		}
	}
	for range 2 {
		got, err := p(context.Background())
		if err != nil || string(got) != "1234" {
			t.Fatalf("%q, %v", got, err)
		}
		clear(got) // as after a login
	}
	if asked != 3 || strings.Contains(screen.String(), "1234") {
		t.Errorf("asked %d times; the screen shows %q", asked, &screen)
	}
}

// TestWithoutCgo: a program that cannot load modules says so before it tries.
func TestWithoutCgo(t *testing.T) {
	if pkcs11.Available {
		t.Skip("built with cgo")
	}
	_, err := OpenToken(t.Context(), &config.Custody{Module: "/lib/x.so", Token: hsm.URI{Token: "x"}}, t.TempDir(), TokenOptions{})
	if !errors.Is(err, hsm.ErrUnsupported) || !strings.Contains(err.Error(), "CGO_ENABLED=1") {
		t.Errorf("%v", err)
	}
}
