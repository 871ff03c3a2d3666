package hsm

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestURI(t *testing.T) {
	for _, row := range []struct {
		in, out string
		want    URI
	}{
		{"pkcs11:", "pkcs11:", URI{}},
		{"pkcs11:object=rekey", "pkcs11:object=rekey", URI{Object: "rekey"}},
		{"PKCS11:object=rekey;token=ks%201", "pkcs11:token=ks%201;object=rekey", URI{Token: "ks 1", Object: "rekey"}},
		// RFC 7512 §3, without its slot attributes and pin-value.
		{"pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin",
			"pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;id=%69%95%3E%5C%F4%BD%EC%91;type=cert?pin-source=file:/etc/token_pin",
			URI{Token: "The Software PKCS#11 Softtoken", Manufacturer: "Snake Oil, Inc.", Model: "1.0", Object: "my-certificate", Type: "cert",
				ID: []byte("\x69\x95\x3e\x5c\xf4\xbd\xec\x91"), PINSource: "file:/etc/token_pin"}},
		{"pkcs11:id=abc", "pkcs11:id=%61%62%63", URI{ID: []byte("abc")}},
		{"pkcs11:object=%61%2f%3b&?module-path=/usr/lib/x.so", "pkcs11:object=a%2F%3B&?module-path=/usr/lib/x.so", URI{Object: "a/;&", ModulePath: "/usr/lib/x.so"}},
		{"pkcs11:object=Schl%C3%BCssel", "pkcs11:object=Schl%C3%BCssel", URI{Object: "Schlüssel"}},
	} {
		u, err := ParseURI(row.in)
		if err != nil || !reflect.DeepEqual(u, row.want) {
			t.Errorf("%s: %+v, %v", row.in, u, err)
			continue
		}
		if u.String() != row.out {
			t.Errorf("%s becomes %s, want %s", row.in, u, row.out)
		}
	}
}

func TestURIRefusals(t *testing.T) {
	for _, bad := range []string{
		"", "pkcs11", "pkcs12:object=x", "pkcs11:object", "pkcs11:object=a;object=b", "pkcs11:object=a;", "pkcs11:;object=a", "pkcs11:object=a?",
		"pkcs11:object=a b", "pkcs11:object=a/b", "pkcs11:object=%4", "pkcs11:object=%zz", "pkcs11:object=%00", "pkcs11:object=%ff", "pkcs11:object=ü",
		"pkcs11:type=key", "pkcs11:color=red", "pkcs11:slot-id=0", "pkcs11:slot-description=x", "pkcs11:object=a?pin-value=1234", "pkcs11:pin-value=1234",
		"pkcs11:module-path=/x", "pkcs11:?object=a", "pkcs11:?pin-source=a&pin-source=b", "pkcs11:?a#b",
		"pkcs11:object=" + strings.Repeat("a", maxURI), "pkcs11:id=" + strings.Repeat("a", maxURI/3),
	} {
		if u, err := ParseURI(bad); !errors.Is(err, ErrURI) || !reflect.DeepEqual(u, URI{}) {
			t.Errorf("%q: %+v, %v", bad, u, err)
		}
	}
	_, err := ParseURI("pkcs11:object=a?pin-value=1234")
	if err == nil || bytes.Contains([]byte(err.Error()), []byte("1234")) {
		t.Errorf("the error shows the PIN: %v", err)
	}
}

func TestParseKey(t *testing.T) {
	for in, want := range map[string]string{"rekey": "pkcs11:object=rekey", "a b": "pkcs11:object=a%20b", "pkcs11:token=x;object=y": "pkcs11:token=x;object=y"} {
		if u, err := ParseKey(in); err != nil || u.String() != want {
			t.Errorf("%q: %s, %v", in, u, err)
		}
	}
	for _, bad := range []string{"", "\x00", "\xff", "pkcs11:", "pkcs11:token=x", "Pkcs11:id=%01"} {
		if _, err := ParseKey(bad); !errors.Is(err, ErrURI) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestMatches(t *testing.T) {
	token := URI{Token: "ks1", Serial: "47", Model: "m", Manufacturer: "x"}
	for in, want := range map[string]bool{"pkcs11:": true, "pkcs11:token=ks1": true, "pkcs11:token=ks1;serial=48": false, "pkcs11:model=m;manufacturer=x;object=any": true} {
		if u, err := ParseURI(in); err != nil || u.Matches(token) != want {
			t.Errorf("%s: %t, %v", in, !want, err)
		}
	}
}

// FuzzURI: what is accepted has one canonical form, which parses to the same value and to itself.
func FuzzURI(f *testing.F) {
	for _, s := range []string{"pkcs11:", "pkcs11:token=a;object=b;id=%00%01;type=private?module-path=/a&pin-source=b", "pkcs11:object=%2F%3b&", "PKCS11:serial=?pin-source=|"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseURI(s)
		if err != nil {
			if !reflect.DeepEqual(u, URI{}) {
				t.Fatalf("%q: an error and %+v", s, u)
			}
			return
		}
		again, err := ParseURI(u.String())
		if err != nil || !reflect.DeepEqual(again, u) || again.String() != u.String() {
			t.Fatalf("%q becomes %s, which parses to %+v, %v", s, u, again, err)
		}
	})
}

// FuzzTransportKey: what is accepted marshals to the same octets.
func FuzzTransportKey(f *testing.F) {
	f.Add([]byte{1, 0x30})
	w, err := NewWindow()
	if err != nil {
		f.Fatal(err)
	}
	good, err := TransportKey{Public: &w.key.PublicKey, OAEP: OAEPSHA256}.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for n := range good {
		if _, err := ParseTransportKey(good[:n]); err == nil {
			f.Fatalf("cut at %d it is accepted", n)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseTransportKey(b)
		if err != nil {
			return
		}
		if again, err := k.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x becomes %x, %v", b, again, err)
		}
	})
}
