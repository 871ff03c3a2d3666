package softhsm

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestTokens(t *testing.T) {
	if _, err := Module(); err != nil {
		t.Skip(err)
	}
	d, err := Make(filepath.Join(t.TempDir(), "hsm"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := Make(filepath.Join(t.TempDir(), "hsm"))
	if err != nil {
		t.Fatal(err)
	}
	there := func(d Dir) bool {
		t.Helper()
		out, err := d.output("--show-slots")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(out, "one")
	}
	if err := d.Init("one", "correct horse", "officer 12"); err != nil {
		t.Fatal(err)
	}
	if !there(d) || there(other) {
		t.Error("the token is not in its directory, or in another one as well")
	}
	_, file := keyFile(t)
	if err := d.Import("one", "correct horse", "gm1", file); err != nil {
		t.Error(err)
	}
	if err := d.Import("one", "wrong horse", "gm2", file); err == nil || strings.Contains(err.Error(), "wrong horse") {
		t.Errorf("with a wrong PIN: %v", err)
	}
	if err := d.Return(); err == nil || d.Lost() {
		t.Errorf("returning what is there: %v", err)
	}
	if err := d.Lose(); err != nil || !d.Lost() {
		t.Fatalf("losing it: %v", err)
	}
	if err := d.Lose(); err == nil {
		t.Error("lost twice")
	}
	if err := d.Return(); err != nil || d.Lost() || !there(d) {
		t.Errorf("it did not come back: %v", err)
	}
}

// TestSecrets: what was imported is what the files hold.
func TestSecrets(t *testing.T) {
	if _, err := Module(); err != nil {
		t.Skip(err)
	}
	d, err := Make(filepath.Join(t.TempDir(), "hsm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Init("one", "correct horse", "officer 12"); err != nil {
		t.Fatal(err)
	}
	key, file := keyFile(t)
	if err := d.Import("one", "correct horse", "gm1", file); err != nil {
		t.Fatal(err)
	}
	// What a crash leaves of a key that was being made: a file, or a file with a generation and no attributes.
	tokens, err := filepath.Glob(filepath.Join(d.tokens(), "*"))
	if err != nil || len(tokens) != 1 {
		t.Fatalf("%q, %v", tokens, err)
	}
	for name, text := range map[string][]byte{"none.object": nil, "half.object": make([]byte, 8)} {
		if err := os.WriteFile(filepath.Join(tokens[0], name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := d.Secrets("one", "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range all {
		got[s.Name] = string(s.Value)
	}
	if len(got) != 8 || got["PIN"] != "correct horse" || len(got["master key"]) != 32 || got["gm1 d"] != string(key.D.Bytes()) || got["gm1 p"] != string(key.Primes[0].Bytes()) {
		t.Errorf("%d secrets: %q", len(got), slices.Collect(maps.Keys(got)))
	}
	for _, bad := range [][2]string{{"one", "wrong horse"}, {"two", "correct horse"}} {
		if _, err := d.Secrets(bad[0], bad[1]); err == nil {
			t.Errorf("token %s with PIN %q: opened", bad[0], bad[1])
		}
	}
}

func keyFile(t *testing.T) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return key, file
}
