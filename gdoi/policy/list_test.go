package policy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func mustList(t *testing.T, lines ...string) List {
	t.Helper()
	l, err := ParseList(strings.Join(lines, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLookup(t *testing.T) {
	l := mustList(t,
		"deny udp any eq 848 any eq 848",
		"deny tcp any any eq 22",
		"deny icmp host 10.1.0.1 any",
		"permit tcp 10.0.0.0/8 10.0.0.0/8 gt 1023",
		"permit ip 2001:db8::/32 2001:db8::/32",
		"permit udp 10.0.0.0/8 10.0.0.0/8")
	p := func(src, dst string, proto uint8, sport, dport uint16) Packet {
		return Packet{netip.MustParseAddr(src), netip.MustParseAddr(dst), proto, sport, dport}
	}
	for _, c := range []struct {
		name   string
		packet Packet
		action Action
		index  int
	}{
		{"gdoi", p("10.1.0.1", "10.0.0.1", 17, 848, 848), Deny, 0},
		{"gdoi from another port", p("10.1.0.1", "10.0.0.1", 17, 849, 848), Permit, 5},
		{"ssh", p("10.1.0.1", "10.0.0.1", 6, 4000, 22), Deny, 1},
		{"ssh answer", p("10.0.0.1", "10.1.0.1", 6, 22, 4000), Permit, 3},
		{"low port", p("10.0.0.1", "10.1.0.1", 6, 4000, 23), Deny, -1},
		{"icmp of one host", p("10.1.0.1", "10.0.0.1", 1, 0, 0), Deny, 2},
		{"icmp of another", p("10.1.0.2", "10.0.0.1", 1, 0, 0), Deny, -1},
		{"outside", p("192.0.2.1", "10.0.0.1", 17, 1, 1), Deny, -1},
		{"ipv6", p("2001:db8::1", "2001:db8::2", 58, 0, 0), Permit, 4},
		{"mapped is IPv4", p("::ffff:10.0.0.1", "::ffff:10.0.0.2", 17, 1, 1), Permit, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			if a, i := l.Lookup(c.packet); a != c.action || i != c.index {
				t.Errorf("got %v by %d, want %v by %d", a, i, c.action, c.index)
			}
		})
	}
	if a, i := (List)(nil).Lookup(Packet{}); a != Deny || i != -1 {
		t.Errorf("empty list: %v, %d", a, i)
	}
}

func TestValidate(t *testing.T) {
	long := make(List, MaxRules+1)
	for i := range long {
		long[i] = mustList(t, "permit ip any any")[0]
	}
	bad := mustList(t, "permit ip any any")
	bad[0].SrcPorts = PortRange{1, 1}
	for _, c := range []struct {
		name string
		list List
		says string
	}{
		{"good", mustList(t, "deny tcp any any", "permit ip any any"), ""},
		{"empty", nil, "empty"},
		{"too long", long, "summarise"},
		{"nothing encrypted", mustList(t, "deny ip any any"), "no permit"},
		{"zero rule", List{{}}, "not set"},
		{"ports of ip", bad, "no ports"},
		{"host bits", List{{Action: Permit, Src: netip.MustParsePrefix("10.0.0.1/8"), Dst: any4, SrcPorts: AnyPort, DstPorts: AnyPort}}, "bits set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.list.Validate()
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestWithLocal(t *testing.T) {
	group := mustList(t, "permit ip any any")
	got, err := group.WithLocal(mustList(t, "deny tcp any any eq 179"))
	if err != nil || got.String() != "deny tcp any any eq 179\npermit ip any any" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := group.WithLocal(group); !errors.Is(err, ErrInvalid) {
		t.Errorf("a local permit was accepted: %v", err)
	}
	if len(group) != 1 {
		t.Error("the group's list was changed")
	}
}

func TestAuthorisation(t *testing.T) {
	list := Authorisation{
		{Prefix: netip.MustParsePrefix("10.1.0.0/16")},
		{ID: "gm1.example"},
		{Prefix: netip.MustParsePrefix("10.9.0.0/16"), ID: "gm9.example"},
		{ID: "10.7.0.1"},
		{ID: "2001:DB8::1"},
	}
	for _, c := range []struct {
		name string
		peer Peer
		want bool
	}{
		{"by address", Peer{netip.MustParseAddr("10.1.2.3"), 1, "10.1.2.3", nil}, true},
		{"by mapped address", Peer{netip.MustParseAddr("::ffff:10.1.2.3"), 1, "10.1.2.3", nil}, true},
		{"by name", Peer{netip.MustParseAddr("192.0.2.1"), 2, "GM1.example", nil}, true},
		{"a key id is not a name", Peer{netip.MustParseAddr("192.0.2.1"), 11, "GM1.example", nil}, false},
		{"both hold", Peer{netip.MustParseAddr("10.9.0.1"), 2, "gm9.example", nil}, true},
		{"name from elsewhere", Peer{netip.MustParseAddr("10.8.0.1"), 2, "gm9.example", nil}, false},
		{"address with another name", Peer{netip.MustParseAddr("10.9.0.1"), 2, "gm8.example", nil}, false},
		{"address identity", Peer{netip.MustParseAddr("10.7.0.1"), 1, "10.7.0.1", nil}, true},
		{"address identity in another spelling", Peer{netip.MustParseAddr("2001:db8::1"), 5, "2001:db8::1", nil}, true},
		{"a name that reads like an address", Peer{netip.MustParseAddr("192.0.2.1"), 2, "10.7.0.1", nil}, false},
		{"a key id that reads like an address", Peer{netip.MustParseAddr("192.0.2.1"), 11, "10.7.0.1", nil}, false},
		{"stranger", Peer{netip.MustParseAddr("192.0.2.1"), 1, "192.0.2.1", nil}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := list.Allows(c.peer); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
	if (Authorisation{}).Allows(Peer{}) || (Authorisation{{}}).Allows(Peer{}) {
		t.Error("an empty list, or an empty rule, allowed somebody")
	}
}
