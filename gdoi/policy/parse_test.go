package policy

import (
	"errors"
	"strings"
	"testing"
)

func TestParseRuleCanonical(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"prefixes", "permit ip 10.0.0.0/8 10.0.0.0/8", ""},
		{"any", "deny tcp any any eq 22", ""},
		{"port name", "deny tcp any any eq ssh", "deny tcp any any eq 22"},
		{"gdoi both ends", "deny udp any eq gdoi any eq 848", "deny udp any eq 848 any eq 848"},
		{"range and host", "permit tcp 10.1.0.0/16 range 1000 2000 host 10.2.0.1", ""},
		{"icmp", "deny icmp any any", ""},
		{"number of a known protocol", "deny 89 any any", "deny ospf any any"},
		{"number of an unknown protocol", "deny 254 any any", ""},
		{"protocol zero is ip", "permit 0 any any", "permit ip any any"},
		{"lt gt", "permit udp any lt 1024 any gt 49151", ""},
		{"range that lt says", "permit udp any range 0 1023 any range 49152 65535", "permit udp any lt 1024 any gt 49151"},
		{"range of everything", "permit udp any range 0 65535 any", "permit udp any any"},
		{"range of one", "permit udp any range 7 7 any", "permit udp any eq 7 any"},
		{"lt 1", "permit udp any lt 1 any", "permit udp any eq 0 any"},
		{"single-address prefix", "permit ip 10.1.2.3/32 any", "permit ip host 10.1.2.3 any"},
		{"zero prefix", "permit ip 0.0.0.0/0 any4", "permit ip any any"},
		{"case and blanks", "  PERMIT\tIP  Host 10.1.2.3   ANY ", "permit ip host 10.1.2.3 any"},
		{"ipv6", "permit ip 2001:db8::/32 host 2001:DB8::1", "permit ip 2001:db8::/32 host 2001:db8::1"},
		{"any takes the other family", "permit ip any 2001:db8::/32", "permit ip any6 2001:db8::/32"},
		{"any takes the family on the right", "permit ip 2001:db8::/32 any", "permit ip 2001:db8::/32 any6"},
		{"any6", "deny icmp6 any6 any6", ""},
		{"as existing products write it", "permit ipv6 2001:db8::/32 2001:db8::/32", "permit ip 2001:db8::/32 2001:db8::/32"},
		{"ipv6 with any", "permit ipv6 any any", "permit ip any6 any6"},
		{"ipv6 with any and a prefix", "permit IPV6 any host 2001:db8::1", "permit ip any6 host 2001:db8::1"},
		{"icmp6 is IPv6's", "deny icmp6 any any", "deny icmp6 any6 any6"},
		{"icmp6 by number", "deny 58 any any", "deny icmp6 any6 any6"},
		{"icmpv6", "deny icmpv6 any 2001:db8::/32", "deny icmp6 any6 2001:db8::/32"},
		{"icmp6 over IPv4", "deny icmp6 any4 any", "deny icmp6 any4 any4"},
		{"icmp6 between IPv4", "deny icmp6 any 10.0.0.0/8", ""},
		{"IPv6 ports", "deny udp any6 eq 848 any eq 848", "deny udp any6 eq 848 any6 eq 848"},
		{"any with any6", "deny tcp any any6", "deny tcp any6 any6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			if want == "" {
				want = c.in
			}
			r, err := ParseRule(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			again, err := ParseRule(r.String())
			if err != nil || again != r {
				t.Errorf("round trip: %+v, %v; want %+v", again, err, r)
			}
			if err := r.validate(); err != nil {
				t.Errorf("parsed but not valid: %v", err)
			}
		})
	}
}

