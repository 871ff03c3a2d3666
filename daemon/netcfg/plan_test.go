package netcfg

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/getvpn/getvpn/gdoi/policy"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestPlanRoutes(t *testing.T) {
	for _, row := range []struct {
		name      string
		protected []string
		main      map[string]bool // prefix, through the WAN
		want      map[string]way
	}{
		{"nothing protected", nil, map[string]bool{"0.0.0.0/0": true}, map[string]way{}},
		{"LAN inside the range", []string{"10.0.0.0/8"}, map[string]bool{"0.0.0.0/0": true, "10.1.1.0/24": false},
			map[string]way{"10.0.0.0/8": intoTUN, "10.1.1.0/24": throw}},
		{"LAN outside the range", []string{"10.0.0.0/8"}, map[string]bool{"192.168.0.0/24": false}, map[string]way{"10.0.0.0/8": intoTUN}},
		{"default through another interface", []string{"10.0.0.0/8"}, map[string]bool{"0.0.0.0/0": false}, map[string]way{"10.0.0.0/8": intoTUN}},
		{"WAN route inside a LAN summary", []string{"10.0.0.0/8"}, map[string]bool{"10.1.0.0/16": false, "10.1.9.0/24": true, "10.3.0.0/16": true},
			map[string]way{"10.0.0.0/8": intoTUN, "10.1.0.0/16": throw, "10.1.9.0/24": intoTUN}},
		{"everything protected", []string{"0.0.0.0/0"}, map[string]bool{"0.0.0.0/0": true, "10.1.1.0/24": false},
			map[string]way{"0.0.0.0/0": intoTUN, "10.1.1.0/24": throw}},
		{"IPv6", []string{"2001:db8::/32"}, map[string]bool{"::/0": true, "2001:db8:1::/64": false, "10.1.1.0/24": false},
			map[string]way{"2001:db8::/32": intoTUN, "2001:db8:1::/64": throw}},
		{"all of IPv6", []string{"::/0"}, map[string]bool{"::/0": true, "2001:db8:1::/64": false},
			map[string]way{"::/0": intoTUN, "2001:db8:1::/64": throw, "fe80::/10": throw}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var protected []netip.Prefix
			for _, p := range row.protected {
				protected = append(protected, pfx(p))
			}
			var main []mainRoute
			for p, wan := range row.main {
				main = append(main, mainRoute{pfx(p), wan})
			}
			got := map[string]way{}
			for p, w := range planRoutes(protected, main) {
				got[p.String()] = w
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func mustList(t testing.TB, lines ...string) policy.List {
	t.Helper()
	var out policy.List
	for _, l := range lines {
		r, err := policy.ParseRule(l)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

func TestVerdicts(t *testing.T) {
	list := mustList(t, "deny tcp any any eq 22", "permit ip 10.0.0.0/8 10.0.0.0/8")
	protect := []netip.Prefix{pfx("10.0.0.0/8"), pfx("fd00::/8")}
	for _, row := range []struct {
		name  string
		group Group
		in    []string // drop or pass, then the rule
		out   []string
	}{
		{"before the first registration", Group{Protect: protect},
			[]string{"drop permit ip 10.0.0.0/8 10.0.0.0/8", "drop permit ip fd00::/8 fd00::/8"},
			[]string{"drop permit ip any 10.0.0.0/8", "drop permit ip any6 fd00::/8"}},
		{"registered", Group{Protect: protect, Rules: list, Registered: true},
			[]string{"pass deny tcp any any eq 22", "drop permit ip 10.0.0.0/8 10.0.0.0/8"},
			[]string{"pass deny tcp any any eq 22", "drop permit ip 10.0.0.0/8 10.0.0.0/8"}},
		{"keys lost", Group{Protect: protect[:1], Rules: list},
			[]string{"pass deny tcp any any eq 22", "drop permit ip 10.0.0.0/8 10.0.0.0/8", "drop permit ip 10.0.0.0/8 10.0.0.0/8"},
			[]string{"pass deny tcp any any eq 22", "drop permit ip 10.0.0.0/8 10.0.0.0/8", "drop permit ip any 10.0.0.0/8"}},
		{"local exception", Group{Local: list[:1], Protect: protect[:1]},
			[]string{"pass deny tcp any any eq 22", "drop permit ip 10.0.0.0/8 10.0.0.0/8"},
			[]string{"pass deny tcp any any eq 22", "drop permit ip any 10.0.0.0/8"}},
		{"nothing known", Group{Local: list[:1]},
			[]string{"pass deny tcp any any eq 22", "drop permit ip any any", "drop permit ip any6 any6"},
			[]string{"pass deny tcp any any eq 22", "drop permit ip any any", "drop permit ip any6 any6"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, dir := range []struct {
				inward bool
				want   []string
			}{{true, row.in}, {false, row.out}} {
				vs := verdicts(row.group, dir.inward)
				var got []string
				for _, v := range vs {
					s := "pass "
					if v.drop {
						s = "drop "
					}
					got = append(got, s+v.String())
				}
				if diff := cmp.Diff(dir.want, got); diff != "" {
					t.Errorf("inward=%v: %s", dir.inward, diff)
				}
			}
		})
	}
}

func TestDestinations(t *testing.T) {
	for _, row := range []struct {
		name  string
		group Group
		want  []string
	}{
		{"nothing known: IPv6 is left to the guard", Group{}, []string{"0.0.0.0/0"}},
		{"named before the policy is known", Group{Protect: []netip.Prefix{pfx("10.0.0.0/8"), pfx("2001:db8::/32")}}, []string{"10.0.0.0/8", "2001:db8::/32"}},
		{"both versions", Group{Registered: true, Rules: mustList(t, "deny ipv6 2001:db8:9::/48 any6", "permit ipv6 any6 2001:db8::/32", "permit ip any 10.0.0.0/8")},
			[]string{"10.0.0.0/8", "2001:db8::/32"}},
		{"what stays on its link", Group{Registered: true, Rules: mustList(t, "permit ipv6 any6 fe80::/64", "permit ipv6 any6 ff02::/16", "permit ipv6 any6 any6")},
			[]string{"::/0"}},
	} {
		var got []string
		for _, p := range destinations([]Group{row.group}) {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: %s", row.name, diff)
		}
	}
}

func TestConfig(t *testing.T) {
	good := Config{Name: "gm1", WAN: "wan0", TUN: "gv0", LAN: []string{"lan0"}, InnerMTU: func(m int) int { return m }}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"no name":        func(c *Config) { c.Name = "" },
		"no WAN":         func(c *Config) { c.WAN = "" },
		"long TUN":       func(c *Config) { c.TUN = "abcdefghijklmnop" },
		"two roles":      func(c *Config) { c.LAN = []string{"wan0"} },
		"no MTU":         func(c *Config) { c.InnerMTU = nil },
		"one table":      func(c *Config) { c.TableIn, c.TableOut = 7, 7 },
		"bad preference": func(c *Config) { c.Preference = 32766 },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := guardName("gm-1.lab"); got != "getvpn_gm_1_lab" {
		t.Error(got)
	}
}
