package pull

import (
	"errors"
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestHashOfAnotherLength: a HASH that is a part of the right one, or none, is not right.
func TestHashOfAnotherLength(t *testing.T) {
	v := fresh(t, 1)
	ps := []isakmp.Payload{isakmp.Nonce{Data: make([]byte, 16)}, isakmp.ID{IDType: isakmp.IDKeyID, Data: []byte(blue)}}
	right := v.gm.hash(nil, isakmp.AppendChain(nil, ps...))
	for _, n := range []int{0, 1, 16, 31, 32} {
		x := v.gmS.Exchange(v.gm.id)
		chain := isakmp.AppendChain(nil, append([]isakmp.Payload{isakmp.Hash{Data: right[:n]}}, ps...)...)
		msg := x.Seal(isakmp.Header{Exchange: isakmp.ExchangeGroupkeyPull, NextPayload: isakmp.PayloadHASH}, chain)
		r, err := NewResponder(v.ksEnv, v.ksS, msg)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = r.Handle(v.now, msg, nil)
		if got, want := err == nil, n == len(right); got != want || !want && !errors.Is(err, ErrHash) {
			t.Errorf("HASH of %d octets: %v", n, err)
		}
	}
}

// TestPaddingIsZero: octets after the chain are not covered by HASH, so they must say nothing.
func TestPaddingIsZero(t *testing.T) {
	v := fresh(t, 1)
	for _, last := range []byte{0, 1} {
		ps := []isakmp.Payload{isakmp.Nonce{Data: make([]byte, 16)}, isakmp.ID{IDType: isakmp.IDKeyID, Data: []byte(blue)}}
		hash := isakmp.Hash{Data: v.gm.hash(nil, isakmp.AppendChain(nil, ps...))}
		chain := append(isakmp.AppendChain(nil, append([]isakmp.Payload{hash}, ps...)...), last)
		msg := v.gmS.Exchange(v.gm.id).Seal(isakmp.Header{Exchange: isakmp.ExchangeGroupkeyPull, NextPayload: isakmp.PayloadHASH}, chain)
		r, err := NewResponder(v.ksEnv, v.ksS, msg)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = r.Handle(v.now, msg, nil); (err == nil) != (last == 0) {
			t.Errorf("padding %d: %v", last, err)
		}
	}
}

// TestHeadersOfNoPull: what another exchange has protected is not taken for a registration.
func TestHeadersOfNoPull(t *testing.T) {
	v := fresh(t, 1)
	good := v.gm.Start(v.now, nil)[0].(machine.Send).Bytes
	for _, c := range []struct {
		name string
		edit func(b []byte)
	}{
		{"initiator cookie", func(b []byte) { b[0] ^= 1 }},
		{"responder cookie", func(b []byte) { b[8] ^= 1 }},
		{"Informational", func(b []byte) { b[18] = byte(isakmp.ExchangeInformational) }},
		{"PUSH", func(b []byte) { b[18] = byte(isakmp.ExchangeGroupkeyPush) }},
		{"in clear", func(b []byte) { b[19] = 0 }},
		{"message id 0", func(b []byte) { clear(b[20:24]) }},
	} {
		b := append([]byte(nil), good...)
		c.edit(b)
		if r, err := NewResponder(v.ksEnv, v.ksS, b); err == nil || r != nil {
			t.Errorf("%s: taken", c.name)
		}
	}
}

// TestGenuineButWrongRequest: the key server's side of TestGenuineButWrong.
func TestGenuineButWrongRequest(t *testing.T) {
	id := isakmp.ID{IDType: isakmp.IDKeyID, Data: []byte(blue)}
	nonce := func(n int) isakmp.Payload { return isakmp.Nonce{Data: make([]byte, n)} }
	for _, c := range []struct {
		name string
		ps   []isakmp.Payload
		want error
	}{
		{"nonce of 128 octets", []isakmp.Payload{nonce(128), id}, nil},
		{"nonce of 129 octets", []isakmp.Payload{nonce(129), id}, ErrMalformed},
		{"group by name", []isakmp.Payload{nonce(16), isakmp.ID{IDType: isakmp.IDFQDN, Data: []byte(blue)}}, ErrUnsupported},
		{"no group", []isakmp.Payload{nonce(16)}, ErrMalformed},
		{"two groups", []isakmp.Payload{nonce(16), id, id}, ErrMalformed},
		{"a notification", []isakmp.Payload{isakmp.Notify{DOI: 2, MsgType: isakmp.InitialContact}}, ErrMalformed},
	} {
		v := fresh(t, 1)
		msg := v.gm.seal(nil, c.ps...)
		r, err := NewResponder(v.ksEnv, v.ksS, msg)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = r.Handle(v.now, msg, nil); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestNoKeysWithoutASenderID: two members that send with one sender id would use IVs twice.
func TestNoKeysWithoutASenderID(t *testing.T) {
	v := fresh(t, 1)
	out := v.gm.Start(v.now, nil)
	out = v.keyServer(out[0].(machine.Send).Bytes)
	out = v.member(out[0].(machine.Send).Bytes)
	if _, _, err := v.ks.Handle(v.now, out[0].(machine.Send).Bytes, nil); err != nil {
		t.Fatal(err)
	}
	v.offer.SIDs = nil
	if out, err := v.ks.Keys(v.now, v.offer, 0, nil); !errors.Is(err, ErrUnsupported) || len(out) != 0 {
		t.Errorf("sent %v, %v", out, err)
	}
}
