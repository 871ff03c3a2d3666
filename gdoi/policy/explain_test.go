package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestParsePacket(t *testing.T) {
	a := netip.MustParseAddr
	for _, c := range []struct {
		in   string
		want Packet
		text string
	}{
		{"tcp 10.1.1.10:40000 > 10.1.3.10:22", Packet{a("10.1.1.10"), a("10.1.3.10"), 6, 40000, 22}, ""},
		{"TCP  10.1.1.10:40000>10.1.3.10:22", Packet{a("10.1.1.10"), a("10.1.3.10"), 6, 40000, 22}, "tcp 10.1.1.10:40000 > 10.1.3.10:22"},
		{"icmp 10.1.1.1 > 10.1.2.2", Packet{Src: a("10.1.1.1"), Dst: a("10.1.2.2"), Proto: 1}, ""},
		{"47 10.1.1.1 > 10.1.2.2", Packet{Src: a("10.1.1.1"), Dst: a("10.1.2.2"), Proto: 47}, "gre 10.1.1.1 > 10.1.2.2"},
		{"udp [2001:db8::1]:5 > [2001:db8::2]:848", Packet{a("2001:db8::1"), a("2001:db8::2"), 17, 5, 848}, ""},
		{"icmp6 2001:db8::1 > ff02::1", Packet{Src: a("2001:db8::1"), Dst: a("ff02::1"), Proto: 58}, ""},
		{"icmp ::ffff:10.1.1.1 > 10.1.2.2", Packet{Src: a("10.1.1.1"), Dst: a("10.1.2.2"), Proto: 1}, "icmp 10.1.1.1 > 10.1.2.2"},
	} {
		got, err := ParsePacket(c.in)
		if c.text == "" {
			c.text = c.in
		}
		if err != nil || got != c.want || got.String() != c.text {
			t.Errorf("%q: %v (%v), want %v", c.in, got, err, c.text)
		}
	}
	for in, says := range map[string]string{
		"":                                     "expected protocol",
		"tcp 10.1.1.10:1 10.1.3.10:22":         "expected protocol",
		"tcp 10.1.1.10:1 > 10.1.3.10:22 x":     "expected protocol",
		"foo 10.1.1.1 > 10.1.2.2":              `unknown protocol "foo"; known are icmp`,
		"256 10.1.1.1 > 10.1.2.2":              "from 1 to 255",
		"ip 10.1.1.1 > 10.1.2.2":               `"ip" means any`,
		"tcp 10.1.1.1 > 10.1.2.2:22":           `"10.1.1.1" has no port`,
		"tcp 10.1.1.1:x > 10.1.2.2:22":         "is not address:port",
		"tcp 10.1.1.1:1 > 10.1.2.2:65536":      "is not address:port",
		"icmp 10.1.1.1:5 > 10.1.2.2":           "icmp has no ports",
		"icmp 10.1.1 > 10.1.2.2":               `"10.1.1" is not an address`,
		"icmp 10.1.1.1 > 2001:db8::1":          "different address families",
		"icmp6 fe80::1%eth0 > fe80::2":         "zone",
		"udp [fe80::1%eth0]:1 > [fe80::2]:848": "zone",
	} {
		_, err := ParsePacket(in)
		if err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "write it as") {
			t.Errorf("%q: %v, want %q", in, err, says)
		}
	}
}

func TestMatches(t *testing.T) {
	l := mustList(t, "deny tcp any any eq 22", "permit tcp 10.0.0.0/8 10.0.0.0/8", "permit udp any any", "permit ip 10.0.0.0/8 10.0.0.0/8")
	p, err := ParsePacket("tcp 10.1.1.10:40000 > 10.1.3.10:22")
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Matches(p); !slices.Equal(got, []int{0, 1, 3}) {
		t.Errorf("%v", got)
	}
}

func FuzzParsePacket(f *testing.F) {
	f.Add("tcp 10.1.1.10:40000 > 10.1.3.10:22")
	f.Add("icmp 10.1.1.1>10.1.2.2")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePacket(s)
		if err != nil {
			return
		}
		if again, err := ParsePacket(p.String()); err != nil || again != p {
			t.Errorf("%q -> %v -> %v, %v", s, p, again, err)
		}
	})
}

func TestDiff(t *testing.T) {
	for _, c := range []struct{ name, was, is, want string }{
		{"the same", "deny tcp any any|permit ip any any", "deny tcp any any|permit ip any any", "=deny tcp any any|=permit ip any any"},
		{"added", "permit ip any any", "deny tcp any any|permit ip any any", "+deny tcp any any|=permit ip any any"},
		{"removed", "deny tcp any any|permit ip any any", "permit ip any any", "-deny tcp any any|=permit ip any any"},
		{"changed", "deny tcp any any|permit ip any any", "deny udp any any|permit ip any any", "-deny tcp any any|+deny udp any any|=permit ip any any"},
		{"moved", "deny tcp any any|permit ip any any", "permit ip any any|deny tcp any any", "-deny tcp any any|=permit ip any any|+deny tcp any any"},
		{"from nothing", "", "permit ip any any", "+permit ip any any"},
		{"to nothing", "permit ip any any", "", "-permit ip any any"},
	} {
		list := func(s string) List {
			if s == "" {
				return nil
			}
			return mustList(t, strings.Split(s, "|")...)
		}
		var got []string
		for _, d := range Diff(list(c.was), list(c.is)) {
			got = append(got, d.Op+d.Text)
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s: %s, want %s", c.name, s, c.want)
		}
	}
}

func TestDigest(t *testing.T) {
	a := mustList(t, "permit ip 10.0.0.0/8 10.0.0.0/8")
	b := mustList(t, "permit   IP  10.0.0.0/8   10.0.0.0/8")
	if a.Digest() != b.Digest() || len(a.Digest()) != 12 {
		t.Errorf("the same list in two spellings: %s, %s", a.Digest(), b.Digest())
	}
	if c := mustList(t, "permit ip 10.0.0.0/9 10.0.0.0/8"); c.Digest() == a.Digest() {
		t.Error("two lists have one digest")
	}
}