func TestParseRuleErrors(t *testing.T) {
	for _, c := range []struct {
		name, in string
		column   int
		says     string
	}{
		{"empty", "", 1, "empty"},
		{"action", "allow ip any any", 1, "permit"},
		{"no protocol", "permit", 7, "protocol is missing"},
		{"protocol", "permit tpc any any", 8, `"tpc"`},
		{"protocol number", "permit 256 any any", 8, "0 to 255"},
		{"ipv6 with IPv4", "permit ipv6 any 10.0.0.0/8", 17, "write ip for IPv4"},
		{"ipv6 with any4", "permit ipv6 any4 any4", 18, "write ip for IPv4"},
		{"ports of ipv6", "permit ipv6 any any eq 22", 21, "has no ports"},
		{"fragments", "deny udp any any fragments", 18, "later fragment"},
		{"leading zero in an octet", "permit ip 10.01.0.0/16 any", 11, "prefix such as"},
		{"leading zero in a length", "permit ip 10.0.0.0/08 any", 11, "prefix such as"},
		{"newline", "permit ip any any\npermit ip any any", 15, "prefix such as"},
		{"zone", "permit ip host fe80::1%eth0 any", 16, "not an address"},
		{"no source", "permit ip", 10, "source is missing"},
		{"no destination", "permit ip any", 14, "destination is missing"},
		{"place", "permit ip anny any", 11, "prefix such as"},
		{"bare address", "permit ip 10.0.0.1 any", 11, "10.0.0.1/32"},
		{"wildcard", "permit ip 10.0.0.0 0.255.255.255 any", 11, "write 10.0.0.0/8 in place"},
		{"netmask", "permit ip 10.1.0.0 255.255.0.0 any", 11, "write 10.1.0.0/16 in place"},
		{"wildcard of all", "permit ip 0.0.0.0 255.255.255.255 any", 11, "write any in place"},
		{"wildcard of one", "permit ip 10.1.2.3 0.0.0.0 any", 11, "write 10.1.2.3/32 in place"},
		{"wildcard with holes", "permit ip 10.0.0.0 0.255.0.255 any", 11, "several rules"},
		{"host bits", "permit ip any 10.0.0.1/8", 15, "did you mean 10.0.0.0/8"},
		{"host without address", "permit ip host", 15, "must follow host"},
		{"host with prefix", "permit ip host 10.0.0.0/8 any", 16, "host takes"},
		{"mapped", "permit ip ::ffff:10.0.0.0/104 any", 11, "IPv4"},
		{"zone", "permit ip host fe80::1%eth0 any6", 16, "not an address"},
		{"families", "permit ip 10.0.0.0/8 2001:db8::/32", 22, "families"},
		{"any4 is strict", "permit ip any4 2001:db8::/32", 16, "families"},
		{"ports of ip", "permit ip any any eq 22", 19, "has no ports"},
		{"port", "permit tcp any any eq 65536", 23, "0 to 65535"},
		{"port missing", "permit tcp any any eq", 22, "not a port"},
		{"range backwards", "permit tcp any any range 9 8", 28, "range 8 9"},
		{"lt 0", "permit tcp any any lt 0", 23, "less than 0"},
		{"gt 65535", "permit tcp any any gt 65535", 23, "greater"},
		{"neq", "permit tcp any any neq 22", 20, "opposite rule"},
		{"left over", "permit ip any any log", 19, `"log" is left over`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseRule(c.in)
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrSyntax) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Column != c.column || !strings.Contains(e.Text, c.says) {
				t.Errorf("column %d: %s; want column %d and %q", e.Column, e.Text, c.column, c.says)
			}
		})
	}
}

func TestParseList(t *testing.T) {
	l, err := ParseList("# the group\n\ndeny udp any eq 848 any eq 848\n  ! comment\n permit ip any any\r\n")
	if err != nil || len(l) != 2 {
		t.Fatalf("%v, %v", l, err)
	}
	again, err := ParseList(l.String())
	if err != nil || !again.Equal(l) {
		t.Errorf("round trip: %v, %v", again, err)
	}
	_, err = ParseList("permit ip any any\nfoo\npermit ip any bar")
	if err == nil || !strings.Contains(err.Error(), "line 2, column 1") || !strings.Contains(err.Error(), "line 3, column 15") {
		t.Errorf("want both lines, got %v", err)
	}
}

func FuzzParseRule(f *testing.F) {
	for _, s := range []string{
		"permit ip 10.0.0.0/8 10.0.0.0/8", "deny udp any eq 848 any eq 848", "permit tcp any6 range 1 2 host ::1 lt 9",
		"deny 254 any any", "permit ipv6 any any", "deny icmp6 any4 any4", "permit ip 10.0.0.0 0.255.255.255 any", "permit ip 0.0.0.0 128.0.0.0",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRule(s)
		if err != nil {
			return
		}
		if err := r.validate(); err != nil {
			t.Fatalf("%q parsed into an invalid rule: %v", s, err)
		}
		text := r.String()
		again, err := ParseRule(text)
		if err != nil || again != r || again.String() != text {
			t.Fatalf("%q -> %q -> %+v, %v; want %+v", s, text, again, err, r)
		}
	})
}
