package policy

import (
	"net/netip"
	"testing"
)

func TestAuthoriseByCertificate(t *testing.T) {
	cert := &Certificate{
		Subject: "CN=gm1,OU=Branches,O=Example", Issuer: `CN=Members,O=Example\, Inc`, O: []string{"Example"},
		OU: []string{"Branches", "Field"}, CN: []string{"gm1"}, SAN: []string{"gm1.example", "10.1.0.1"},
	}
	with := Peer{Addr: netip.MustParseAddr("10.1.0.1"), IDType: 9, ID: cert.Subject, Cert: cert}
	without := with
	without.Cert = nil
	for _, c := range []struct {
		name string
		rule AuthRule
		want bool
	}{
		{"subject", AuthRule{Cert: CertRule{Subject: "CN=gm1, OU=Branches, O=Example"}}, true},
		{"part of the subject", AuthRule{Cert: CertRule{Subject: "OU=Branches,O=Example"}}, false},
		{"issuer with an escaped comma", AuthRule{Cert: CertRule{Issuer: `CN=Members, O=Example\, Inc`}}, true},
		{"issuer whose value has no blank", AuthRule{Cert: CertRule{Issuer: `CN=Members,O=Example\,Inc`}}, false},
		{"one of the units", AuthRule{Cert: CertRule{OU: "Field"}}, true},
		{"case of a unit", AuthRule{Cert: CertRule{OU: "field"}}, false},
		{"organisation and unit", AuthRule{Cert: CertRule{O: "Example", OU: "Branches"}}, true},
		{"organisation, and another unit", AuthRule{Cert: CertRule{O: "Example", OU: "Guests"}}, false},
		{"common name", AuthRule{Cert: CertRule{CN: "gm1"}}, true},
		{"alternative name", AuthRule{Cert: CertRule{SAN: "10.1.0.1"}}, true},
		{"and an address", AuthRule{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Cert: CertRule{OU: "Field"}}, true},
		{"and another address", AuthRule{Prefix: netip.MustParsePrefix("10.2.0.0/16"), Cert: CertRule{OU: "Field"}}, false},
		{"identity is the subject", AuthRule{ID: "CN=gm1, OU=Branches, O=Example"}, true},
		{"identity is another subject", AuthRule{ID: "CN=gm2,OU=Branches,O=Example"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (Authorisation{c.rule}).Allows(with); got != c.want {
				t.Errorf("%t", got)
			}
			if !c.rule.Cert.IsZero() && (Authorisation{c.rule}).Allows(without) {
				t.Error("a peer with a pre-shared key meets a rule about certificates")
			}
		})
	}
}
