package member

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/push"
)

// TestAnotherSideSaysItsKEKIsTheNewest: C gives way to B, and a moment later both to A, whose KEK this member has: it stays,
// though what B said was the end of it.
func TestAnotherSideSaysItsKEKIsTheNewest(t *testing.T) {
	b := side(t, 0xc, a1)
	b.grant(keyed(mergeOffer(a1), 0xa, 1, 0))
	b.push(keyed(mergeOffer(a1), 0xb, 1, 0))
	b.push(keyed(mergeOffer(a1), 0xa, 1, 0))
	if k := b.g.newestKEK(); k != (gdoi.KEKSPI{0xa}) {
		t.Errorf("the newest KEK is %v", k)
	}
	b.run(4*a + time.Second)
	if b.g.kek(gdoi.KEKSPI{0xa}) == nil {
		t.Error("the KEK of the side that stays has ended")
	}
	if b.g.kek(gdoi.KEKSPI{0xc}) != nil {
		t.Error("the KEK of a side that gave way is still there")
	}
}

// TestARekeyUnderAKEKThatWasSaidToEnd: who has that KEK and no other is told of none, and it is the newest all the same. Its
// own end counts.
func TestARekeyUnderAKEKThatWasSaidToEnd(t *testing.T) {
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, Config{})
	o := keyed(mergeOffer(a1), 0xa, 1)
	o.SIDs = []gdoi.SID{1}
	o.KEK.Lifetime = 600
	if o.KEK.SigKeyDER, err = x509.MarshalPKIXPublicKey(&signer.PublicKey); err != nil {
		t.Fatal(err)
	}
	b.grant(o)
	b.push(keyed(mergeOffer(a1), 0xb, 1))
	b.run(a)

	key, err := push.KeyFromOffer(o.KEK)
	if err != nil {
		t.Fatal(err)
	}
	u, err := push.Build(key, &push.Message{Seq: 7, Offer: mergeOffer(a1)}, machine.SignRSAPKCS1)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := rsa.SignPKCS1v15(nil, signer, crypto.SHA256, u.Digest())
	if err != nil {
		t.Fatal(err)
	}
	datagram, err := u.Finish(sig)
	if err != nil {
		t.Fatal(err)
	}
	if b.out, err = b.g.PushMessage(b.now, o.KEK.SPI, machine.Datagram{Remote: ks2, Bytes: datagram}, b.out); err != nil {
		t.Fatal(err)
	}
	if by := b.peer(gdoi.NoteRekeyReceived); by != ks2.String() { // the primary, and not the one of the registration
		t.Errorf("rekeyed by %q", by)
	}
	if b.g.newestKEK() != o.KEK.SPI {
		t.Errorf("the newest KEK is %v", b.g.newestKEK())
	}
	b.run(4 * a)
	if b.g.kek(o.KEK.SPI) == nil {
		t.Error("the KEK under which the last rekey came has ended")
	}
	b.run(5 * a)
	if b.g.kek(o.KEK.SPI) == nil {
		t.Error("it has ended before its time")
	}
	b.run(11 * a)
	if b.g.kek(o.KEK.SPI) != nil {
		t.Error("it has outlived its time")
	}
}
