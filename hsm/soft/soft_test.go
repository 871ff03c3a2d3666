package soft

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/getvpn/getvpn/hsm"
	"github.com/getvpn/getvpn/hsm/hsmtest"
)

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestKeysStayInTheirDirectory: no key is ever, under another name, where a process that is killed then would leave it to others.
func TestKeysStayInTheirDirectory(t *testing.T) {
	elsewhere, keys := t.TempDir(), filepath.Join(t.TempDir(), "keys")
	t.Setenv("TMPDIR", elsewhere)
	long := time.Now().Add(-time.Hour).Round(time.Second)
	if err := os.Chtimes(elsewhere, long, long); err != nil {
		t.Fatal(err)
	}
	if err := open(t, keys).Ensure(t.Context(), "rekey", hsm.Spec{Kind: hsm.P256, Use: hsm.Sign}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(elsewhere); err != nil || !info.ModTime().Equal(long) {
		t.Errorf("something was made in TMPDIR: %v, %v", info.ModTime(), err)
	}
}

func TestSignAcrossRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	ctx := t.Context()
	if err := open(t, dir).Ensure(ctx, "rekey", hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Sign}); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if err := s.Ensure(ctx, "rekey", hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Sign}); err != nil {
		t.Fatal(err)
	}
	if err := s.Ensure(ctx, "rekey", hsm.Spec{Kind: hsm.RSA3072, Use: hsm.Sign}); err == nil {
		t.Error("a key of another size was accepted")
	}
	pub, err := s.Public(ctx, "rekey")
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	for _, row := range []struct {
		name   string
		scheme hsm.Scheme
		hash   crypto.Hash // of the verification
	}{
		{"RFC 6407 form", hsm.RSAPKCS1v15, crypto.SHA256},
		{"bare digest", hsm.RSABare, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			sig, err := s.Sign(ctx, "rekey", row.scheme, crypto.SHA256, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			if err := rsa.VerifyPKCS1v15(pub.(*rsa.PublicKey), row.hash, digest[:], sig); err != nil {
				t.Error(err)
			}
		})
	}
	for _, f := range []string{"rekey.pem", stateKeyFile} {
		info, err := os.Stat(filepath.Join(dir, f))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v, want mode 0600", f, info.Mode(), err)
		}
	}
}

func TestSignRefusals(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "keys"))
	digest := make([]byte, 32)
	if _, err := s.Sign(t.Context(), "nobody", hsm.RSAPKCS1v15, crypto.SHA256, digest); !errors.Is(err, hsm.ErrNoKey) {
		t.Errorf("unknown key: %v", err)
	}
	if _, err := s.Public(t.Context(), "../state"); err == nil {
		t.Error("a name that leaves the directory was accepted")
	}
	if err := s.Ensure(t.Context(), "k", hsm.Spec{Kind: hsm.RSA2048, Use: hsm.Sign}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), "k", 99, crypto.SHA256, digest); !errors.Is(err, hsm.ErrUnsupported) {
		t.Errorf("unknown scheme: %v", err)
	}
	if _, err := s.Sign(t.Context(), "k", hsm.RSAPKCS1v15, crypto.SHA256, digest[:31]); err == nil {
		t.Error("a short digest was signed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Sign(ctx, "k", hsm.RSAPKCS1v15, crypto.SHA256, digest); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestSeal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	s := open(t, dir)
	sealed, err := s.Seal([]byte("secret"), []byte("bucket|key"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := open(t, dir).Open(sealed, []byte("bucket|key")); err != nil || string(plain) != "secret" {
		t.Fatalf("after restart: %q %v", plain, err)
	}
	again, _ := s.Seal([]byte("secret"), []byte("bucket|key"))
	if bytes.Equal(sealed, again) {
		t.Error("sealing twice gives the same octets")
	}
	if _, err := s.Open(sealed, []byte("bucket|other")); !errors.Is(err, hsm.ErrSealed) {
		t.Errorf("moved to another key: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open(bad, []byte("bucket|key")); !errors.Is(err, hsm.ErrSealed) {
			t.Errorf("octet %d changed: %v", i, err)
		}
		if _, err := s.Open(sealed[:i], []byte("bucket|key")); !errors.Is(err, hsm.ErrSealed) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	other := open(t, filepath.Join(t.TempDir(), "keys"))
	if _, err := other.Open(sealed, []byte("bucket|key")); !errors.Is(err, hsm.ErrSealed) {
		t.Errorf("foreign state key: %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Run("open directory", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil {
			t.Error("accepted")
		}
	})
	t.Run("short state key", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "keys")
		open(t, dir)
		if err := os.WriteFile(filepath.Join(dir, stateKeyFile), []byte("short"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil {
			t.Error("accepted")
		}
	})
}

func TestConformance(t *testing.T) {
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	hsmtest.Suite{
		Open:   func(t *testing.T) hsm.Token { return open(t, a) },
		Second: func(t *testing.T) hsm.Token { return open(t, b) },
	}.Run(t)
}
