package pkcs11

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/hsm"
)

func TestPINFile(t *testing.T) {
	dir := t.TempDir()
	file := func(text string, mode os.FileMode) string {
		path := filepath.Join(dir, "pin")
		_ = os.Remove(path)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, row := range []struct {
		name, text string
		mode       os.FileMode
		want       string // empty: refused
	}{
		{"plain", "1234", 0o600, "1234"},
		{"with a newline", "1234\r\n", 0o400, "1234"},
		{"blanks belong to it", " 12 34 ", 0o600, " 12 34 "},
		{"open to others", "1234", 0o640, ""},
		{"empty", "\n", 0o600, ""},
		{"too long", strings.Repeat("1", maxPIN+1), 0o600, ""},
		{"as long as can be", strings.Repeat("1", maxPIN), 0o600, strings.Repeat("1", maxPIN)},
	} {
		path := file(row.text, row.mode)
		for _, source := range []string{path, "file:" + path, "file://" + path} {
			pin, err := PINFile(source)(t.Context())
			if string(pin) != row.want || (err == nil) != (row.want != "") {
				t.Errorf("%s, %s: %q, %v", row.name, source, pin, err)
			}
			if err != nil && strings.Contains(err.Error(), "1234") {
				t.Errorf("%s: the error shows the PIN: %v", row.name, err)
			}
		}
	}
}

func TestOptions(t *testing.T) {
	pin := PINFile("/nowhere")
	for name, o := range map[string]Options{
		"no module": {Token: hsm.URI{Token: "x"}, PIN: pin},
		"no token":  {Module: "/m.so", PIN: pin},
		"no PIN":    {Module: "/m.so", Token: hsm.URI{Token: "x"}},
	} {
		if _, err := o.normal(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	o, err := Options{Token: hsm.URI{Token: "x", ModulePath: "/m.so", PINSource: "/nowhere"}, Sessions: 1000, Queue: 1 << 20}.normal()
	if err != nil || o.Module != "/m.so" || o.PIN == nil || o.Sessions > 64 || o.Queue > maxQueue || o.Timeout <= 0 {
		t.Errorf("%+v, %v", o, err)
	}
}

// TestWithoutCgo is the only test of Open in a build without cgo, which says so.
func TestWithoutCgo(t *testing.T) {
	if Available {
		t.Skip("this build has cgo: CGO_ENABLED=0 go test ./hsm/pkcs11 runs it")
	}
	if _, err := Open(t.Context(), Options{}); !errors.Is(err, hsm.ErrUnsupported) || !strings.Contains(err.Error(), "CGO_ENABLED=1") {
		t.Errorf("%v", err)
	}
}
