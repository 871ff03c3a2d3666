package classic

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
)

var update = flag.Bool("update", false, "rewrite testdata/*.txt")

// snapshot is what a daemon said: ks1 is the primary of three key servers and ks2 a secondary, gm1 is a member of theirs; ks4 is
// alone, and gives gm4 CBC keys and the group's time.
func snapshot(t *testing.T, name string) *control.Snapshot {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	s := &control.Snapshot{}
	if err := json.Unmarshal(b, s); err != nil {
		t.Fatal(err)
	}
	return s
}

var recorded = []string{"ks1", "ks2", "ks4", "gm1", "gm4"}

// terminal is all that a device says, as on its terminal.
func terminal(s *control.Snapshot) string {
	var b strings.Builder
	for i := range commands {
		q := Query{Command: &commands[i]}
		if a := q.Answer(s); a != nil {
			b.WriteString(s.Name + "#" + q.Line() + "\n" + Text(a) + "\n")
		}
	}
	return b.String()
}

// TestGolden: what is printed of snapshots that daemons made.
func TestGolden(t *testing.T) {
	for _, name := range recorded {
		got := terminal(snapshot(t, name))
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs from %s; look at it and run with -update", name, path)
			for i, line := range strings.Split(got, "\n") {
				if w := strings.Split(string(want), "\n"); i >= len(w) || line != w[i] {
					t.Errorf("line %d: %q", i+1, line)
					break
				}
			}
		}
	}
}

