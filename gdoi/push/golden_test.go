package push

import (
	"bytes"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"flag"
	"os"
	"testing"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestReferenceSession(t *testing.T) {
	ref := fixture(t, "testdata/reference.txt")
	k, err := KeyFromOffer(&pull.KEKOffer{
		SPI: gdoi.KEKSPI(ref["spi"]), Suite: suite.KEKAES128CBC, Key: machine.NewSecret(ref["key"]),
		IV: machine.NewSecret(ref["iv"]), SigHash: machine.SHA256, SigKeyDER: ref["spki"],
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"11", "12", "13"} {
		b := ref["push"+name]
		h, err := isakmp.ParseHeader(b)
		if err != nil || SPIOf(h) != k.SPI {
			t.Fatal(err)
		}
		_, f, err := k.open(uint32(i), b)
		if err != nil {
			t.Fatalf("frame %s: %v", name, err)
		}
		if d := digest(k.Hash, h, isakmp.HeaderLen+f.used, f.signed); !bytes.Equal(d, ref["digest"+name]) {
			t.Errorf("frame %s: digest %x", name, d)
		}
		strict := *k
		strict.Strict = true
		if _, _, err := strict.open(uint32(i), b); !errors.Is(err, ErrSignature) {
			t.Errorf("frame %s: strict: %v", name, err)
		}
	}
	r := NewReceiver(k, 0)
	for _, name := range []string{"11", "12"} {
		// 3DES with HMAC-SHA1, for receivers only, destinations preserved: whether that is wanted is for the member to say.
		m, err := r.Open(ref["push"+name])
		if err != nil || m.Offer == nil {
			t.Fatalf("frame %s: %v", name, err)
		}
		for _, e := range m.Offer.TEKs {
			if e.Suite != suite.ESP3DESCBCSHA1 || !e.DestinationOnly {
				t.Errorf("frame %s: TEK %v is %v", name, e.SPI, e.Suite)
			}
		}
	}
	if r.Last() != 2 {
		t.Errorf("last is %d", r.Last())
	}
	m, err := r.Open(ref["push13"])
	if err != nil {
		t.Fatal(err)
	}
	if m.Seq != 3 || m.Offer != nil || !m.DeletesTEK(0x014ad3be) || !m.DeletesTEK(0x410bfaec) || !m.DeletesTEK(0xf036727a) || m.DeletesTEK(1) {
		t.Errorf("got %+v", m)
	}
	if _, err := r.Open(ref["push11"]); !errors.Is(err, ErrDuplicate) {
		t.Errorf("frame 11 once more: %v", err)
	}
}

var update = flag.Bool("update", false, "rewrite testdata/golden.txt")

func TestGoldenDatagram(t *testing.T) {
	// The signature key may change; everything before SIG is pinned, and what is signed.
	u, err := Build(testKey(t), &Message{Seq: 1, Deletes: []isakmp.Delete{DeleteTEKs(0x1001)}, Offer: tekOffer(t), SendAccessList: true}, machine.SignRSAPKCS1)
	if err != nil {
		t.Fatal(err)
	}
	got := hex.EncodeToString(u.plain) + "\n" + hex.EncodeToString(u.Digest()) + "\n"
	if *update {
		if err := os.WriteFile("testdata/golden.txt", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("payloads before SIG and digest changed:\n%s", got)
	}
}

func FuzzOpen(f *testing.F) {
	k := testKey(f)
	for _, m := range []*Message{{Seq: 1, Offer: tekOffer(f)}, {Seq: 1, Deletes: []isakmp.Delete{DeleteTEKs()}}} {
		f.Add(datagram(f, k, m, machine.SignRSAPKCS1), false)
		plain, _, err := k.open(0, datagram(f, k, m, machine.SignRSAPKCS1))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain, true)
	}
	foreign := fixture(f, "testdata/ecdsa.txt")
	f.Add(foreign["push256"], false)
	f.Add(foreign["push384"], false)
	curve := *k
	curve.Public = signatureKey(f, curveKey(f, elliptic.P256()))
	f.Add(write(f, &curve, &Message{Seq: 1, Offer: tekOffer(f)}, curveKey(f, elliptic.P256())), false)
	f.Fuzz(func(t *testing.T, b []byte, inner bool) {
		if !inner {
			for _, k := range []*Key{k, &curve} {
				m, err := Open(k, 0, b)
				if err == nil && m.Seq == 0 {
					t.Error("SEQ 0 accepted")
				}
			}
			return
		}
		// Behind encryption and signature, so that the fuzzer gets there: what a key server could send.
		fm, err := split(isakmp.PayloadSEQ, b)
		if err != nil {
			return
		}
		m := &Message{Seq: fm.seq}
		if m.parse(fm) != nil || m.Seq == 0 {
			return
		}
		u, err := Build(k, m, machine.SignRSAPKCS1)
		if err != nil {
			return
		}
		u.Destroy()
	})
}
