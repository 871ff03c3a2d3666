package source

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

// TestHangs: who has keys tells of them every second; who has none may be silent for long.
func TestHangs(t *testing.T) {
	now := time.Unix(1000, 0)
	keys := []control.TEK{{SPI: "a"}}
	gm := func(teks []control.TEK) *control.Snapshot {
		return &control.Snapshot{GM: &control.GroupMember{Groups: []control.GMGroup{{TEKs: teks}}}}
	}
	for _, c := range []struct {
		name      string
		snap      *control.Snapshot
		connected bool
		age       time.Duration
		want      bool
	}{
		{"it talks", gm(keys), true, time.Second, false}, {"it is silent", gm(keys), true, 6 * time.Second, true}, {"it has no keys", gm(nil), true, time.Minute, false},
		{"it is down", gm(keys), false, time.Minute, false}, {"never seen", nil, true, time.Minute, false},
		{"a lone key server", &control.Snapshot{KS: &control.KeyServer{Groups: []control.KSGroup{{TEKs: keys}}}}, true, 6 * time.Second, true},
	} {
		f := &Fleet{Time: now}
		if got := f.Hangs(&Node{Snap: c.snap, Connected: c.connected, Seen: now.Add(-c.age)}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
