package suite

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// RFC 4231 §4.3 (key shorter than the output) and §4.7 (key longer than the block).
func TestPRF(t *testing.T) {
	short, long := []byte("Jefe"), bytes.Repeat([]byte{0xaa}, 131)
	ask, hashKey := "what do ya want for nothing?", "Test Using Larger Than Block-Size Key - Hash Key First"
	for _, c := range []struct {
		name string
		hash machine.Hash
		key  []byte
		data string
		want string
	}{
		{"case 2 sha256", machine.SHA256, short, ask, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
		{"case 2 sha384", machine.SHA384, short, ask, "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
		{"case 2 sha512", machine.SHA512, short, ask, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
		{"case 6 sha256", machine.SHA256, long, hashKey, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
		{"case 6 sha384", machine.SHA384, long, hashKey, "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952"},
		{"case 6 sha512", machine.SHA512, long, hashKey, "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := PRF(c.hash, c.key, []byte(c.data)); !bytes.Equal(got, unhex(t, c.want)) {
				t.Errorf("got %x, want %s", got, c.want)
			}
			if got := PRF(c.hash, c.key, []byte(c.data[:5]), nil, []byte(c.data[5:])); !bytes.Equal(got, unhex(t, c.want)) {
				t.Errorf("in parts: got %x", got)
			}
		})
	}
}

func TestHashNumbers(t *testing.T) {
	for _, h := range []machine.Hash{machine.SHA1, machine.SHA256, machine.SHA384, machine.SHA512} {
		if got, err := HashFromIKE(HashIKE(h)); err != nil || got != h {
			t.Errorf("%s: IKE number: %v, %v", HashName(h), got, err)
		}
		if got, err := HashFromSig(HashSig(h)); err != nil || got != h {
			t.Errorf("%s: SIG_HASH number: %v, %v", HashName(h), got, err)
		}
		if got, err := ParseHash(HashName(h)); err != nil || got != h {
			t.Errorf("%s: name: %v, %v", HashName(h), got, err)
		}
		if len(Sum(h, []byte("x"))) != HashLen(h) {
			t.Errorf("%s: length", HashName(h))
		}
	}
	if _, err := HashFromIKE(1); !errors.Is(err, ErrUnknown) {
		t.Errorf("MD5: %v", err)
	}
	if _, err := HashFromSig(1); !errors.Is(err, ErrUnknown) {
		t.Errorf("MD5 in SIG_HASH: %v", err)
	}
}

func TestTextForms(t *testing.T) {
	for _, s := range []string{"aes256-sha256-modp2048", "aes128-sha256-ecp256", "aes256-sha384-ecp384", "aes128-sha512-modp2048"} {
		if p, err := ParsePhase1(s); err != nil || p.String() != s || p.Auth != AuthPSK {
			t.Errorf("%s: %v, %v", s, p, err)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"", "CIPHER-HASH-GROUP"},
		{"aes256-sha256", "CIPHER-HASH-GROUP"},
		{"3des-sha256-modp2048", "aes128 or aes256"},
		{"aes256-md5-modp2048", "sha256, sha384"},
		{"aes256-sha256-modp1024", "modp2048, ecp256"},
	} {
		if _, err := ParsePhase1(c.text); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v does not say %q", c.text, err, c.want)
		}
	}
	const old = "aes128-sha1-modp2048"
	if _, err := ParsePhase1(old); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("sha1 without permission: %v", err)
	}
	if p, err := ParsePhase1(old, AllowSHA1); err != nil || p.Hash != machine.SHA1 {
		t.Errorf("sha1 with permission: %v, %v", p, err)
	}
	for _, k := range []KEK{KEKAES128CBC, KEKAES256CBC} {
		if got, err := ParseKEK(k.String()); err != nil || got != k {
			t.Errorf("%s: %v, %v", k, got, err)
		}
		if got, err := KEKFromSAK(k.Algorithm(), k.KeyBits()); err != nil || got != k {
			t.Errorf("%s: %v, %v", k, got, err)
		}
	}
	if _, err := KEKFromSAK(2, 0); !errors.Is(err, ErrUnknown) {
		t.Errorf("3DES KEK: %v", err)
	}
	if got := (Phase1{}).String(); got != "cipher(0)-hash(0)-group(0)" {
		t.Errorf("before negotiation: %s", got)
	}
	for _, p := range DefaultPhase1() {
		if q, err := ParsePhase1(p.String()); err != nil || q != p {
			t.Errorf("default %s: %v, %v", p, q, err)
		}
	}
}

func FuzzParsePhase1(f *testing.F) {
	for _, s := range []string{"aes256-sha256-modp2048", "aes128-sha1-ecp384", "--", "aes128-sha512-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := ParsePhase1(s, AllowSHA1); err == nil && p.String() != s {
			t.Errorf("%q prints as %s", s, p)
		}
	})
}
