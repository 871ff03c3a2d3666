package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// loadAny loads by the file's first letters, "ks" or "gm".
func loadAny(path string) (effective string, warnings []string, err error) {
	if strings.HasPrefix(filepath.Base(path), "ks") {
		c, err := LoadKS(path)
		return c.Effective(), c.Warnings, err
	}
	c, err := LoadGM(path)
	return c.Effective(), c.Warnings, err
}

// secretModes gives the secrets of testdata the mode that a checkout does not keep.
func secretModes(t *testing.T) {
	t.Helper()
	for _, f := range []string{"testdata/psk/gm1", "testdata/psk/ks", "testdata/psk/ks2", "testdata/pin"} {
		if err := os.Chmod(f, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExamples: the commented examples load without a warning, and mean what they say.
func TestExamples(t *testing.T) {
	secretModes(t)
	for _, path := range []string{"testdata/ks.yml", "testdata/gm.yml", "testdata/ks-dual.yml", "testdata/gm-dual.yml", "testdata/ks-coop.yml", "testdata/ks-hsm.yml"} {
		eff, warnings, err := loadAny(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(warnings) != 0 {
			t.Errorf("%s warns: %q", path, warnings)
		}
		if strings.Contains(eff, "lab-secret") {
			t.Errorf("%s: a secret is printed", path)
		}
		golden(t, path+".effective", eff)
	}
}

// TestMistakes compares the whole error text of files with mistakes.
func TestMistakes(t *testing.T) {
	secretModes(t)
	files, err := filepath.Glob("testdata/bad/*.yml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, warnings, err := loadAny(path)
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("got %v, want ErrInvalid", err)
			}
			text := err.Error() + "\n"
			for _, w := range warnings {
				text += "warning: " + w + "\n"
			}
			if strings.Contains(text, "271828") || strings.Contains(text, "314159") {
				t.Errorf("a PIN is shown: %s", text)
			}
			golden(t, path+".golden", text)
		})
	}
}

func TestSecretModes(t *testing.T) {
	const file = `name: ks1
listen: 10.0.0.1
control: c
state: s
identity: {address: 10.0.0.1}
pre-shared-keys: [{peer: 10.1.0.1, %s}]
groups: [{name: g, id: 1, authorise: [{address: 10.1.0.1}], policy: ["deny udp any eq 848 any eq 848", "permit ip 10.7.0.0/16 10.7.0.0/16"]}]
`
	for _, row := range []struct {
		name, secret string
		mode         os.FileMode
		err, warn    string
	}{
		{"private", "secret-file: k", 0o600, "", ""},
		{"group may read", "secret-file: k", 0o640, "", "open to its group"},
		{"world may read", "secret-file: k", 0o644, "open to everybody", ""},
		{"inline", "secret: 0123456789abcdef", 0o600, "", "secret stands in the configuration"},
		{"missing", "secret-file: other", 0o600, "there is no file", ""},
		{"directory", "secret-file: .", 0o600, "is not a file", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			key, path := filepath.Join(dir, "k"), filepath.Join(dir, "ks.yml")
			if err := os.WriteFile(key, []byte("0123456789abcdef\n"), row.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(key, row.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, fmt.Appendf(nil, file, row.secret), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := LoadKS(path)
			if got := fmt.Sprint(err); row.err == "" && err != nil || !strings.Contains(got, row.err) {
				t.Errorf("error %q, want %q", got, row.err)
			}
			if got := strings.Join(c.Warnings, "\n"); (got == "") != (row.warn == "") || !strings.Contains(got, row.warn) {
				t.Errorf("warnings %q, want %q", got, row.warn)
			}
			if row.err == "" && string(c.PSKs[0].Secret.Bytes()) != "0123456789abcdef" {
				t.Error("the secret is not what the file holds")
			}
			if c.State != filepath.Join(dir, "s") {
				t.Errorf("state is %s: not relative to the file", c.State)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	for _, path := range []string{"testdata/ks.yml", "testdata/gm.yml", "testdata/bad/ks-many.yml"} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d := &decoder{file: "f", dir: "testdata", lines: strings.Split(string(text), "\n")}
		if v := d.parse(text); v != nil {
			d.ks(v, new(KS))
			d.gm(v, new(GM))
		}
		if err := d.err(); err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatalf("%v is not ErrInvalid", err)
		}
	})
}
