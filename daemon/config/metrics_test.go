package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMetrics: where metrics may be served, and what is said of it.
func TestMetrics(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("testdata/ks-dual.yml")
	if err != nil {
		t.Fatal(err)
	}
	secretModes(t)
	if err := os.CopyFS(filepath.Join(dir, "psk"), os.DirFS("testdata/psk")); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "psk/*"))
	for _, f := range files {
		if err := os.Chmod(f, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ listen, effective, err, warning string }{
		{`"127.0.0.1:9464"`, `metrics: {listen: "127.0.0.1:9464"}`, "", ""},
		{`"[::1]:9464"`, `metrics: {listen: "[::1]:9464"}`, "", ""},
		{`run/m.sock`, "metrics: {listen: " + filepath.Join(dir, "run/m.sock") + "}", "", ""},
		{`/run/m.sock`, "metrics: {listen: /run/m.sock}", "", ""},
		{`"10.0.0.1:9464"`, `metrics: {listen: "10.0.0.1:9464"}`, "", "whoever reaches 10.0.0.1:9464 reads"},
		{`"0.0.0.0:9464"`, `metrics: {listen: "0.0.0.0:9464"}`, "", "any address of this machine reads"},
		{`"[::]:9464"`, `metrics: {listen: "[::]:9464"}`, "", "any address of this machine reads"},
		{`"localhost:9464"`, "", `"localhost:9464" is not where metrics can be served`, ""},
		{`"127.0.0.1"`, "", "is not where", ""},
		{`"127.0.0.1:0"`, "", "is not where", ""},
		{`[a]`, "", "expected a value, found a list", ""},
	} {
		path := filepath.Join(dir, "ks.yml")
		lines := "metrics: {listen: " + row.listen + "}\n" + string(text)
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := LoadKS(path)
		if row.err != "" {
			if err == nil || !strings.Contains(err.Error(), row.err) || !strings.Contains(err.Error(), path+":1:19: ") {
				t.Errorf("%s: %v", row.listen, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row.listen, err)
			continue
		}
		if !strings.Contains(c.Effective(), row.effective+"\n") || !strings.Contains(c.Fixed(), row.effective) {
			t.Errorf("%s: in effect is\n%s", row.listen, c.Effective())
		}
		if got := strings.Join(c.Warnings, "\n"); (row.warning == "") != (got == "") || !strings.Contains(got, row.warning) || row.warning != "" && !strings.HasPrefix(got, path+":1:19: metrics: ") {
			t.Errorf("%s: warnings %q", row.listen, got)
		}
	}
}
