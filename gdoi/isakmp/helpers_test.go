package isakmp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi/refsession"
)

// unhex reads hexadecimal with blanks.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// parser is one Parse function behind the common interface.
type parser func(body []byte) (Payload, error)

func as[P Payload](f func([]byte) (P, error)) parser {
	return func(b []byte) (Payload, error) { return f(b) }
}

// parsers has every payload parser.
var parsers = map[string]struct {
	typ   PayloadType
	parse parser
}{
	"SAPhase1": {PayloadSA, as(ParseSAPhase1)}, "SAGDOI": {PayloadSA, as(ParseSAGDOI)}, "KE": {PayloadKE, as(ParseKE)},
	"ID": {PayloadID, as(ParseID)}, "Cert": {PayloadCERT, as(ParseCert)}, "CertReq": {PayloadCERTREQ, as(ParseCertReq)},
	"Hash": {PayloadHASH, as(ParseHash)}, "Sig": {PayloadSIG, as(ParseSig)}, "Nonce": {PayloadNONCE, as(ParseNonce)},
	"Notify": {PayloadNOTIFY, as(ParseNotify)}, "Delete": {PayloadDELETE, as(ParseDelete)},
	"VendorID": {PayloadVID, as(ParseVendorID)}, "SAK": {PayloadSAK, as(ParseSAK)}, "SAT": {PayloadSAT, as(ParseSAT)},
	"KD": {PayloadKD, as(ParseKD)}, "SEQ": {PayloadSEQ, as(ParseSEQ)}, "NATD": {PayloadNATD, as(ParseNATD)},
	"NATOA": {PayloadNATOA, as(ParseNATOA)}, "GAP": {PayloadGAP, as(ParseGAP)},
	"Fragment": {PayloadFragment, as(ParseFragment)},
}

// bodies has one or more bodies of every payload: from the reference session where it has them.
func bodies() map[string][][]byte {
	m := map[string][][]byte{
		"SAGDOI": {unhex("00000002 00000000 0010 0000 " + "0000002f" + satHex)},
		"ID":     {unhex("0b000000 000004d2"), unhex("02 11 0350 " + hex.EncodeToString([]byte("gm1.example")))},
		"Cert":   {unhex("04 3082")}, "CertReq": {unhex("04"), unhex("04 3000")}, "VendorID": {VendorIDDPD},
		"Notify": {unhex("00000001 01 10 8d28 000102030405060708090a0b0c0d0e0f 00000007"), unhex("00000002 01 00 000e")},
		"Delete": {unhex("00000002 00 10 0001 000102030405060708090a0b0c0d0e0f"), unhex("00000002 01 04 0000")},
		"SAK":    {unhex(sakHex)}, "SAT": {unhex(satHex), unhex("03 0102030405")},
		"KD": {unhex(kdHex)}, "NATD": {unhex("000102030405060708090a0b0c0d0e0f10111213")},
		"NATOA":    {unhex("01000000 0a000001"), unhex("05000000 20010db8000000000000000000000001")},
		"Fragment": {unhex("0001 01 00 3082"), unhex("0001 02 01 00")},
		"GAP":      {unhex("8001001e 8002003c"), nil, unhex("00c8 0005 7065726d69")},
	}
	byType := map[uint8]string{
		5: "ID", 8: "Hash", 9: "Sig", 10: "Nonce", 1: "SAGDOI", 12: "Delete", 17: "KD", 18: "SEQ",
	}
	s := refsession.Load()
	m["SAPhase1"] = append(m["SAPhase1"], s.Phase1.SAib)
	m["KE"] = append(m["KE"], s.Phase1.GXI)
	msgs := s.Pull.Messages
	for _, p := range s.Push {
		msgs = append(msgs, p.Message)
	}
	for _, msg := range msgs {
		for _, p := range msg.Payloads {
			m[byType[p.Type]] = append(m[byType[p.Type]], p.Hex[genericLen:])
		}
	}
	return m
}

const (
	// sakHex is a SAK in the form of the RFC, AES-256 and a Variable lifetime.
	sakHex = "11 01 0350 04 0a000001 01 0350 04 ef0b0101 000102030405060708090a0b0c0d0e0f 00000000" +
		"80020003 80030100 0004 0004 00015180 80050003 80060001 80070800"
	// satHex is ESP AES-GCM-256 for 10.0.0.0/8, any protocol.
	satHex = "01 00 04 0000 08 0a000000ff000000 04 0000 08 0a000000ff000000 14 c0ffee01 80010001 0002 0004 00000e10"
	// kdHex is a KD with a TEK, a KEK, an LKH and a SID packet.
	kdHex = "0004 0000" +
		"0100 0011 04 c0ffee01 0001 0004 01020304" +
		"0200 001d 10 000102030405060708090a0b0c0d0e0f 0001 0004 05060708" +
		"0300 0019 10 000102030405060708090a0b0c0d0e0f 0001 0000" +
		"0400 0010 00 80010018 0002 0003 000007"
)

// malformed fails the test unless err is the sentinel and says where.
func malformed(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, ErrMalformed) {
		t.Fatalf("error %v, want ErrMalformed", err)
	}
	if !strings.HasPrefix(err.Error(), "isakmp: ") {
		t.Errorf("error %q does not say where it comes from", err)
	}
}

// stable checks one accepted body: what is written is the body itself, or, where the parser is lenient, a shorter
// form that is read as the same and written as the same.
func stable(t *testing.T, parse parser, body []byte, p Payload) {
	t.Helper()
	out := p.AppendBody(nil)
	if bytes.Equal(out, body) {
		return
	}
	switch p.(type) {
	case SAK, SAT, *SAGDOI:
	default:
		t.Fatalf("read  %x\nwrote %x", body, out)
	}
	if len(out) >= len(body) {
		t.Fatalf("read  %x\nwrote %x, which is no shorter", body, out)
	}
	q, err := parse(out)
	if err != nil {
		t.Fatalf("read %x, wrote %x: %v", body, out, err)
	}
	if again := q.AppendBody(nil); !bytes.Equal(again, out) {
		t.Fatalf("wrote %x, then %x", out, again)
	}
}
