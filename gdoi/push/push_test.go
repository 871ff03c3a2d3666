package push

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestBuildAndOpen(t *testing.T) {
	both := tekOffer(t)
	both.KEK = kekOffer(t, 0x20)
	for _, c := range []struct {
		name string
		m    Message
	}{
		{"TEK", Message{Seq: 1, Offer: tekOffer(t)}},
		{"TEK with access list", Message{Seq: 2, Offer: tekOffer(t), SendAccessList: true}},
		{"KEK", Message{Seq: 3, Offer: &pull.Offer{KEK: kekOffer(t, 0x20)}}},
		{"KEK and TEK", Message{Seq: 4, Offer: both, SendAccessList: true}},
		{"delete TEKs", Message{Seq: 5, Deletes: []isakmp.Delete{DeleteTEKs(0x2001, 0x2002)}}},
		{"delete everything", Message{Seq: 6, Deletes: []isakmp.Delete{DeleteTEKs(), DeleteKEK(gdoi.KEKSPI{})}}},
		{"delete and TEK", Message{Seq: 1<<32 - 1, Deletes: []isakmp.Delete{DeleteTEKs(0x1001)}, Offer: tekOffer(t)}},
	} {
		for _, form := range []machine.SignScheme{machine.SignRSAPKCS1, machine.SignRSABare} {
			t.Run(c.name, func(t *testing.T) {
				k := testKey(t)
				b := datagram(t, k, &c.m, form)
				got, err := Open(k, c.m.Seq-1, b)
				if err != nil {
					t.Fatal(err)
				}
				if !same(got, &c.m) {
					t.Errorf("got %+v", got)
				}
				if _, err := Open(k, c.m.Seq, b); !errors.Is(err, ErrReplay) {
					t.Errorf("SEQ that is not greater: %v", err)
				}
				k.Strict = true
				if _, err := Open(k, 0, b); (err == nil) != (form == machine.SignRSAPKCS1) {
					t.Errorf("strict, form %d: %v", form, err)
				}
			})
		}
	}
}

func TestSIGIsOverTheUnpaddedLength(t *testing.T) {
	k := testKey(t)
	b := datagram(t, k, &Message{Seq: 1, Deletes: []isakmp.Delete{DeleteTEKs(0x1001)}}, machine.SignRSAPKCS1)
	plain, f, err := k.open(0, b)
	if err != nil {
		t.Fatal(err)
	}
	if f.used == len(plain) {
		t.Fatal("choose a message with padding")
	}
	// A key server that signs the transmitted length is understood as well.
	h, _ := isakmp.ParseHeader(b)
	sig, err := rsa.SignPKCS1v15(nil, signKey(t), crypto.SHA256, digest(k.Hash, h, len(b), f.signed))
	if err != nil {
		t.Fatal(err)
	}
	copy(plain[f.used-len(sig):], sig)
	body, err := suite.EncryptCBC(k.Key.Bytes(), k.IV.Bytes(), plain)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(k, 0, append(h.AppendTo(nil), body...)); err != nil {
		t.Error(err)
	}
	// Any other length is not.
	sig, _ = rsa.SignPKCS1v15(nil, signKey(t), crypto.SHA256, digest(k.Hash, h, len(b)+1, f.signed))
	copy(plain[f.used-len(sig):], sig)
	body, _ = suite.EncryptCBC(k.Key.Bytes(), k.IV.Bytes(), plain)
	if _, err := Open(k, 0, append(h.AppendTo(nil), body...)); !errors.Is(err, ErrSignature) {
		t.Errorf("got %v", err)
	}
}

func TestReceiver(t *testing.T) {
	k := testKey(t)
	r := NewReceiver(k, 4)
	push := func(seq uint32) []byte {
		return datagram(t, k, &Message{Seq: seq, Offer: tekOffer(t)}, machine.SignRSAPKCS1)
	}
	five, seven, six := push(5), push(7), push(6)
	fiveAgain := datagram(t, k, &Message{Seq: 5, Deletes: []isakmp.Delete{DeleteTEKs()}}, machine.SignRSAPKCS1)
	for _, c := range []struct {
		name string
		b    []byte
		want error
	}{
		{"before the PULL's number", push(4), ErrReplay},
		{"next", five, nil},
		{"retransmission", five, ErrDuplicate},
		{"the same number with other content", fiveAgain, ErrReplay},
		{"a gap is fine", seven, nil},
		{"an old retransmission", five, ErrDuplicate},
		{"overtaken", six, ErrReplay},
		{"retransmission of the last", seven, ErrDuplicate},
	} {
		_, err := r.Open(c.b)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	r.Raise(6)
	if r.Last() != 7 {
		t.Error("a stale number of a PULL was taken")
	}
	r.Raise(9)
	if _, err := r.Open(push(9)); !errors.Is(err, ErrReplay) {
		t.Errorf("got %v", err)
	}
	r.Destroy()
	if k.Key.Len() != 0 || k.IV.Len() != 0 {
		t.Error("the KEK survived")
	}
}

// TestDamage: what does not verify changes no state.
func TestDamage(t *testing.T) {
	k := testKey(t)
	m := &Message{Seq: 1, Deletes: []isakmp.Delete{DeleteTEKs(0x1001)}, Offer: tekOffer(t), SendAccessList: true}
	good := datagram(t, k, m, machine.SignRSAPKCS1)
	r := NewReceiver(k, 0)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if _, err := r.Open(bad); err == nil {
			t.Fatalf("octet %d damaged and accepted", i)
		}
		if _, err := r.Open(good[:i]); err == nil {
			t.Fatalf("truncated to %d and accepted", i)
		}
	}
	other := testKey(t)
	other.Key = secret(0x99, 32)
	if _, err := Open(other, 0, good); err == nil {
		t.Error("opened with another key")
	}
	if got, err := r.Open(good); err != nil || !same(got, m) {
		t.Errorf("the real one after all that: %v", err)
	}
}

