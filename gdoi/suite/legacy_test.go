package suite

import (
	"bytes"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/refsession"
)

// TestLegacyKeys derives and uses the keys of a session of the reference program of 2011: 3DES, SHA-1, group 2.
func TestLegacyKeys(t *testing.T) {
	s := refsession.Load()
	p, err := ParseLegacyPhase1("3des-sha1-modp1024")
	if err != nil {
		t.Fatal(err)
	}
	r := s.Phase1
	k := p.KeysPSK(machine.NewSecret([]byte(r.PSK)), KeyInput{
		Ni: r.Ni, Nr: r.Nr, GXI: r.GXI, GXR: r.GXR, GXY: machine.NewSecret(r.GXY), CkyI: r.CookieI, CkyR: r.CookieR,
	})
	for _, c := range []struct {
		what      string
		got, want []byte
	}{
		{"SKEYID", k.SKEYID.Bytes(), r.SKEYID}, {"SKEYID_a", k.A.Bytes(), r.SKEYIDa}, {"key", k.CipherKey.Bytes(), r.Key}, {"IV", k.FirstIV, r.FirstIV},
		{"IV of an exchange", ExchangeIV(p.Hash, r.LastBlock, 0x03ed5fdf), s.Pull.FirstIV},
	} {
		if !bytes.Equal(c.got, c.want) {
			t.Errorf("%s is %x; want %x", c.what, c.got, c.want)
		}
	}
	const header = 28
	plain, err := DecryptCBC(k.CipherKey.Bytes(), k.FirstIV, s.Frames[4].Data[header:])
	if err != nil || !bytes.Equal(plain, r.Plaintext5) {
		t.Errorf("message 5: %x, %v", plain, err)
	}
	again, err := EncryptCBC(k.CipherKey.Bytes(), k.FirstIV, plain)
	if err != nil || !bytes.Equal(again, s.Frames[4].Data[header:]) {
		t.Errorf("message 5 encrypted: %x, %v", again, err)
	}
	for _, v := range [][]byte{r.GXI, r.GXR} {
		if err := p.Group.Check(v); err != nil {
			t.Error(err)
		}
	}
	if c, err := CipherFromIKE(CipherIKE3DES, 0); err != nil || c != TripleDESCBC || c.IKE() != CipherIKE3DES || c.KeyBits() != 0 {
		t.Errorf("3DES is %v, %v", c, err)
	}
}

// TestLegacyIsNeverMeant: no other way than ParseLegacyPhase1 leads to an old suite.
func TestLegacyIsNeverMeant(t *testing.T) {
	for _, name := range []string{"3des-sha1-modp1024", "aes128-sha1-modp1024"} {
		p, err := ParseLegacyPhase1(name)
		if err != nil || p.String() != name {
			t.Errorf("%s: %v, %v", name, p, err)
		}
		if _, err := ParsePhase1(name, AllowSHA1); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s among the ordinary suites: %v", name, err)
		}
		for _, d := range DefaultPhase1() {
			if d == p {
				t.Errorf("%s is a default", name)
			}
		}
	}
	for _, name := range []string{"", "3des-sha256-modp1024", "aes256-sha256-modp2048", "des-md5-modp768"} {
		if p, err := ParseLegacyPhase1(name); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %v, %v", name, p, err)
		}
	}
}