// TestData: the same, typed.
func TestData(t *testing.T) {
	ask := func(name, line string) []map[string]any {
		t.Helper()
		q, err := Parse(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(q.Answer(snapshot(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		var out []map[string]any
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	m := ask("ks1", "ks members 127.0.1.2")[0]
	if list := m["group_members"].([]any); len(list) != 1 || list[0].(map[string]any)["rekeys_sent"] != 3.0 || m["last_rekey_duration_msec"].(float64) <= 0 {
		t.Errorf("one member: %v", m)
	}
	p := ask("ks1", "ks policy")[0]["tek_policy"].([]any)
	if first, last := p[0].(map[string]any), p[1].(map[string]any); first["time_to_rekey_sec"] == nil || last["time_to_rekey_sec"] != nil || first["phase"] == "" {
		t.Errorf("TEKs: %v", p)
	}
	if g := ask("gm4", "gdoi")[0]["member"].(map[string]any); g["anti_replay"].(map[string]any)["method"] != "Time" || g["rekeys_received"].(float64) < 1 {
		t.Errorf("member: %v", g)
	}
	if k := ask("gm1", "gm pubkey")[0]["keys"].([]any); len(k) != 3 {
		t.Errorf("%d signing keys, want those of three key servers", len(k))
	}
	if q, _ := Parse([]string{"ks"}); q.Answer(snapshot(t, "gm1")) != nil {
		t.Error("a member answers for a key server")
	}
	if q, _ := Parse([]string{"gdoi", "group", "green"}); q.Answer(snapshot(t, "gm1")) != nil {
		t.Error("a group that is not there")
	}
}

// TestParse: commands, cut short and with the words that routers have before them; what is none says what would be one.
func TestParse(t *testing.T) {
	for line, want := range map[string]string{
		"gdoi": "show crypto gdoi", "crypto gkm": "show crypto gdoi", "cry gd": "show crypto gdoi", "gdoi group blue": "show crypto gdoi group blue",
		"gdoi group ks ks members": "show crypto gdoi group ks ks members", "ks": "show crypto gdoi ks", "crypto gkm ks mem sum": "show crypto gdoi ks members summary",
		"ks members 10.1.1.1": "show crypto gdoi ks members 10.1.1.1", "gm rek det": "show crypto gdoi gm rekey detail", "gm data count": "show crypto gdoi gm dataplane counters",
		"gm dataplan counter": "show crypto gdoi gm dataplane counters", "ks coop det": "show crypto gdoi ks coop detail", "gdoi rek sa": "show crypto gdoi rekey sa", "ks co": "show crypto gdoi ks coop",
		"gm i": "show crypto gdoi gm identifier", "gdoi det": "show crypto gdoi detail",
	} {
		q, err := Parse(strings.Fields(line))
		if err != nil || q.Line() != want {
			t.Errorf("%s: %q, %v; want %q", line, q.Line(), err, want)
		}
	}
	for line, want := range map[string]string{
		"crypto": "only gdoi and gkm", "crypto ipsec sa": "only gdoi and gkm", "ks what": `after that comes one of: detail, members, policy, coop, acl, identifier`, "gm re": `"re" could be one of: rekey, replay`,
		"gm dataplane": "not complete, or not known; after that comes one of: counters", "gdoi group": "say which one", "ks policy 1": `"1" is not known here; nothing comes after that`, "gdoi nothing": `"nothing" is not known here; after that comes one of: detail, ks, gm, rekey`, "ks members 1 2": `"1" is not known`,
	} {
		if _, err := Parse(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q in it", line, err, want)
		}
	}
	for _, w := range []string{"gdoi", "gkm", "crypto", "cry", "ks", "gm", "gd"} {
		if !Begins(w) {
			t.Errorf("%s begins no command", w)
		}
	}
	for _, w := range []string{"c", "g", "k", "coop", "custody", "members", "policy", "gmx", ""} {
		if Begins(w) {
			t.Errorf("%q begins a command", w)
		}
	}
	if got := strings.Join(Complete([]string{"crypto", "gdoi", "ks", "me"}), " "); got != "members" {
		t.Errorf("completes to %q", got)
	}
}

func TestWords(t *testing.T) {
	for suite, want := range map[string]transform{
		"aes-256-gcm": {"esp-gcm 256", 32, 0, true}, "aes-128-gmac": {"esp-gmac 128", 16, 0, true}, "aes-256-cbc-sha512": {"esp-256-aes esp-sha512-hmac", 32, 64, false},
		"aes-192-ctr-sha384": {"esp-192-ctr esp-sha384-hmac", 24, 48, true}, "3des-cbc-sha1": {"esp-3des esp-sha-hmac", 24, 20, false}, "null-sha256": {"esp-null esp-sha256-hmac", 0, 32, false},
		"chacha20-poly1305": {"esp-chacha20-poly1305", 32, 0, true}, "something": {"something", 0, 0, false},
	} {
		if got := transformOf(suite); got != want {
			t.Errorf("%s: %+v", suite, got)
		}
	}
	for rule, want := range map[string]string{
		"deny udp any eq 848 any eq 848": "deny udp any port = 848 any port = 848", "permit ip 10.1.0.0/16 host 10.2.0.1": "permit ip 10.1.0.0 0.0.255.255 host 10.2.0.1",
		"deny icmpv6 any6 any6": "deny icmpv6 any any", "permit ip 2001:db8::/32 any6": "permit ipv6 2001:db8::/32 any", "deny tcp any6 any6 eq 22": "deny tcp any any eq 22",
		"deny tcp any any range 20 23": "deny tcp any any range 20 23", "permit ip 10.0.0.0/9 any": "permit ip 10.0.0.0 0.127.255.255 any",
	} {
		if got := entry(rule); got != want {
			t.Errorf("%s: %q", rule, got)
		}
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if got := clock(now, now.Add(-26*time.Hour-62*time.Second)); got != "26:01:02" {
		t.Errorf("clock %s", got)
	}
	if clock(now, time.Time{}) != "00:00:00" || until(now, now.Add(-time.Second)) != 0 || until(now, now.Add(1600*time.Millisecond)) != 2 || whole(0.2) != 1 || whole(-1) != 0 {
		t.Error("times")
	}
	if h, p := hostPort("[2001:db8::1]:848, 10.0.0.1:848"); h != "2001:db8::1" || p != "848" || path(h) != "ipv6" || host("") != noAddress {
		t.Errorf("address %s %s", h, p)
	}
}
