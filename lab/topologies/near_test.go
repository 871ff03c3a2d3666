package topologies

import "testing"

func TestNear(t *testing.T) {
	for name, want := range map[string]string{
		"basik": "basic", "bsaic": "basic", "coop-electoin": "coop-election", "rekey_rollover": "rekey-rollover", "breakfix2": "break-fix-2",
		"tunnel": "tunnel-vs-preserved", "nothing": "", "x": "", "nc9": "",
	} {
		if got := near(name, Names()); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
