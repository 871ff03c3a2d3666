package pull

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// TestGoldenIPv6SAT spells out RFC 6407 §5.5.1 with the identities of RFC 2407 §4.6.2.7 and §4.6.2.6 octet by octet.
func TestGoldenIPv6SAT(t *testing.T) {
	rule, err := policy.ParseRule("permit udp 2001:db8::/33 host 2001:db8::1 eq 53")
	if err != nil {
		t.Fatal(err)
	}
	offer := TEKOffer{SPI: 0x1234, Suite: suite.ESPAES256GCM16, Lifetime: 3600, Policy: policy.List{rule}}
	want := strings.Join([]string{
		"01",   // Protocol-ID: GDOI_PROTO_IPSEC_ESP
		"11",   // Protocol: UDP
		"06",   // SRC ID Type: ID_IPV6_ADDR_SUBNET
		"0000", // SRC ID Port: any
		"20",   // SRC ID Data Len: an address and a mask
		"20010db8000000000000000000000000", "ffffffff800000000000000000000000",
		"05",   // DST ID Type: ID_IPV6_ADDR
		"0035", // DST ID Port
		"10",   // DST ID Data Len
		"20010db8000000000000000000000001",
		"14",               // Transform ID: ESP_AES-GCM with a 16-octet ICV
		"00001234",         // SPI
		"80010001",         // SA Life Type: seconds
		"0002000400000e10", // SA Life Duration
		"80040001",         // Encapsulation Mode: tunnel
		"80060100",         // Key Length
		"800e0004",         // Address Preservation: Source-And-Destination
		"800f0003",         // SA Direction: Symmetric
	}, "")
	got := offer.sat(rule, gdoi.ModeFull).AppendBody(nil)
	if hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
	sat, err := isakmp.ParseSAT(got)
	if err != nil || !bytes.Equal(sat.AppendBody(nil), got) {
		t.Fatalf("read again: %+v, %v", sat, err)
	}
	back, _, err := parseSAT(&sat)
	if err != nil || !back.Policy.Equal(offer.Policy) {
		t.Errorf("%v, %v", back.Policy, err)
	}
}

// TestSelectorForms: what other key servers may write, RFC 2407 §4.6.2.
func TestSelectorForms(t *testing.T) {
	span := func(a, b string) []byte {
		return append(netip.MustParseAddr(a).AsSlice(), netip.MustParseAddr(b).AsSlice()...)
	}
	whole := isakmp.TrafficID{IDType: isakmp.IDIPv6Subnet, Data: make([]byte, 32)}
	for _, c := range []struct {
		name     string
		src, dst isakmp.TrafficID
		want     string
		err      error
	}{
		{"a range that is a prefix", isakmp.TrafficID{IDType: isakmp.IDIPv6Range, Data: span("2001:db8::", "2001:db8::ffff")}, whole,
			"permit ip 2001:db8::/112 any6", nil},
		{"a range of one", isakmp.TrafficID{IDType: isakmp.IDIPv6Range, Data: span("2001:db8::7", "2001:db8::7")}, whole,
			"permit ip host 2001:db8::7 any6", nil},
		{"a range of all", isakmp.TrafficID{IDType: isakmp.IDIPv6Range, Data: span("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")}, whole, "permit ip any6 any6", nil},
		{"a range that is not aligned", isakmp.TrafficID{IDType: isakmp.IDIPv6Range, Data: span("2001:db8::1", "2001:db8::6")}, whole,
			"permit ip host 2001:db8::1 any6\npermit ip 2001:db8::2/127 any6\npermit ip 2001:db8::4/127 any6\npermit ip host 2001:db8::6 any6", nil},
		{"IPv4 ranges", isakmp.TrafficID{IDType: isakmp.IDIPv4Range, Data: span("10.0.0.0", "10.2.255.255")},
			isakmp.TrafficID{IDType: isakmp.IDIPv4Range, Data: span("0.0.0.0", "255.255.255.255")}, "permit ip 10.0.0.0/15 any\npermit ip 10.2.0.0/16 any", nil},
		{"any source", isakmp.TrafficID{IDType: isakmp.IDIPv6Subnet}, isakmp.TrafficID{IDType: isakmp.IDIPv6Addr, Data: netip.MustParseAddr("ff3e::1").AsSlice()},
			"permit ip any6 host ff3e::1", nil},
		{"a range backwards", isakmp.TrafficID{IDType: isakmp.IDIPv6Range, Data: span("2001:db8::2", "2001:db8::1")}, whole, "", ErrMalformed},
		{"a range of too many", isakmp.TrafficID{IDType: isakmp.IDIPv6Range, Data: span("2001:db8::1", "2001:db8:ffff::")}, whole, "", ErrUnsupported},
		{"families", isakmp.TrafficID{IDType: isakmp.IDIPv4Addr, Data: []byte{10, 0, 0, 1}}, whole, "", ErrUnsupported},
		{"mapped", isakmp.TrafficID{IDType: isakmp.IDIPv6Addr, Data: span("::ffff:10.0.0.1", "::")[:16]}, whole, "", ErrUnsupported},
		{"a mask with holes", isakmp.TrafficID{IDType: isakmp.IDIPv6Subnet, Data: span("2001:db8::", "ffff::ffff")}, whole, "", ErrUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := rulesOf(&isakmp.SAT{SPI: 300, Src: c.src, Dst: c.dst})
			if !errors.Is(err, c.err) || got.String() != c.want {
				t.Errorf("%v, %v; want %q, %v", got, err, c.want, c.err)
			}
		})
	}
}

// TestBothFamiliesInOneSA: one SPI protects IPv4 and IPv6, and a peer without the access list gets both as SATs.
func TestBothFamiliesInOneSA(t *testing.T) {
	o := testOffer(t)
	l, err := policy.ParseList("deny icmp6 any any\npermit ip 10.0.0.0/8 10.0.0.0/8\npermit ipv6 2001:db8::/32 2001:db8::/32")
	if err != nil {
		t.Fatal(err)
	}
	o.AccessList, o.TEKs[0].Policy, o.TEKs = l, l, o.TEKs[:1]
	for _, known := range []bool{true, false} {
		sa, err := isakmp.ParseSAGDOI(o.SA(known).AppendBody(nil))
		if err != nil {
			t.Fatal(err)
		}
		p, err := ParsePolicy(sa)
		if err != nil || len(p.TEKs) != 1 {
			t.Fatalf("%+v, %v", p, err)
		}
		want := l.Permits()
		if known {
			want = l
		}
		if got := p.Policy(nil); !got.Equal(want) {
			t.Errorf("access list known %t: %v, want %v", known, got, want)
		}
	}
}
