package push

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// TestEncryptedElsewhere: a message that a custody encrypts is, octet for octet, the one that whoever has the KEK makes.
func TestEncryptedElsewhere(t *testing.T) {
	brought := kekOffer(t, 0x20)
	m := Message{Seq: 4, Offer: &pull.Offer{KEK: brought, TEKs: tekOffer(t).TEKs}}
	want := datagram(t, testKey(t), &m, machine.SignRSAPKCS1)
	full, value := testKey(t), brought.Key.Bytes()
	k := testKey(t)
	k.Key.Destroy() // it is in the custody
	u, err := Build(k, &m, machine.SignRSAPKCS1)
	if err != nil {
		t.Fatal(err)
	}
	if u.Plain() != nil {
		t.Error("there is something to encrypt before there is a signature")
	}
	if _, err := u.Encrypt(); err == nil {
		t.Error("it was encrypted without a signature")
	}
	if u, err = Build(k, &m, machine.SignRSAPKCS1); err != nil {
		t.Fatal(err)
	}
	memory := u.plain[:cap(u.plain)]
	u.Hide(value)
	if bytes.Contains(memory, value) {
		t.Error("the KEK that it brings is still in the message")
	}
	sig, err := rsa.SignPKCS1v15(nil, signKey(t), crypto.SHA256, u.Digest())
	if err != nil {
		t.Fatal(err)
	}
	if err := u.AddSignature(sig); err != nil {
		t.Fatal(err)
	}
	if err := u.AddSignature(sig); !errors.Is(err, ErrMessage) {
		t.Errorf("a second signature: %v", err)
	}
	u.Show(value)
	plain := u.Plain()
	u.Hide(value)
	if !bytes.Contains(plain, value) || bytes.Contains(memory, value) || len(plain)%suite.BlockLen != 0 {
		t.Errorf("what is to be encrypted has %d octets, the KEK: %t; what stays has it: %t", len(plain), bytes.Contains(plain, value), bytes.Contains(memory, value))
	}
	body, err := suite.EncryptCBC(full.Key.Bytes(), full.IV.Bytes(), plain)
	if err != nil {
		t.Fatal(err)
	}
	got, err := u.Datagram(body)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("it differs from the message that whoever has the KEK makes")
	}
	if !bytes.Equal(memory, make([]byte, len(memory))) {
		t.Error("the plaintext is not wiped")
	}
	if _, err := Open(full, 3, got); err != nil {
		t.Error(err)
	}
}

func TestCiphertextThatIsNone(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(plain []byte) []byte
	}{
		{"nothing", func([]byte) []byte { return nil }},
		{"too short", func(p []byte) []byte { return p[suite.BlockLen:] }},
		{"the plaintext", func(p []byte) []byte { return p }},
	} {
		k := testKey(t)
		u, err := Build(k, &Message{Seq: 1, Offer: tekOffer(t)}, machine.SignRSAPKCS1)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := rsa.SignPKCS1v15(nil, signKey(t), crypto.SHA256, u.Digest())
		if err != nil {
			t.Fatal(err)
		}
		if err := u.AddSignature(sig); err != nil {
			t.Fatal(err)
		}
		if _, err := u.Datagram(c.make(u.Plain())); !errors.Is(err, ErrMessage) || u.Plain() != nil {
			t.Errorf("%s: %v, plaintext kept: %t", c.name, err, u.Plain() != nil)
		}
	}
}
