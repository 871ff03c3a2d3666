package gm

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/loop"
	"github.com/getvpn/getvpn/daemon/process"
)

// TestReconfigure: a member says what a restart would change, and that a broken file changes nothing.
func TestReconfigure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gm.yml")
	write := func(clear, fail string) {
		t.Helper()
		text := `name: gm1
local: 172.16.0.2
control: c
state: s
identity: {address: 172.16.0.2}
interfaces: {wan: wan0}
groups:
  - name: red
    id: 1
    key-servers: [{address: 172.16.0.1, secret: 0123456789abcdef}]
    protect: [10.1.0.0/16]
    fail: ` + fail + `
    clear: ["` + clear + `"]
`
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("deny tcp any any eq 22", "closed")
	c, err := config.LoadGM(path)
	if err != nil {
		t.Fatal(err)
	}
	d := &Daemon{cfg: c, log: slog.New(slog.DiscardHandler), clock: loop.NewSystemClock()}
	d.sink = process.Sink{Node: "gm1", Log: d.log, Journal: &d.journal}
	for _, row := range []struct {
		name, clear, fail string
		event, text       string
	}{
		{"the same", "deny tcp any any eq 22", "closed", "", ""},
		{"local list", "deny tcp any any eq 23", "closed", "needs-restart", `+ - "deny tcp any any eq 23"  - - "deny tcp any any eq 22"`},
		{"local permit", "permit tcp any any eq 23", "closed", "config-refused", "gm.yml:13:"},
		{"fail mode", "deny tcp any any eq 22", "open", "needs-restart", "+ fail: open"},
	} {
		last := d.journal.Last()
		write(row.clear, row.fail)
		d.Reconfigure(t.Context())
		events := d.journal.Since(last, 10)
		if row.event == "" {
			if len(events) != 0 {
				t.Errorf("%s: %+v", row.name, events)
			}
			continue
		}
		if len(events) != 1 || events[0].Name != row.event || !strings.Contains(events[0].Text, row.text) {
			t.Errorf("%s: %+v, want %s %q", row.name, events, row.event, row.text)
		}
	}
}
