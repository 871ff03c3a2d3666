package topologies

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/lab/check"
	"github.com/getvpn/getvpn/lab/pki"
	"github.com/getvpn/getvpn/lab/scenario"
)

func TestEveryScenarioParses(t *testing.T) {
	for _, name := range Names() {
		s, err := Load(name, scenario.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name != name {
			t.Errorf("directory %s holds scenario %s", name, s.Name)
		}
		if err := check.Validate(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for profile := range s.Profiles {
			if _, err := Load(name, scenario.Options{Profile: profile}); err != nil {
				t.Errorf("%s, profile %s: %v", name, profile, err)
			}
		}
	}
}

// The daemons would refuse a mistake too, but only when somebody brings the lab up.
func TestConfigurationsAreAccepted(t *testing.T) {
	for _, name := range Names() {
		s, err := Load(name, scenario.Options{})
		if err != nil {
			t.Fatal(err)
		}
		accepted(t, s)
		for profile := range s.Profiles {
			if s, err = Load(name, scenario.Options{Profile: profile}); err != nil {
				t.Fatal(err)
			}
			accepted(t, s)
		}
	}
}

// weak says of scenarios which warnings they are about.
var weak = map[string][]string{"suites": {"does not encrypt", "3DES"}, "hsm": {"allow-oaep-sha1"}}

func accepted(t *testing.T, s *scenario.Scenario) {
	t.Helper()
	dir := t.TempDir()
	for _, secret := range s.Secrets {
		if err := os.WriteFile(filepath.Join(dir, secret), []byte("a secret for tests alone, of "+secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "pin"), []byte("a PIN for tests alone\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pki.Make(dir, s.PKI, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, n := range s.Nodes {
		if n.Program == "" {
			continue
		}
		at := scenario.Places{Dir: dir, Socket: filepath.Join(dir, "s"), State: filepath.Join(dir, "state"), Secrets: dir, Module: "/usr/lib/softhsm/libsofthsm2.so",
			PIN: filepath.Join(dir, "pin")}
		text, err := s.Render(&n, at)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, n.Name+".yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var warnings []string
		if n.Kind == scenario.KindKeyServer {
			c, failed := config.LoadKS(file)
			err, warnings = failed, c.Warnings
		} else {
			c, failed := config.LoadGM(file)
			err, warnings = failed, c.Warnings
		}
		warnings = slices.DeleteFunc(warnings, func(w string) bool {
			return slices.ContainsFunc(weak[s.Name], func(known string) bool { return strings.Contains(w, known) })
		})
		if err != nil || len(warnings) > 0 {
			t.Errorf("%s of %s: %v %v", n.Name, s.Name, err, warnings)
		}
	}
}