func TestForgedSignature(t *testing.T) {
	k := testKey(t)
	b := datagram(t, k, &Message{Seq: 1, Offer: tekOffer(t)}, machine.SignRSAPKCS1)
	// A member has the KEK, but must not be able to write as the key server.
	plain, err := suite.DecryptCBC(k.Key.Bytes(), k.IV.Bytes(), b[isakmp.HeaderLen:])
	if err != nil {
		t.Fatal(err)
	}
	plain[7]++ // SEQ
	body, err := suite.EncryptCBC(k.Key.Bytes(), k.IV.Bytes(), plain)
	if err != nil {
		t.Fatal(err)
	}
	r := NewReceiver(k, 0)
	var e *Error
	if _, err := r.Open(append(bytes.Clone(b[:isakmp.HeaderLen]), body...)); !errors.As(err, &e) || !errors.Is(err, ErrSignature) || e.Reason != "bad-signature" || e.Genuine {
		t.Errorf("got %v", err)
	}
	if r.Last() != 0 {
		t.Error("a forgery moved the sequence number")
	}
}

func TestBuildRefuses(t *testing.T) {
	k := testKey(t)
	withSID := tekOffer(t)
	withSID.SIDBits, withSID.SIDs = 24, []gdoi.SID{1}
	for _, c := range []struct {
		name string
		m    Message
		form machine.SignScheme
	}{
		{"SEQ 0", Message{Offer: tekOffer(t)}, machine.SignRSAPKCS1},
		{"nothing", Message{Seq: 1}, machine.SignRSAPKCS1},
		{"sender ids", Message{Seq: 1, Offer: withSID}, machine.SignRSAPKCS1},
		{"ECDSA", Message{Seq: 1, Offer: tekOffer(t)}, machine.SignECDSAConcat},
		{"odd delete", Message{Seq: 1, Deletes: []isakmp.Delete{{DOI: 2, Protocol: 1, SPISize: 16, SPIs: [][]byte{make([]byte, 16)}}}}, machine.SignRSAPKCS1},
	} {
		if _, err := Build(k, &c.m, c.form); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	u, err := Build(k, &Message{Seq: 1, Offer: tekOffer(t)}, machine.SignRSAPKCS1)
	if err != nil {
		t.Fatal(err)
	}
	plain := u.plain
	if _, err := u.Finish(make([]byte, 256)); !errors.Is(err, ErrMessage) {
		t.Errorf("a wrong signature went out: %v", err)
	}
	if len(bytes.Trim(plain, "\x00")) != 0 {
		t.Error("the plaintext survived")
	}
	if _, err := u.Finish(make([]byte, 256)); !errors.Is(err, ErrMessage) {
		t.Errorf("finished twice: %v", err)
	}
}

func TestBuildKeepsTheOffer(t *testing.T) {
	o := tekOffer(t)
	datagram(t, testKey(t), &Message{Seq: 1, Offer: o}, machine.SignRSAPKCS1)
	if !o.TEKs[0].Key.Equal(secret(0x55, 36)) {
		t.Error("building wiped the key of the offer")
	}
}

func TestDeletes(t *testing.T) {
	m := &Message{Deletes: []isakmp.Delete{DeleteTEKs(7, 8), DeleteKEK(gdoi.KEKSPI{1})}}
	if !m.DeletesTEK(8) || m.DeletesTEK(9) || !m.DeletesKEK(gdoi.KEKSPI{1}) || m.DeletesKEK(gdoi.KEKSPI{2}) {
		t.Error("by name")
	}
	m = &Message{Deletes: []isakmp.Delete{DeleteTEKs(), {DOI: 2, Protocol: 0, SPISize: 4, SPIs: [][]byte{make([]byte, 4)}}}}
	if !m.DeletesTEK(9) || !m.DeletesKEK(gdoi.KEKSPI{2}) {
		t.Error("all")
	}
	for _, d := range m.Deletes {
		if err := checkDelete(d); err != nil {
			t.Error(err)
		}
	}
}
