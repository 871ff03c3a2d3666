package refsession_test

import (
	"bytes"
	"crypto/cipher"
	"crypto/des"
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/refsession"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// same fails the test when got is not what the session says.
func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s\n got %x\nwant %x", what, got, want)
	}
}

// split takes the header off a datagram and checks that the header is written as it was read.
func split(t *testing.T, f refsession.Frame) (isakmp.Header, []byte) {
	t.Helper()
	h, err := isakmp.ParseHeader(f.Data)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "header", h.AppendTo(nil), f.Data[:isakmp.HeaderLen])
	return h, f.Data[isakmp.HeaderLen:]
}

// tdes decrypts what the reference program encrypted in phase 1; the program itself refuses 3DES.
func tdes(t *testing.T, key, iv, ciphertext []byte) (plain, nextIV []byte) {
	t.Helper()
	b, err := des.NewTripleDESCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	plain = make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(b, iv).CryptBlocks(plain, ciphertext)
	return plain, ciphertext[len(ciphertext)-des.BlockSize:]
}

// chain splits a plaintext into payloads, parses each and checks that it is written as it was read, the padding being
// zero octets.
func chain(t *testing.T, first isakmp.PayloadType, plain []byte) (raws []isakmp.Raw, ps []isakmp.Payload) {
	t.Helper()
	raws, used, err := isakmp.ParseChain(first, plain)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "padding", plain[used:], make([]byte, len(plain)-used))
	for _, r := range raws {
		p, err := parse(r)
		if err != nil {
			t.Fatalf("%v: %v", r.Type, err)
		}
		if p.Type() != r.Type {
			t.Errorf("type %v parsed as %v", r.Type, p.Type())
		}
		same(t, "body of "+r.Type.String(), p.AppendBody(nil), canonical(r))
		ps = append(ps, p)
	}
	if first != isakmp.FirstType(ps...) {
		t.Errorf("first type %v, want %v", isakmp.FirstType(ps...), first)
	}
	return raws, ps
}

// canonical is the body of a payload as we write it: without the two surplus octets after the SAK's SPI.
func canonical(r isakmp.Raw) []byte {
	const sak, lengthAt, surplusAt = 12, 14, 16 + 1 + 8 + 8 + 16 + 4
	b := bytes.Clone(r.Body())
	if r.Type == isakmp.PayloadSA && len(b) > surplusAt && b[9] == byte(isakmp.PayloadSAK) {
		b = append(b[:surplusAt], b[surplusAt+2:]...)
		b[lengthAt+1] -= 2
	}
	return b
}

// parse reads a payload. Every GDOI SA of the session starts with a SAK; a proposal has a reserved octet there.
func parse(r isakmp.Raw) (isakmp.Payload, error) {
	switch b := r.Body(); r.Type {
	case isakmp.PayloadSA:
		if b[9] == byte(isakmp.PayloadSAK) {
			return isakmp.ParseSAGDOI(b)
		}
		return isakmp.ParseSAPhase1(b)
	case isakmp.PayloadKE:
		return isakmp.ParseKE(b)
	case isakmp.PayloadID:
		return isakmp.ParseID(b)
	case isakmp.PayloadHASH:
		return isakmp.ParseHash(b)
	case isakmp.PayloadSIG:
		return isakmp.ParseSig(b)
	case isakmp.PayloadNONCE:
		return isakmp.ParseNonce(b)
	case isakmp.PayloadNOTIFY:
		return isakmp.ParseNotify(b)
	case isakmp.PayloadDELETE:
		return isakmp.ParseDelete(b)
	case isakmp.PayloadSEQ:
		return isakmp.ParseSEQ(b)
	default:
		return isakmp.ParseKD(b)
	}
}

func prf(key []byte, parts ...[]byte) []byte { return suite.PRF(machine.SHA1, key, parts...) }
