package refsession_test

import (
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/refsession"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestPush(t *testing.T) {
	s := refsession.Load()
	pub, err := suite.ParseSignatureKey(s.KEK.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	var teks []uint32
	for i, m := range s.Push {
		h, body := split(t, s.Frames[m.Frame-1])
		if h.Exchange != isakmp.ExchangeGroupkeyPush || h.Flags != isakmp.FlagEncrypted || h.MessageID != 0 {
			t.Errorf("push %d: header %+v", i+1, h)
		}
		same(t, "cookies", append(h.InitiatorCookie[:], h.ResponderCookie[:]...), s.KEK.SPI)
		// Every push starts from the IV of the KEK: nothing is chained.
		plain, err := suite.DecryptCBC(s.KEK.Key, s.KEK.IV, body)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "plaintext", plain, m.Plaintext)
		raws, ps := chain(t, h.NextPayload, plain)
		payloads(t, raws, m.Message)
		if seq := ps[0].(isakmp.SEQ); int(seq.Number) != i+1 {
			t.Errorf("push %d has SEQ %d", i+1, seq.Number)
		}

		// The signed header has the length without the CBC padding, but with the SIG payload.
		h.Length = uint32(isakmp.HeaderLen + m.Used)
		sig := ps[len(ps)-1].(isakmp.Sig)
		signed := plain[:m.Used-len(raws[len(raws)-1].Wire)]
		digest := suite.Sum(machine.SHA256, []byte(isakmp.PushSignaturePrefix), h.AppendTo(nil), signed)
		same(t, "signed digest", digest, m.Signed)
		if err := pub.Verify(machine.SignRSABare, machine.SHA256, digest, sig.Data); err != nil {
			t.Errorf("push %d: %v", i+1, err)
		}
		if err := pub.Verify(machine.SignRSAPKCS1, machine.SHA256, digest, sig.Data); err == nil {
			t.Errorf("push %d: signature has a DigestInfo, the reference program sends none", i+1)
		}
		digest[0] ^= 1
		if err := pub.Verify(machine.SignRSABare, machine.SHA256, digest, sig.Data); err == nil {
			t.Errorf("push %d: signature verifies over another digest", i+1)
		}

		switch p := ps[1].(type) {
		case *isakmp.SAGDOI:
			same(t, "SPI of the KEK", p.SAK.SPI[:], s.KEK.SPI)
			kd := ps[2].(*isakmp.KD)
			kekPacket(t, s, kd.Packets[0])
			for _, sat := range p.SATs {
				teks = append(teks, sat.SPI)
			}
		case isakmp.Delete:
			if p.DOI != isakmp.DOIGDOI || p.Protocol != isakmp.ProtocolESP || len(p.SPIs) != 3 {
				t.Errorf("Delete %+v", p)
			}
			same(t, "last SPI deleted", p.SPIs[2], []byte{0xf0, 0x36, 0x72, 0x7a})
		}
	}
	if len(teks) != 3 || teks[0] != 0x014ad3be || teks[1] != 0x410bfaec || teks[2] != 0xf036727a {
		t.Errorf("TEKs %x", teks)
	}
}
