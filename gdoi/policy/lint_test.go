package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// exemptions is what a list must say so that only what a test is about is found.
var exemptions = []string{
	"deny udp any eq 848 any eq 848",
	"deny tcp any any eq 22", "deny tcp any eq 22 any",
	"deny ospf any any", "deny eigrp any any", "deny pim any any",
	"deny tcp any any eq 179", "deny tcp any eq 179 any",
	"deny udp any any eq 3784", "deny udp any eq 3784 any", "deny udp any any eq 4784", "deny udp any eq 4784 any",
	"deny udp any any eq 123", "deny udp any eq 123 any", "deny udp any any eq 514", "deny udp any eq 514 any",
}

// short is level, code and rule of each finding; rules are counted from 1 behind the exemptions.
func short(fs []Finding, skip int) []string {
	var out []string
	for _, f := range fs {
		out = append(out, fmt.Sprintf("%v %s %d.%d", f.Level, f.Code, f.List, f.Index+1-skip))
	}
	return out
}

func TestLint(t *testing.T) {
	for _, c := range []struct {
		name string
		list []string
		want []string
		says string // in the first finding
	}{
		{"clean", []string{"permit ip 10.0.0.0/8 10.0.0.0/8"}, nil, ""},
		{"clean pair", []string{"permit ip 10.1.0.0/16 10.2.0.0/16", "permit ip 10.2.0.0/16 10.1.0.0/16"}, nil, ""},
		{"clean exceptions", []string{"deny ip 10.1.9.0/24 any", "deny ip any 10.1.9.0/24", "permit ip 10.1.0.0/16 10.1.0.0/16"}, nil, ""},
		{"clean exception of a host", []string{"deny icmp host 10.1.0.1 host 10.1.0.2", "deny icmp host 10.1.0.2 host 10.1.0.1", "permit ip 10.1.0.0/16 10.1.0.0/16"}, nil, ""},

		{"unreachable by one", []string{"permit ip any any", "permit tcp any any"}, []string{"warning unreachable 0.2"},
			"permit tcp any any is never reached: rule 17 (permit ip any any) matches all of it first; remove it"},
		{"unreachable deny", []string{"permit ip 10.0.0.0/8 10.0.0.0/8", "deny tcp 10.1.0.0/16 10.1.0.0/16"}, []string{"warning unreachable 0.2"}, "move it before that one"},
		{"unreachable by two prefixes", []string{
			"permit ip 10.0.0.0/9 10.0.0.0/8", "permit ip 10.128.0.0/9 10.0.0.0/8", "permit ip 10.0.0.0/8 10.0.0.0/8",
		}, []string{"warning unreachable 0.3"}, "rule 17, rule 18 together match all of it first"},
		{"unreachable by two port ranges", []string{
			"deny tcp any lt 1024 any", "deny tcp any gt 1023 any", "permit tcp 10.0.0.0/8 10.0.0.0/8", "permit udp 10.0.0.0/8 10.0.0.0/8",
		}, []string{"warning unreachable 0.3"}, "together"},
		{"reached by one port", []string{
			"permit tcp 10.0.0.0/8 10.0.0.0/8 lt 1024", "permit tcp 10.0.0.0/8 lt 1024 10.0.0.0/8", "permit tcp 10.0.0.0/8 10.0.0.0/8",
		}, []string{"warning ports 0.1", "warning ports 0.2"}, ""},
		{"IPv6 does not hide IPv4", []string{"permit ip any6 any6", "permit ip 10.0.0.0/8 10.0.0.0/8"}, []string{"warning lock-out 0.1", "warning lock-out 0.1", "hint lock-out 0.1"}, ""},

		{"permit before an exception", []string{"permit ip 10.1.0.0/16 10.1.0.0/16", "deny tcp any any eq 23", "deny tcp any eq 23 any"},
			[]string{"warning overlap 0.2", "warning overlap 0.3"}, "deny tcp any any eq 23 clears only a part of what it says: rule 17"},
		{"prefixes that cross", []string{"deny ip 10.0.0.0/8 10.1.9.0/24", "deny ip 10.1.9.0/24 10.0.0.0/8", "permit ip 10.1.0.0/16 10.1.0.0/16"},
			[]string{"warning overlap 0.3"}, "encrypts only a part of what it says"},

		{"one direction", []string{"permit ip 10.1.0.0/16 10.2.0.0/16"}, []string{"warning asymmetric 0.1"},
			"permit ip 10.1.0.0/16 10.2.0.0/16 encrypts one direction only; add permit ip 10.2.0.0/16 10.1.0.0/16"},
		{"one direction of ports", []string{"permit tcp any any eq 80"}, []string{"warning asymmetric 0.1"}, "add permit tcp any eq 80 any"},
		{"the mirror in two parts", []string{
			"permit ip 10.1.0.0/16 10.2.0.0/15", "permit ip 10.2.0.0/16 10.1.0.0/16", "permit ip 10.3.0.0/16 10.1.0.0/16",
		}, nil, ""},
		{"one part of the mirror missing", []string{"permit ip 10.1.0.0/16 10.2.0.0/15", "permit ip 10.2.0.0/16 10.1.0.0/16"}, []string{"warning asymmetric 0.1"}, ""},
		{"exception of one direction", []string{"deny tcp any any eq 80", "permit ip 10.0.0.0/8 10.0.0.0/8"}, []string{"warning asymmetric 0.1"},
			"rule 18 (permit ip 10.0.0.0/8 10.0.0.0/8) encrypts the answers; put deny tcp any eq 80 any before it"},
		{"exception that is none", []string{"deny tcp 192.168.0.0/16 any eq 80", "permit ip 10.0.0.0/8 10.0.0.0/8"}, nil, ""},

		{"multicast has no answers", []string{"permit ip 10.0.0.0/8 232.0.0.0/8"}, nil, ""},

		{"port ranges", []string{"permit tcp any gt 1023 any gt 1023"}, []string{"warning ports 0.1"}, "one port or any"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := mustList(t, append(slices.Clone(exemptions), c.list...)...).Lint()
			if s := short(got, len(exemptions)); !slices.Equal(s, c.want) {
				t.Fatalf("got %q, want %q: %v", s, c.want, got)
			}
			if len(got) > 0 && !strings.Contains(got[0].String(), c.says) {
				t.Errorf("got %q, want %q", got[0], c.says)
			}
			for _, f := range got { // the numbers are those that the text names
				for _, k := range f.By {
					if !strings.Contains(f.Text, fmt.Sprintf("rule %d", k+1)) {
						t.Errorf("hidden by %d, but it says %q", k+1, f.Text)
					}
				}
				if (f.Code == CodeUnreachable) != (len(f.By) > 0) {
					t.Errorf("%s by %v", f.Code, f.By)
				}
			}
		})
	}
}

