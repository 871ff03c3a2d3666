package isakmp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"reflect"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	all := bodies()
	for name, p := range parsers {
		if len(all[name]) == 0 {
			t.Errorf("no body of %s", name)
		}
		for _, body := range all[name] {
			v, err := p.parse(body)
			if err != nil {
				t.Errorf("%s %x: %v", name, body, err)
				continue
			}
			if v.Type() != p.typ {
				t.Errorf("%s is of type %v", name, v.Type())
			}
			stable(t, p.parse, body, v)
		}
	}
}

// Payloads that end with data of any length cannot notice that the body is shorter: the chain does, see
// TestTruncatedChain. What fails must fail with ErrMalformed, and what is accepted must be what is written.
func TestTruncatedBody(t *testing.T) {
	whole := map[string]bool{"SAPhase1": true, "SAGDOI": true, "KD": true, "SEQ": true, "Delete": true, "NATOA": true}
	for name, p := range parsers {
		for _, body := range bodies()[name] {
			for n := range len(body) {
				v, err := p.parse(body[:n:n])
				switch {
				case err != nil:
					malformed(t, err)
				case whole[name]:
					t.Errorf("%s: %d of %d octets accepted: %x", name, n, len(body), body[:n])
				default:
					stable(t, p.parse, body[:n], v)
				}
			}
		}
	}
}

// rows of bodies that must be refused, one per rule.
func TestMalformed(t *testing.T) {
	rows := []struct{ name, parser, body string }{
		{"nonce of 7", "Nonce", "01020304050607"},
		{"empty hash", "Hash", ""},
		{"empty signature", "Sig", ""},
		{"empty key exchange", "KE", ""},
		{"empty certificate", "Cert", "04"},
		{"id without data", "ID", "0b000000"},
		{"id address of 3", "ID", "01000000 0a0000"},
		{"id subnet of 4", "ID", "04000000 0a000000"},
		{"seq of 5", "SEQ", "0000000001"},
		{"nat-oa reserved", "NATOA", "01000100 0a000001"},
		{"nat-oa subnet", "NATOA", "04000000 0a000000ff000000"},
		{"delete: sizes differ", "Delete", "00000002 01 04 0002 01020304"},
		{"delete: SPIs of nothing", "Delete", "00000002 01 00 ffff"},
		{"notify: SPI too long", "Notify", "00000001 01 10 000e 00010203"},
		{"gap: half an attribute", "GAP", "8001"},
		{"gap: attribute too long", "GAP", "0001 0005 00000000"},
		{"gap: attribute type 0", "GAP", "8000 0001"},
		{"sa1: no proposal", "SAPhase1", "00000002 00000000"},
		{"sa1: proposal of 3", "SAPhase1", "00000002 00000000 00000003"},
		{"sa1: reserved", "SAPhase1", "00000002 00000000 00010008 01010000"},
		{"sa1: transforms missing", "SAPhase1", "00000002 00000000 00000008 01010001"},
		{"sa1: transforms too many", "SAPhase1", "00000002 00000000 00000010 01010000 00000008 00010000"},
		{"sa1: transform reserved", "SAPhase1", "00000002 00000000 00000010 01010001 00000008 00010001"},
		{"sa1: transform count", "SAPhase1", "00000002 00000000 00000010 01010002 00000008 00010000"},
		{"sa1: next of proposal", "SAPhase1", "00000002 00000000 03000008 01010000 00000008 01010000"},
		{"sa1: octets after", "SAPhase1", "00000002 00000000 00000008 01010000 00"},
		{"sa: DOI 1", "SAGDOI", "00000001 00000000 0010 0000 0000002f" + satHex},
		{"sa: situation 1", "SAGDOI", "00000002 00000001 0010 0000 0000002f" + satHex},
		{"sa: empty", "SAGDOI", "00000002 00000000 0000 0000"},
		{"sa: next of two octets", "SAGDOI", "00000002 00000000 0110 0000 0000002f" + satHex},
		{"sa: reserved", "SAGDOI", "00000002 00000000 0010 0001 0000002f" + satHex},
		{"sa: only a GAP", "SAGDOI", "00000002 00000000 0016 0000 00000008 8001001e"},
		{"sa: GAP after SAT", "SAGDOI", "00000002 00000000 0010 0000 1600002f" + satHex + "00000008 8001001e"},
		{"sa: two GAPs", "SAGDOI", "00000002 00000000 0016 0000 16000008 8001001e 10000008 8001001e 0000002f" + satHex},
		{"sa: nonce inside", "SAGDOI", "00000002 00000000 000a 0000 0000000c 0102030405060708"},
		{"sak: reserved", "SAK", "11 01 0350 04 0a000001 01 0350 04 ef0b0101 000102030405060708090a0b0c0d0e0f 00000001"},
		{"sak: destination empty", "SAK", "11 01 0350 04 0a000001 01 0350 00 000102030405060708090a0b0c0d0e0f 00000000"},
		{"sak: eight reserved", "SAK", "11 01 0350 04 0a000001 01 0350 04 ef0b0101 000102030405060708090a0b0c0d0e0f 0000000000000000"},
		{"sat: address of 5", "SAT", "01 00 01 0000 05 0a00000001 01 0000 04 0a000001 14 c0ffee01"},
		{"sat: name", "SAT", "01 00 02 0000 03 616263 01 0000 04 0a000001 14 c0ffee01"},
		{"sat: protocol only", "SAT", "03"},
		{"kd: count too low", "KD", "0000 0000 0100 0011 04 c0ffee01 0001 0004 01020304"},
		{"kd: count too high", "KD", "0002 0000 0100 0011 04 c0ffee01 0001 0004 01020304"},
		{"kd: count over the limit", "KD", "1001 0000"},
		{"kd: reserved", "KD", "0001 0001 0100 0011 04 c0ffee01 0001 0004 01020304"},
		{"kd: packet reserved", "KD", "0001 0000 0101 0011 04 c0ffee01 0001 0004 01020304"},
		{"kd: packet of 3", "KD", "0001 0000 0100 0003"},
		{"kd: packet without SPI size", "KD", "0001 0000 0100 0004"},
		{"kd: TEK with SPI of 8", "KD", "0001 0000 0100 000d 08 0102030405060708"},
		{"kd: KEK with SPI of 4", "KD", "0001 0000 0200 0009 04 c0ffee01"},
		{"kd: SID with SPI", "KD", "0001 0000 0400 0009 04 c0ffee01"},
		{"kd: attribute over the packet", "KD", "0001 0000 0100 0011 04 c0ffee01 0001 0005 01020304"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if v, err := parsers[r.parser].parse(unhex(r.body)); err == nil {
				t.Fatalf("accepted as %+v", v)
			} else {
				malformed(t, err)
			}
		})
	}
}

