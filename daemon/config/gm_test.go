package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProtectOverlaps: addresses that two groups guard are opened by neither for the other.
func TestProtectOverlaps(t *testing.T) {
	const file = `
name: gm1
local: 10.0.0.9:848
control: c
state: s
identity: {address: 10.0.0.9}
interfaces: {lan: [lan0], wan: wan0}
groups:
  - {name: red, id: 1, key-servers: [{address: "10.0.0.1:848", secret-file: k}], protect: %s}
  - {name: green, id: 2, key-servers: [{address: "10.0.0.1:848", secret-file: k}], protect: %s%s}
`
	for _, row := range []struct{ name, red, green, more, warn string }{
		{"apart", "[10.1.0.0/16]", "[10.2.0.0/16, 232.0.0.0/8]", "", ""},
		{"one inside the other", "[10.0.0.0/8]", "[192.168.0.0/16, 10.2.0.0/16]", "", "groups red and green both protect 10.2.0.0/16"},
		{"the other way round", "[10.2.0.0/16]", "[10.0.0.0/8]", "", "both protect 10.2.0.0/16"},
		{"one fails open", "[10.0.0.0/8]", "[10.0.0.0/8]", ", fail: open", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "k"), []byte("0123456789abcdef"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "gm.yml")
			if err := os.WriteFile(path, fmt.Appendf(nil, file, row.red, row.green, row.more), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := LoadGM(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(c.Warnings, "\n"); (got == "") != (row.warn == "") || !strings.Contains(got, row.warn) {
				t.Errorf("warnings %q, want %q", got, row.warn)
			}
		})
	}
}
