package suite

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// The signatures of "abc" of RFC 4754 §8, in the form of the payload: r | s.
var rfc4754 = []struct {
	method    uint16
	curve     elliptic.Curve
	hash      machine.Hash
	x, y      string
	sig       string
	sigOctets int
}{
	{
		method: AuthECDSA256, curve: elliptic.P256(), hash: machine.SHA256, sigOctets: 64,
		x: "2442a5cc0ecd015fa3ca31dc8e2bbc70bf42d60cbca20085e0822cb04235e970",
		y: "6fc98bd7e50211a4a27102fa3549df79ebcb4bf246b80945cddfe7d509bbfd7d",
		sig: "cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c86fa3bb4e26cad5bf90b7f81899256ce" +
			"7594bb1ea0c89212748bff3b3d5b0315",
	},
	{
		method: AuthECDSA384, curve: elliptic.P384(), hash: machine.SHA384, sigOctets: 96,
		x: "96281bf8dd5e0525ca049c048d345d3082968d10fedf5c5aca0c64e6465a97ea5ce10c9dfec21797415710721f437922",
		y: "447688ba94708eb6e2e4d59f6ab6d7edff9301d249fe49c33096655f5d502fad3d383b91c5e7edaa2b714cc99d5743ca",
		sig: "fb017b914e29149432d8bac29a514640b46f53ddab2c69948084e2930f1c8f7e08e07c9c63f2d21a07dcb56a6af56eb3" +
			"b263a1305e057f984d38726a1b46874109f417bca112674c528262a40a629af1cbb9f516ce0fa7d2ff630863a00e8b9f",
	},
	{
		method: AuthECDSA521, curve: elliptic.P521(), hash: machine.SHA512, sigOctets: 132,
		x: "0151518f1af0f563517edd5485190df95a4bf57b5cba4cf2a9a3f6474725a35f7afe0a6ddeb8bedbcd6a197e592d4018" +
			"8901cecd650699c9b5e456aea5add19052a8",
		y: "006f3b142ea1bfff7e2837ad44c9e4ff6d2d34c73184bbad90026dd5e6e85317d9df45cad7803c6c20035b2f3ff63aff" +
			"4e1ba64d1c077577da3f4286c58f0aeae643",
		sig: "0154fd3836af92d0dca57dd5341d3053988534fde8318fc6aaaab68e2e6f4339b19f2f281a7e0b22c269d93cf8794a92" +
			"78880ed7dbb8d9362caeacee544320552251017705a7030290d1ceb605a9a1bb03ff9cdd521e87a696ec926c8c10c836" +
			"2df4975367101f67d1cf9bccbf2f3d239534fa509e70aac851ae01aac68d62f866472660",
	},
}

func TestRFC4754(t *testing.T) {
	for _, v := range rfc4754 {
		t.Run(AuthName(v.method), func(t *testing.T) {
			sig := unhexed(t, v.sig)
			point := append(append([]byte{4}, unhexed(t, v.x)...), unhexed(t, v.y)...) // SEC 1 §2.3.3, uncompressed
			pub, err := ecdsa.ParseUncompressedPublicKey(v.curve, point)
			if err != nil {
				t.Fatal(err)
			}
			p := Phase1{Cipher: AES128CBC, Hash: machine.SHA256, Group: ECP256, Auth: v.method}
			if m, err := AuthOfKey(pub); err != nil || m != v.method || len(sig) != v.sigOctets || p.SignatureHash() != v.hash {
				t.Fatalf("method %d, %v, %d octets, hash %d", m, err, len(sig), p.SignatureHash())
			}
			digest := Sum(v.hash, []byte("abc"))
			if err := p.VerifySignature(pub, digest, sig); err != nil {
				t.Fatal(err)
			}
			for i := range sig {
				bad := bytes.Clone(sig)
				bad[i] ^= 0x40
				if err := p.VerifySignature(pub, digest, bad); !errors.Is(err, ErrSignature) {
					t.Fatalf("octet %d changed: %v", i, err)
				}
			}
			if err := p.VerifySignature(pub, digest, sig[1:]); !errors.Is(err, ErrLength) {
				t.Errorf("short: %v", err)
			}
			if err := p.VerifySignature(pub, digest, append([]byte{0}, sig...)); !errors.Is(err, ErrLength) {
				t.Errorf("long: %v", err)
			}
			p.Auth = AuthRSA
			if err := p.VerifySignature(pub, digest, sig); !errors.Is(err, ErrSignature) {
				t.Errorf("a key of another method: %v", err)
			}
		})
	}
	if _, err := AuthOfKey(&rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 1023), E: 65537}); !errors.Is(err, ErrNotAllowed) {
		t.Errorf("RSA-1024: %v", err)
	}
	if _, err := AuthOfKey(&ecdsa.PublicKey{Curve: elliptic.P224()}); !errors.Is(err, ErrUnknown) {
		t.Errorf("P-224: %v", err)
	}
}

func unhexed(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPhase1WithCertificates(t *testing.T) {
	for _, s := range []string{"aes256-sha256-modp2048-rsa", "aes128-sha384-ecp384-ecdsa256", "aes256-sha384-ecp384-ecdsa384", "aes256-sha512-ecp384-ecdsa521"} {
		p, err := ParsePhase1(s)
		if err != nil || p.String() != s || !p.WithCertificate() {
			t.Errorf("%s: %v, %v", s, p, err)
		}
	}
	for _, s := range []string{"aes256-sha256-modp2048-psk", "aes256-sha256-modp2048-", "aes256-sha256-modp2048-rsa-x"} {
		if _, err := ParsePhase1(s); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", s, err)
		}
	}
	if p, err := ParsePhase1("aes256-sha256-modp2048"); err != nil || p.WithCertificate() || AuthName(p.Auth) != "psk" {
		t.Errorf("%v, %v", p, err)
	}
}
