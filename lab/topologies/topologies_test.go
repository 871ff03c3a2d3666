package topologies

import (
	"testing"

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
		for profile := range s.Profiles {
			if _, err := Load(name, scenario.Options{Profile: profile}); err != nil {
				t.Errorf("%s, profile %s: %v", name, profile, err)
			}
		}
	}
}