func TestLockOut(t *testing.T) {
	around := Surroundings{Servers: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")}}
	for _, c := range []struct {
		name string
		list []string
		want []string // level and a part of the text, of each finding
	}{
		{"everything", []string{"permit ip any any"}, []string{
			`warning|encrypts GDOI itself; put "deny udp any eq 848 any eq 848" before it`,
			`warning|encrypts SSH (tcp 22) to the key server 10.0.0.1, which holds no traffic keys; put "deny tcp any any eq 22" and its mirror before it`,
			`warning|encrypts OSPF, EIGRP, PIM, BGP (tcp 179), BFD (udp 3784), multihop BFD (udp 4784); gateways speak it`,
			`hint|encrypts NTP (udp 123), syslog (udp 514); if devices outside`,
		}},
		{"prefixes of ours", []string{"permit ip 10.1.0.0/16 10.1.0.0/16"}, []string{
			"warning|encrypts GDOI", "hint|encrypts SSH (tcp 22), OSPF, EIGRP, PIM, BGP (tcp 179)",
		}},
		{"UDP only", []string{"permit udp 10.0.0.0/8 10.0.0.0/8"}, []string{"warning|GDOI", "hint|BFD (udp 3784), multihop BFD (udp 4784), NTP (udp 123), syslog (udp 514)"}},
		{"denied before", append(slices.Clone(exemptions), "permit ip any any"), nil},
		{"denied after", append([]string{"permit ip 10.0.0.0/8 10.0.0.0/8"}, "deny udp any eq 848 any eq 848"), []string{"warning|GDOI", "warning|SSH (tcp 22) to the key server 10.0.0.1", "hint|OSPF", "warning|clears only a part"}},
		{"denied for a part", []string{"deny udp host 10.1.0.1 eq 848 host 10.0.0.1 eq 848", "deny udp host 10.0.0.1 eq 848 host 10.1.0.1 eq 848", "permit udp 10.0.0.0/8 eq 848 10.0.0.0/8 eq 848"}, []string{"warning|GDOI"}},
		{"multicast", []string{"permit ip 10.0.0.0/8 232.0.0.0/8"}, nil},
		{"multicast of routers", []string{"permit ip 10.0.0.0/8 224.0.0.0/24"}, []string{"warning|encrypts OSPF, EIGRP, PIM; gateways"}},
		{"told once", []string{"permit tcp 10.0.0.0/8 10.2.0.0/16", "permit tcp 10.2.0.0/16 10.0.0.0/8"}, []string{"hint|SSH (tcp 22), BGP", "warning|SSH"}},
		{"both families", []string{"permit tcp 10.1.0.0/16 10.1.0.0/16", "permit tcp 2001:db9::/32 2001:db9::/32"}, []string{"hint|SSH", "hint|SSH"}},
		{"protocols of the other family", []string{"deny icmp any6 any6", "deny icmp6 any4 any4", "permit udp 232.0.0.0/8 232.0.0.0/8"}, []string{
			"warning|deny icmp any6 any6 matches nothing: icmp is IPv4's", "warning|icmp6 is IPv6's"}},
		{"IPv6", []string{"permit tcp 2001:db8::/32 2001:db8::/32"}, []string{`warning|SSH (tcp 22) to the key server 2001:db8::1, which holds no traffic keys; put "deny tcp any6 any6 eq 22"`, "hint|BGP"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := Lint([]Source{{Rules: mustList(t, c.list...)}}, around)
			if len(got) != len(c.want) {
				t.Fatalf("got %v, want %d findings", got, len(c.want))
			}
			for i, f := range got {
				level, text, _ := strings.Cut(c.want[i], "|")
				if f.Level.String() != level || !strings.Contains(f.Text, text) {
					t.Errorf("got %v %q, want %q", f.Level, f.Text, c.want[i])
				}
			}
		})
	}
}

// TestLintSeveralLists: the lists of a group are one list, and findings say whose rule it is.
func TestLintSeveralLists(t *testing.T) {
	got := Lint([]Source{
		{"base", mustList(t, append(slices.Clone(exemptions), "deny ip 10.9.0.0/16 10.9.0.0/16")...)},
		{"voice", mustList(t, "permit ip 10.9.0.0/16 10.9.0.0/16", "permit udp 10.0.0.0/8 10.0.0.0/8")},
		{"rest", mustList(t, "permit ip 10.0.0.0/9 10.0.0.0/9")},
	}, Surroundings{})
	if s := short(got, 0); !slices.Equal(s, []string{"warning unreachable 1.1", "hint overlap 2.1"}) {
		t.Fatalf("%q %v", s, got)
	}
	if want := "rule 17 of base (deny ip 10.9.0.0/16 10.9.0.0/16) matches all of it first"; !strings.Contains(got[0].Text, want) {
		t.Errorf("got %q, want %q", got[0].Text, want)
	}
	if want := "shares traffic with rule 2 of voice"; !strings.Contains(got[1].Text, want) {
		t.Errorf("got %q, want %q", got[1].Text, want)
	}
}

func TestLintTooMany(t *testing.T) {
	var lists []Source
	for i := range MaxPermits + 1 {
		p := fmt.Sprintf("10.%d.0.0/16", i)
		lists = append(lists, Source{fmt.Sprint(i), mustList(t, "permit ah "+p+" "+p)})
	}
	got := Lint(lists, Surroundings{})
	if len(got) != 1 || got[0].Code != CodeTooMany || got[0].Index != -1 || !strings.HasPrefix(got[0].String(), "101 permits") {
		t.Errorf("%v", got)
	}
	if got := Lint(lists[1:], Surroundings{}); len(got) != 0 {
		t.Errorf("%d permits: %v", MaxPermits, got)
	}
}

func TestLintGroups(t *testing.T) {
	group := func(name, members string, rules ...string) GroupPolicy {
		return GroupPolicy{name, Authorisation{{Prefix: netip.MustParsePrefix(members)}}, []Source{{Rules: mustList(t, rules...)}}}
	}
	for _, c := range []struct {
		name string
		b    GroupPolicy
		want []string
	}{
		{"apart", group("green", "172.16.0.0/16", "permit ip 10.2.0.0/16 10.2.0.0/16"), nil},
		{"the same traffic", group("green", "172.16.1.0/24", "deny tcp any any", "permit ip 10.0.0.0/8 10.0.0.0/8"), []string{"warning overlap 0.2"}},
		{"the same traffic, other members", group("green", "172.17.0.0/16", "permit ip 10.0.0.0/8 10.0.0.0/8"), []string{"hint overlap 0.1"}},
		{"denied in the other", group("green", "172.16.1.0/24", "deny ip 10.1.0.0/16 10.1.0.0/16", "permit ip 10.0.0.0/8 10.0.0.0/8"), nil},
		{"multicast", group("green", "172.16.1.0/24", "permit ip 10.0.0.0/8 232.0.0.0/8", "permit ip 232.0.0.0/8 10.0.0.0/8"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := LintGroups([]GroupPolicy{group("red", "172.16.0.0/16", "permit ip 10.1.0.0/16 10.1.0.0/16"), c.b})
			if len(got[0]) != 0 {
				t.Errorf("the first group: %v", got[0])
			}
			if s := short(got[1], 0); !slices.Equal(s, c.want) {
				t.Errorf("got %q, want %q", s, c.want)
			}
		})
	}
}

// FuzzLeft: what is left of a rule after others is exactly what none of them matches.
func FuzzLeft(f *testing.F) {
	f.Add("permit ip 10.0.0.0/8 any", "deny tcp 10.1.0.0/16 any eq 22\npermit udp 10.0.0.0/9 any", "tcp 10.1.0.1:5 > 10.2.0.1:22")
	f.Add("permit ip any6 any6", "deny ip 2001:db8::/32 any6", "icmp6 2001:db9::1 > ::1")
	f.Fuzz(func(t *testing.T, rule, rules, packet string) {
		r, err := ParseRule(rule)
		if err != nil {
			return
		}
		l, err := ParseList(rules)
		if err != nil || len(l) > 8 {
			return
		}
		p, err := ParsePacket(packet)
		if err != nil {
			return
		}
		point := Rule{
			Proto: p.Proto, Src: netip.PrefixFrom(p.Src, p.Src.BitLen()), Dst: netip.PrefixFrom(p.Dst, p.Dst.BitLen()),
			SrcPorts: PortRange{p.SrcPort, p.SrcPort}, DstPorts: PortRange{p.DstPort, p.DstPort},
		}.box()
		in := 0
		for _, b := range r.box().left(l) {
			if _, ok := b.and(point); ok {
				in++
			}
		}
		want := 0
		if len(l.Matches(p)) == 0 && r.Match(p) {
			want = 1
		}
		if in != want {
			t.Errorf("%v without\n%v\nholds %v %d times, want %d", r, l, p, in, want)
		}
	})
}
