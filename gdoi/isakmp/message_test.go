package isakmp

import (
	"bytes"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi/refsession"
)

func TestHeader(t *testing.T) {
	const good = "0102030405060708 1112131415161718 05 10 20 01 a1a2a3a4 0000001c"
	h, err := ParseHeader(unhex(good))
	want := Header{
		Cookie{1, 2, 3, 4, 5, 6, 7, 8}, Cookie{0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18},
		PayloadID, Version10, ExchangeGroupkeyPull, FlagEncrypted, 0xa1a2a3a4, 28,
	}
	if err != nil || h != want {
		t.Fatalf("%+v %v", h, err)
	}
	if out := h.AppendTo(nil); !bytes.Equal(out, unhex(good)) {
		t.Errorf("wrote %x", out)
	}
	for n := range HeaderLen {
		_, err := ParseHeader(unhex(good)[:n])
		malformed(t, err)
	}
	rows := []struct {
		name, wire string
		is         error
	}{
		{"version 2.0", "0102030405060708 1112131415161718 05 20 20 01 a1a2a3a4 0000001c", ErrVersion},
		{"version 1.1", "0102030405060708 1112131415161718 05 11 20 01 a1a2a3a4 0000001c", ErrVersion},
		{"unknown flag", "0102030405060708 1112131415161718 05 10 20 09 a1a2a3a4 0000001c", ErrMalformed},
		{"length short", "0102030405060708 1112131415161718 05 10 20 01 a1a2a3a4 0000001b", ErrLength},
		{"length long", "0102030405060708 1112131415161718 05 10 20 01 a1a2a3a4 8000001c", ErrLength},
		{"datagram longer", "0102030405060708 1112131415161718 05 10 20 01 a1a2a3a4 0000001c 00", ErrLength},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			_, err := ParseHeader(unhex(r.wire))
			malformed(t, err)
			if !errors.Is(err, r.is) {
				t.Errorf("error %v, want %v", err, r.is)
			}
		})
	}
}

func TestChain(t *testing.T) {
	rows := []struct {
		name  string
		first PayloadType
		wire  string
		n     int // payloads, -1: refused
		used  int
	}{
		{"nothing", PayloadNone, "", 0, 0},
		{"only padding", PayloadNone, "0000", 0, 0},
		{"one", PayloadSEQ, "00000008 00000001", 1, 8},
		{"two and padding", PayloadHASH, "12000006 aabb 00000008 00000001 0000", 2, 14},
		{"empty body", PayloadCERTREQ, "00000004", 1, 4},
		{"private type", 130, "00000005 aa", 1, 5},
		{"reserved", PayloadSEQ, "00010008 00000001", -1, 0},
		{"length 3", PayloadSEQ, "00000003 00000001", -1, 0},
		{"unassigned type", 23, "00000005 aa", -1, 0},
		{"POP of RFC 3547", 19, "00000005 aa", -1, 0},
		{"SAT outside an SA", PayloadSAT, "0000002f" + satHex, -1, 0},
		{"proposal outside an SA", PayloadProposal, "00000008 01010000", -1, 0},
		{"next missing", PayloadSEQ, "08000008 00000001", -1, 0},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			chain, used, err := ParseChain(r.first, unhex(r.wire))
			if r.n < 0 {
				malformed(t, err)
			} else if err != nil || len(chain) != r.n || used != r.used {
				t.Errorf("%d payloads, %d octets, %v", len(chain), used, err)
			}
		})
	}
}

func TestChainDepth(t *testing.T) {
	ps := make([]Payload, MaxPayloads)
	for i := range ps {
		ps[i] = SEQ{uint32(i)}
	}
	if _, _, err := ParseChain(PayloadSEQ, AppendChain(nil, ps...)); err != nil {
		t.Errorf("%d payloads: %v", len(ps), err)
	}
	_, _, err := ParseChain(PayloadSEQ, AppendChain(nil, append(ps, SEQ{})...))
	malformed(t, err)
}

// Every proper prefix of every plaintext of the reference session is refused.
func TestTruncatedChain(t *testing.T) {
	for _, m := range refsession.Load().Pull.Messages {
		for n := range m.Used {
			_, _, err := ParseChain(PayloadHASH, m.Plaintext[:n:n])
			malformed(t, err)
		}
	}
}

func TestMessage(t *testing.T) {
	msg := Message(Header{Exchange: ExchangeInformational}, Notify{DOI: DOIGDOI, Protocol: ProtoISAKMP, MsgType: NoProposalChosen})
	h, err := ParseHeader(msg)
	if err != nil || h.NextPayload != PayloadNOTIFY {
		t.Fatalf("%+v %v", h, err)
	}
	chain, used, err := ParseChain(h.NextPayload, msg[HeaderLen:])
	if err != nil || used != len(msg)-HeaderLen {
		t.Fatalf("%d %v", used, err)
	}
	if n, err := ParseNotify(chain[0].Body()); err != nil || n.MsgType != NoProposalChosen {
		t.Errorf("%+v %v", n, err)
	}
}

func TestAttributeUint(t *testing.T) {
	rows := []struct {
		name string
		a    Attribute
		want uint64
		ok   bool
	}{
		{"basic", BasicAttr(4, 0xabcd), 0xabcd, true},
		{"four octets", UintAttr(4, 86400, 4), 86400, true},
		{"one octet", UintAttr(4, 7, 1), 7, true},
		{"eight octets", UintAttr(4, 1<<63, 8), 1 << 63, true},
		{"nothing", LongAttr(4, nil), 0, false},
		{"nine octets", LongAttr(4, make([]byte, 9)), 0, false},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			v, err := r.a.Uint()
			if v != r.want || (err == nil) != r.ok {
				t.Errorf("%d %v", v, err)
			}
			if err != nil {
				malformed(t, err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	rows := []struct{ got, want string }{
		{PayloadSAK.String(), "SAK"}, {PayloadType(19).String(), "unknown(19)"}, {PayloadType(200).String(), "unknown(200)"},
		{ExchangeGroupkeyPush.String(), "groupkey-push"}, {ExchangeType(34).String(), "unknown(34)"},
		{Flags(0).String(), "-"}, {(FlagEncrypted | FlagAuthOnly).String(), "EA"}, {Flags(0x81).String(), "E+0x80"},
		{NoProposalChosen.String(), "NO-PROPOSAL-CHOSEN"}, {RUThere.String(), "R-U-THERE"}, {NotifyType(99).String(), "unknown(99)"},
		{IDKeyID.String(), "key-id"}, {ESPTransformName(ESPAESGCM16), "aes-gcm-16"}, {KDTypeName(KDTypeSID), "SID"},
		{KEKAlgorithmName(KEKAlgorithmAES), "aes-cbc"}, {Cookie{0xab}.String(), "ab00000000000000"},
	}
	for _, r := range rows {
		if r.got != r.want {
			t.Errorf("%q, want %q", r.got, r.want)
		}
	}
}
