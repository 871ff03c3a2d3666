package push

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func signKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	b, err := os.ReadFile("testdata/sign-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k.(*rsa.PrivateKey)
}

func fixture(t testing.TB, file string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string][]byte{}
	for _, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		name, digits, _ := strings.Cut(line, " ")
		if m[name], err = hex.DecodeString(digits); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func secret(first byte, n int) *machine.Secret {
	return machine.NewSecret(bytes.Repeat([]byte{first}, n))
}

func kekOffer(t testing.TB, first byte) *pull.KEKOffer {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&signKey(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return &pull.KEKOffer{
		SPI: gdoi.KEKSPI{first, 15: 1}, Suite: suite.KEKAES256CBC, Key: secret(first, 32), IV: secret(first+1, 16),
		Lifetime: 86400, SigHash: machine.SHA256, SigKeyDER: der, SigKeyBits: 2048,
		Src: netip.MustParseAddrPort("10.0.0.1:848"), Dst: netip.MustParseAddrPort("0.0.0.0:848"),
	}
}

func testKey(t testing.TB) *Key {
	t.Helper()
	k, err := KeyFromOffer(kekOffer(t, 0x10))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func tekOffer(t testing.TB) *pull.Offer {
	t.Helper()
	l, err := policy.ParseList("deny udp any eq 848 any eq 848\npermit ip 10.0.0.0/8 10.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	return &pull.Offer{
		TEKs:       []pull.TEKOffer{{SPI: 0x2001, Suite: suite.ESPAES256GCM16, Key: secret(0x55, 36), Lifetime: 3600, Policy: l.Permits()}},
		ATD:        60 * time.Second,
		DTD:        90 * time.Second,
		AccessList: l,
	}
}

// sign is the key custody.
func sign(t testing.TB, u *Unsigned) []byte {
	t.Helper()
	e := u.Sign(1, "rekey-blue")
	info := crypto.SHA256
	if e.Scheme == machine.SignRSABare {
		info = 0
	}
	sig, err := rsa.SignPKCS1v15(nil, signKey(t), info, e.Digest)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func datagram(t testing.TB, k *Key, m *Message, form machine.SignScheme) []byte {
	t.Helper()
	u, err := Build(k, m, form)
	if err != nil {
		t.Fatal(err)
	}
	b, err := u.Finish(sign(t, u))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func same(a, b *Message) bool {
	text := func(m *Message) string {
		var out []byte
		for _, d := range m.Deletes {
			out = isakmp.AppendChain(out, d)
		}
		if m.Offer != nil {
			out = isakmp.AppendChain(out, m.Offer.SA(m.SendAccessList), m.Offer.KD(true))
		}
		return string(out)
	}
	return a.Seq == b.Seq && text(a) == text(b)
}
