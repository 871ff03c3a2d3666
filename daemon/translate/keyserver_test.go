package translate

import (
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
)

func TestHealth(t *testing.T) {
	tek := func(left time.Duration) []gdoi.TEKInfo { return []gdoi.TEKInfo{{Remaining: left}} }
	for _, row := range []struct {
		name   string
		s      keyserver.Snapshot
		want   string
		reason string
	}{
		{"well", keyserver.Snapshot{TEKs: tek(time.Hour), Least: time.Hour, ActivationDelay: time.Minute}, healthOK, ""},
		{"in a rollover", keyserver.Snapshot{TEKs: append(tek(time.Minute), tek(time.Hour)...), Least: time.Hour, ActivationDelay: time.Minute}, healthOK, ""},
		{"no new key", keyserver.Snapshot{TEKs: tek(90 * time.Second), Least: 90 * time.Second, ActivationDelay: time.Minute, Problems: []string{"the token is gone"}}, healthExpiring, "1m30s; the token is gone"},
		{"no token", keyserver.Snapshot{TEKs: tek(time.Hour), Least: time.Hour, ActivationDelay: time.Minute, Problems: []string{"the token is gone"}}, healthDegraded, "the token is gone"},
		{"not begun", keyserver.Snapshot{}, healthOK, ""},
		{"all together", keyserver.Snapshot{Coop: &coop.Info{Ready: true}}, healthOK, ""},
		{"no primary", keyserver.Snapshot{Coop: &coop.Info{Why: "no primary yet"}}, healthDegraded, "registers no members: no primary yet"},
		{"split", keyserver.Snapshot{Coop: &coop.Info{Ready: true, Unreachable: []coop.ID{2, 3}, Rivals: []coop.ID{4}}}, healthDegraded, "out of reach: key server 2, 3; primary too: key server 4"},
	} {
		if got, reason := health(row.s); got != row.want || !strings.HasSuffix(reason, row.reason) {
			t.Errorf("%s: %s %q, want %s %q", row.name, got, reason, row.want, row.reason)
		}
	}
}
