package refsession_test

import (
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/refsession"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestPull(t *testing.T) {
	s := refsession.Load()
	var raws [5][]isakmp.Raw
	var ps [5][]isakmp.Payload
	iv := suite.Sum(machine.SHA1, s.Phase1.LastBlock, s.Pull.MessageID)[:8]
	same(t, "first IV", iv, s.Pull.FirstIV)
	for i, m := range s.Pull.Messages {
		h, body := split(t, s.Frames[m.Frame-1])
		if h.Exchange != isakmp.ExchangeGroupkeyPull || h.Flags != isakmp.FlagEncrypted || h.MessageID != 0x03ed5fdf {
			t.Errorf("message %d: header %+v", i+1, h)
		}
		var plain []byte
		plain, iv = tdes(t, s.Phase1.Key, iv, body)
		same(t, "plaintext", plain, m.Plaintext)
		raws[i+1], ps[i+1] = chain(t, h.NextPayload, plain)
		payloads(t, raws[i+1], m)
		same(t, "HASH on the wire", ps[i+1][0].(isakmp.Hash).Data, m.Hash)
	}
	ni, nr := raws[1][1], raws[2][1]
	same(t, "Ni_b", ni.Body(), s.Pull.Nib)
	same(t, "Nr_b", nr.Body(), s.Pull.Nrb)

	// RFC 6407 §3.2: whole payloads where they are sent, bodies of the nonces from there on.
	hash := func(n int, parts ...[]byte) {
		t.Helper()
		parts = append([][]byte{s.Pull.MessageID}, parts...)
		same(t, "HASH of a pull message", prf(s.Phase1.SKEYIDa, parts...), s.Pull.Messages[n-1].Hash)
	}
	hash(1, ni.Wire, raws[1][2].Wire)
	hash(2, ni.Body(), nr.Wire, raws[2][2].Wire)
	hash(3, ni.Body(), nr.Body())
	hash(4, ni.Body(), nr.Body(), raws[4][1].Wire, raws[4][2].Wire)

	if id := ps[1][2].(isakmp.ID); id.IDType != isakmp.IDKeyID || len(id.Data) != 4 {
		t.Errorf("group %+v", id)
	}
	policy(t, s, ps[2][2].(*isakmp.SAGDOI))
	if seq := ps[4][1].(isakmp.SEQ); seq.Number != 0 {
		t.Errorf("SEQ %d before the first push", seq.Number)
	}
	kd := ps[4][2].(*isakmp.KD)
	if len(kd.Packets) != 2 || kd.Packets[1].Type != isakmp.KDTypeTEK {
		t.Fatalf("key packets %+v", kd.Packets)
	}
	kekPacket(t, s, kd.Packets[0])
	same(t, "SPI of the TEK", kd.Packets[1].SPI, []byte{0x01, 0x4a, 0xd3, 0xbe})
}

// payloads compares a chain with the payloads that the session lists.
func payloads(t *testing.T, raws []isakmp.Raw, m refsession.Message) {
	t.Helper()
	used := 0
	for i, want := range m.Payloads {
		if i >= len(raws) || raws[i].Type != isakmp.PayloadType(want.Type) {
			t.Fatalf("payload %d of frame %d is not of type %d", i, m.Frame, want.Type)
		}
		same(t, "payload", raws[i].Wire, want.Hex)
		used += len(raws[i].Wire)
	}
	if len(raws) != len(m.Payloads) || used != m.Used {
		t.Errorf("frame %d: %d payloads of %d octets, want %d of %d", m.Frame, len(raws), used, len(m.Payloads), m.Used)
	}
}

// policy checks the SA of message 2.
func policy(t *testing.T, s *refsession.Session, sa *isakmp.SAGDOI) {
	t.Helper()
	same(t, "SPI of the KEK", sa.SAK.SPI[:], s.KEK.SPI)
	numbers(t, "SAK", sa.SAK.Attributes, map[uint16]uint64{
		isakmp.KEKAttrAlgorithm: isakmp.KEKAlgorithmAES, isakmp.KEKAttrKeyLength: 128, isakmp.KEKAttrKeyLifetime: 25,
		isakmp.KEKAttrSigHashAlgorithm: isakmp.SigHashSHA256, isakmp.KEKAttrSigAlgorithm: isakmp.SigAlgorithmRSA,
		isakmp.KEKAttrSigKeyLength: 2048,
	})
	numbers(t, "GAP", sa.GAP.Attributes, map[uint16]uint64{
		isakmp.GAPActivationTimeDelay: 60, isakmp.GAPDeactivationTimeDelay: 90,
	})
	if len(sa.SATs) != 1 {
		t.Fatalf("%d SATs", len(sa.SATs))
	}
	tek := sa.SATs[0]
	if tek.ProtocolID != isakmp.ProtocolESP || tek.Transform != isakmp.ESP3DES || tek.SPI != 0x014ad3be ||
		tek.Src.IDType != isakmp.IDIPv4Addr || tek.Dst.IDType != isakmp.IDIPv4Addr {
		t.Errorf("SAT %+v", tek)
	}
	numbers(t, "SAT", tek.Attributes, map[uint16]uint64{
		isakmp.SAAttrLifeType: isakmp.LifeTypeSeconds, isakmp.SAAttrLifeDuration: 120,
		isakmp.SAAttrEncapsulationMode: isakmp.EncapsulationTunnel, isakmp.SAAttrAuthAlgorithm: isakmp.AuthHMACSHA1,
		isakmp.SAAttrAddressPreservation: isakmp.PreserveDestination, isakmp.SAAttrDirection: isakmp.DirectionReceiver,
	})
}

func numbers(t *testing.T, what string, as []isakmp.Attribute, want map[uint16]uint64) {
	t.Helper()
	for _, a := range as {
		v, err := a.Uint()
		if w, ok := want[a.Type]; !ok || err != nil || v != w {
			t.Errorf("%s attribute %d is %d (%v), want %d (%v)", what, a.Type, v, err, w, ok)
		}
	}
	if len(as) != len(want) {
		t.Errorf("%s has %d attributes, want %d", what, len(as), len(want))
	}
}

// kekPacket checks that a key packet carries the KEK: IV and key, and the public key of the signatures.
func kekPacket(t *testing.T, s *refsession.Session, k isakmp.KeyPacket) {
	t.Helper()
	if k.Type != isakmp.KDTypeKEK {
		t.Fatalf("key packet of type %s", isakmp.KDTypeName(k.Type))
	}
	same(t, "SPI of the KEK", k.SPI, s.KEK.SPI)
	key, _ := isakmp.FindAttribute(k.Attributes, isakmp.KEKKeyAttrAlgorithmKey)
	same(t, "IV and KEK", key.Value, append(append([]byte{}, s.KEK.IV...), s.KEK.Key...))
	pub, _ := isakmp.FindAttribute(k.Attributes, isakmp.KEKKeyAttrSigAlgorithmKey)
	same(t, "public key", pub.Value, s.KEK.PublicKey)
}
