package ike1

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestCoop(t *testing.T) {
	for _, p := range suite.DefaultPhase1() {
		if p.WithCertificate() {
			continue
		}
		w := pair(t, func(m, s *Config) { m.Suites, s.Suites = []suite.Phase1{p}, []suite.Phase1{p} })
		for n := range 100 {
			frame := bytes.Repeat([]byte{byte(n)}, n+1)
			msg := w.member.SealCoop(bytes.Clone(frame))
			if len(msg) > len(frame)+MaxCoopOverhead {
				t.Fatalf("%v: %d octets for a frame of %d", p, len(msg), len(frame))
			}
			got, err := w.server.OpenCoop(msg)
			if err != nil || !bytes.Equal(got, frame) {
				t.Fatalf("%v: %x %v", p, got, err)
			}
			if back, err := w.member.OpenCoop(msg); err != nil || !bytes.Equal(back, frame) {
				t.Errorf("that it is our own is not for this layer to see: %v", err)
			}
		}
		if err := w.deliver(true, w.member.SealCoop([]byte("x"))); reasonOf(err) != ReasonUnexpected || !errors.Is(err, ErrIgnored) {
			t.Errorf("handed to the session: %v", err)
		}
		w.established()
		w.member.Destroy()
		if w.member.SealCoop([]byte("x")) != nil {
			t.Error("a dead session seals")
		}
	}
	if half, _, _ := before(t, 2); half.member.SealCoop([]byte("x")) != nil {
		t.Error("a negotiation seals")
	}
}

func TestCoopForgeries(t *testing.T) {
	w := pair(t, nil)
	good := w.member.SealCoop([]byte("a frame"))
	for i := range good {
		b := bytes.Clone(good)
		b[i] ^= 4
		// The padding says nothing: it is the end of the last block.
		if f, err := w.server.OpenCoop(b); err == nil && string(f) != "a frame" {
			t.Errorf("octet %d: %q", i, f)
		} else if err == nil && i < len(good)-16 {
			t.Errorf("octet %d changed, and taken", i)
		} else if err != nil && !errors.Is(err, ErrIgnored) {
			t.Errorf("octet %d: %v", i, err)
		}
	}
	x := w.member.Exchange(77)
	h := isakmp.Header{Exchange: isakmp.ExchangeCoop, NextPayload: isakmp.PayloadHASH}
	c := isakmp.Coop{Data: []byte("f")}
	hash := func(ps ...isakmp.Payload) isakmp.Payload {
		return isakmp.Hash{Data: w.member.PRF(beUint32(77), isakmp.AppendChain(nil, ps...))}
	}
	sealed := func(h isakmp.Header, ps ...isakmp.Payload) []byte {
		x = w.member.Exchange(77)
		return x.Seal(h, isakmp.AppendChain(nil, ps...))
	}
	i, r := w.member.Cookies()
	for _, f := range []struct {
		name, reason string
		msg          []byte
	}{
		{"without a hash", ReasonMalformed, sealed(isakmp.Header{Exchange: isakmp.ExchangeCoop, NextPayload: isakmp.PayloadCoop}, c)},
		{"with two frames", ReasonMalformed, sealed(h, hash(c, c), c, c)},
		{"with a notification", ReasonMalformed, sealed(h, hash(isakmp.Notify{DOI: 1, Protocol: 1}), isakmp.Notify{DOI: 1, Protocol: 1})},
		{"an empty frame", ReasonMalformed, sealed(h, hash(isakmp.Coop{}), isakmp.Coop{})},
		{"another hash", ReasonAuth, sealed(h, hash(c, c), c)},
		{"an Informational message", ReasonUnexpected, sealed(isakmp.Header{Exchange: isakmp.ExchangeInformational, NextPayload: isakmp.PayloadHASH}, hash(c), c)},
		{"in clear", ReasonUnprotected, isakmp.Message(isakmp.Header{InitiatorCookie: i, ResponderCookie: r, Exchange: isakmp.ExchangeCoop, MessageID: 77}, hash(c), c)},
		{"nothing", ReasonMalformed, nil},
		{"half a block", ReasonMalformed, func() []byte { b := bytes.Clone(good[:len(good)-3]); isakmp.SetLength(b); return b }()},
		{"of another session", ReasonCookies, pair(t, func(m, _ *Config) { m.OmitInitialContact = true }).server.SealCoop([]byte("f"))},
	} {
		if f.name == "of another session" {
			f.msg[3] ^= 1 // the randomness of the tests gives both the same cookies
		}
		if _, err := w.server.OpenCoop(f.msg); err == nil || reasonOf(err) != f.reason {
			t.Errorf("%s: %v; want %s", f.name, err, f.reason)
		}
	}
	if _, err := w.server.OpenCoop(sealed(h, hash(c), c)); err != nil {
		t.Errorf("the genuine one: %v", err)
	}
}

// TestCoopByHand opens a message with nothing but the standard library and the keys of the session.
func TestCoopByHand(t *testing.T) {
	w := pair(t, nil)
	msg := w.member.SealCoop([]byte("frame"))
	const want = "f0" // exchange type 240
	if got := hex.EncodeToString(msg[18:19]); got != want || msg[19] != 1 || bytes.Equal(msg[20:24], make([]byte, 4)) {
		t.Fatalf("header %x", msg[:28])
	}
	iv := sha256.Sum256(append(bytes.Clone(w.member.iv), msg[20:24]...))
	block, err := aes.NewCipher(w.member.keys.CipherKey.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	text := make([]byte, len(msg)-28)
	cipher.NewCBCDecrypter(block, iv[:16]).CryptBlocks(text, msg[28:])
	body := append([]byte{0, 0, 0, 9}, "frame"...)
	m := hmac.New(sha256.New, w.member.keys.A.Bytes())
	m.Write(msg[20:24])
	m.Write(body)
	plain := append(append([]byte{240, 0, 0, 36}, m.Sum(nil)...), body...)
	if !bytes.HasPrefix(text, plain) || msg[16] != 8 {
		t.Errorf("in it is %x; want %x", text, plain)
	}
}

// FuzzCoop: nothing but what the peer has sealed is taken.
func FuzzCoop(f *testing.F) {
	w := pair(f, nil)
	good := w.member.SealCoop([]byte("a frame"))
	f.Add(good, uint16(0), byte(0))
	f.Add([]byte("junk"), uint16(9), byte(1))
	f.Fuzz(func(t *testing.T, junk []byte, at uint16, flip byte) {
		if b, err := w.server.OpenCoop(junk); err == nil && string(b) != "a frame" {
			t.Errorf("%x was taken", junk)
		}
		b := bytes.Clone(good)
		b[int(at)%len(b)] ^= flip
		if f, err := w.server.OpenCoop(b); err == nil && string(f) != "a frame" {
			t.Errorf("%x was taken", b)
		}
	})
}
