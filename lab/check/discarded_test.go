package check

import (
	"testing"

	"github.com/getvpn/getvpn/daemon/control"
)

// What grew is named with its member; a daemon that was started in between counts from nothing, and who gives no answer is left out.
func TestDrops(t *testing.T) {
	says := says(t, map[string]*control.Snapshot{"gm1": aDrop("replay", 7), "gm2": aDrop("unknown-spi", 3), "ks1": {KS: &control.KeyServer{}}})
	now := says.discarded(t.Context(), []string{"gm1", "gm2", "gm3", "ks1"})
	for _, c := range []struct {
		before discarded
		want   string
	}{
		{discarded{}, "gm1 replay 7, gm2 unknown-spi 3"},
		{discarded{"gm1": {{Name: "replay", Count: 7}}, "gm2": {{Name: "unknown-spi", Count: 1}, {Name: "replay", Count: 4}}}, "gm2 unknown-spi 2"},
		{discarded{"gm1": {{Name: "replay", Count: 9}}, "gm2": {{Name: "unknown-spi", Count: 3}}}, "gm1 replay 7"},
		{now, ""},
	} {
		if got := now.since(c.before); got != c.want {
			t.Errorf("after %v: %q, want %q", c.before, got, c.want)
		}
	}
}

func aDrop(reason string, n uint64) *control.Snapshot {
	return &control.Snapshot{GM: &control.GroupMember{DataPath: control.DataPath{Drops: []control.Counter{{Name: reason, Count: n}}}}}
}