// One rule must fail at a time: the good forms of what TestMalformed breaks.
func TestLenient(t *testing.T) {
	sak, _ := ParseSAK(unhex(sakHex))
	sat, _ := ParseSAT(unhex(satHex))
	rows := []struct {
		name, parser, body string
		want               Payload
	}{
		{"sak: six reserved octets", "SAK", "11 01 0350 04 0a000001 01 0350 04 ef0b0101 000102030405060708090a0b0c0d0e0f 000000000000" +
			"80020003 80030100 0004 0004 00015180 80050003 80060001 80070800", sak},
		{"sak: two-octet lengths", "SAK", "11 01 0350 0004 0a000001 01 0350 0004 ef0b0101 000102030405060708090a0b0c0d0e0f 00000000" +
			"80020003 80030100 0004 0004 00015180 80050003 80060001 80070800", sak},
		{"sak: both", "SAK", "11 01 0350 0004 0a000001 01 0350 0004 ef0b0101 000102030405060708090a0b0c0d0e0f 000000000000" +
			"80020003 80030100 0004 0004 00015180 80050003 80060001 80070800", sak},
		{"sat: two-octet lengths", "SAT", "01 00 04 0000 0008 0a000000ff000000 04 0000 0008 0a000000ff000000 14 c0ffee01" +
			"80010001 0002 0004 00000e10", sat},
		{"sat: no source", "SAT", "01 00 01 0000 00 01 0000 04 ef010101 14 c0ffee01 80010001", SAT{
			ProtocolID: 1, Src: TrafficID{IDType: IDIPv4Addr, Data: []byte{}},
			Dst: TrafficID{IDType: IDIPv4Addr, Data: []byte{239, 1, 1, 1}}, Transform: ESPAESGCM16, SPI: 0xc0ffee01,
			Attributes: []Attribute{BasicAttr(SAAttrLifeType, LifeTypeSeconds)},
		}},
		{"sat: no source, two-octet lengths", "SAT", "01 00 01 0000 0000 01 0000 0004 ef010101 14 c0ffee01 80010001", SAT{
			ProtocolID: 1, Src: TrafficID{IDType: IDIPv4Addr, Data: []byte{}},
			Dst: TrafficID{IDType: IDIPv4Addr, Data: []byte{239, 1, 1, 1}}, Transform: ESPAESGCM16, SPI: 0xc0ffee01,
			Attributes: []Attribute{BasicAttr(SAAttrLifeType, LifeTypeSeconds)},
		}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			p := parsers[r.parser].parse
			v, err := p(unhex(r.body))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(v, r.want) {
				t.Fatalf("got  %+v\nwant %+v", v, r.want)
			}
			stable(t, p, unhex(r.body), v)
		})
	}
}

func TestKeyPackets(t *testing.T) {
	kd, err := ParseKD(unhex(kdHex))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		typ uint8
		spi int
	}{{KDTypeTEK, 4}, {KDTypeKEK, 16}, {KDTypeLKH, 16}, {KDTypeSID, 0}} {
		if k := kd.Packets[i]; k.Type != want.typ || len(k.SPI) != want.spi {
			t.Errorf("packet %d: %s with an SPI of %d octets", i, KDTypeName(k.Type), len(k.SPI))
		}
	}
	sid, _ := FindAttribute(kd.Packets[3].Attributes, SIDAttrValue)
	if v, err := sid.Uint(); v != 7 || err != nil {
		t.Errorf("SID %d (%v)", v, err)
	}
}

func TestTooLong(t *testing.T) {
	p := GAP{[]Attribute{LongAttr(GAPGetVPNAccessList, make([]byte, 0xffff-8))}}
	if err := CheckSize(p); err != nil {
		t.Errorf("largest payload: %v", err)
	}
	AppendChain(nil, p)
	p.Attributes = append(p.Attributes, BasicAttr(1, 1))
	if err := CheckSize(KE{[]byte{1}}, p); !errors.Is(err, ErrTooLong) {
		t.Errorf("CheckSize: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("AppendChain wrote a length that does not fit")
		}
	}()
	AppendChain(nil, p)
}

func TestVendorIDGetVPN(t *testing.T) {
	if h := sha256.Sum256([]byte("getvpn GDOI extensions 1")); !bytes.Equal(h[:16], VendorIDGetVPN) {
		t.Errorf("is %x, want %x", VendorIDGetVPN, h[:16])
	}
}
