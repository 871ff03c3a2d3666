package ike1

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// pair is an established pair.
func pair(t testing.TB, edit func(m, s *Config)) *wire {
	t.Helper()
	m, s := config(), config()
	if edit != nil {
		edit(m, s)
	}
	w := newWire(t, m, s).start().run(time.Second)
	w.established()
	return w
}

// capture collects what comes out of f instead of delivering it.
func capture(t testing.TB, out machine.Effects) [][]byte {
	t.Helper()
	var bs [][]byte
	for _, e := range out {
		bs = append(bs, e.(machine.Send).Bytes)
	}
	return bs
}

func TestLifetime(t *testing.T) {
	for _, c := range []struct {
		name           string
		member, server time.Duration
		want           time.Duration
	}{
		{"same", time.Hour, time.Hour, time.Hour},
		{"server shorter", time.Hour, 10 * time.Minute, 10 * time.Minute},
		{"member shorter", 10 * time.Minute, time.Hour, 10 * time.Minute},
		{"defaults", 0, 0, DefaultLifetime},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := pair(t, func(m, s *Config) { m.Lifetime, s.Lifetime = c.member, c.server })
			if got := w.server.Expires().Sub(0); got < c.want || got > c.want+time.Second {
				t.Errorf("server ends at %s", got)
			}
			w.run(c.want - 10*time.Second)
			w.established()
			w.run(20 * time.Second)
			for _, s := range []*Session{w.member, w.server} {
				if r := s.DeadReason(); s.State() != StateDead || r != ReasonExpired && r != ReasonPeerDeleted {
					t.Errorf("initiator %v: %s %s", s.Initiator(), s.State(), r)
				}
			}
			if w.member.PRF([]byte("x")) != nil || w.server.keys.A.Len() != 0 || w.member.keys.SKEYID.Len() != 0 || w.member.keys.CipherKey.Len() != 0 {
				t.Error("keys are still there")
			}
			if w.member.Exchange(1).Seal(isakmp.Header{}, nil) != nil {
				t.Error("a dead session seals")
			}
		})
	}
}

func TestDelete(t *testing.T) {
	w := pair(t, nil)
	msgs := capture(t, w.member.Delete(w.now, nil))
	if w.member.State() != StateDead || w.member.DeadReason() != ReasonLocalDeleted || len(msgs) != 1 {
		t.Fatalf("%s %s, %d messages", w.member.State(), w.member.DeadReason(), len(msgs))
	}
	if err := w.deliver(true, msgs[0]); reasonOf(err) != ReasonPeerDeleted || !errors.Is(err, ErrFatal) || w.server.State() != StateDead {
		t.Errorf("%v, server %s", err, w.server.State())
	}
	if out := w.member.Delete(w.now, nil); len(out) != 0 {
		t.Error("a second Delete sends")
	}

	half, _, _ := before(t, 2)
	if out := half.member.Delete(half.now, nil); len(out) != 0 || half.member.State() != StateDead || half.member.dh != nil {
		t.Error("Delete before keys exist")
	}
}

// Anything about an established session that is not authentic and fresh changes nothing.
func TestForgeries(t *testing.T) {
	w := pair(t, nil)
	i, r := w.member.Cookies()
	clearHeader := isakmp.Header{InitiatorCookie: i, ResponderCookie: r, Exchange: isakmp.ExchangeInformational}
	del := isakmp.Delete{DOI: 2, Protocol: 1, SPISize: 16, SPIs: [][]byte{w.member.spi()}}
	own := capture(t, w.server.Informational(nil, del))[0] // the server's own deletion, not delivered to the member
	good := capture(t, w.member.Informational(nil, del))[0]
	flip := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	x := w.member.Exchange(77)
	noHash := x.Seal(isakmp.Header{Exchange: isakmp.ExchangeInformational, NextPayload: isakmp.PayloadDELETE}, isakmp.AppendChain(nil, del))
	zero := bytes.Clone(good)
	copy(zero[20:24], make([]byte, 4))
	for _, c := range []struct {
		name, reason string
		msg          []byte
	}{
		{"Delete in clear", ReasonUnprotected, isakmp.Message(clearHeader, del)},
		{"DPD in clear", ReasonUnprotected, isakmp.Message(clearHeader, w.member.dpdNotify(isakmp.RUThere, 1))},
		{"NO-PROPOSAL-CHOSEN in clear", ReasonUnprotected, NotifyCleartext(clearHeader, isakmp.NoProposalChosen)},
		{"our own Delete reflected", ReasonReplay, own},
		{"without HASH", ReasonMalformed, noHash},
		{"message id 0", ReasonMalformed, zero},
		{"other cookies", ReasonCookies, flip(3)},
		{"other message id", "", flip(22)},
		{"other exchange", ReasonUnexpected, func() []byte { b := bytes.Clone(good); b[18] = 32; return b }()},
		{"Main Mode", ReasonUnexpected, func() []byte { b := bytes.Clone(good); b[18] = 2; copy(b[20:24], make([]byte, 4)); return b }()},
		{"first block", "", flip(30)},
		{"last octet", "", flip(len(good) - 20)},
		{"half a block", ReasonMalformed, func() []byte { b := bytes.Clone(good[:len(good)-3]); isakmp.SetLength(b); return b }()},
	} {
		if err := w.deliver(true, c.msg); err == nil || !errors.Is(err, ErrIgnored) || c.reason != "" && reasonOf(err) != c.reason {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	w.established()
	if w.server.LastHint() != 0 {
		t.Error("a hint after the session was established")
	}
	if err := w.deliver(true, good); reasonOf(err) != ReasonPeerDeleted {
		t.Errorf("the genuine Delete: %v", err)
	}
}

func TestReplayOfInformational(t *testing.T) {
	w := pair(t, nil)
	n := isakmp.Notify{DOI: 2, Protocol: 1, MsgType: 9999, Data: []byte("x")}
	msg := capture(t, w.member.Informational(nil, n))[0]
	if err := w.deliver(true, msg); err != nil {
		t.Fatal(err)
	}
	if got := w.server.Received(); len(got) != 1 || got[0].(*isakmp.Notify).MsgType != 9999 || string(got[0].(*isakmp.Notify).Data) != "x" {
		t.Errorf("received %v", got)
	}
	if err := w.deliver(true, msg); reasonOf(err) != ReasonReplay || w.server.Received() != nil {
		t.Errorf("replay: %v", err)
	}
	for range maxReceived + 5 {
		if err := w.deliver(true, capture(t, w.member.Informational(nil, n))[0]); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(w.server.Received()); got != maxReceived {
		t.Errorf("%d notifications are kept", got)
	}
	// A deletion of an ESP SA is the owner's business.
	esp := isakmp.Delete{DOI: 2, Protocol: 3, SPISize: 4, SPIs: [][]byte{{1, 2, 3, 4}}}
	if err := w.deliver(true, capture(t, w.member.Informational(nil, esp))[0]); err != nil {
		t.Fatal(err)
	}
	if got := w.server.Received(); len(got) != 1 || !bytes.Equal(got[0].(*isakmp.Delete).SPIs[0], []byte{1, 2, 3, 4}) {
		t.Errorf("received %v", got)
	}
	// One of another ISAKMP SA too does nothing to this one.
	other := isakmp.Delete{DOI: 2, Protocol: 1, SPISize: 16, SPIs: [][]byte{make([]byte, 16)}}
	if err := w.deliver(true, capture(t, w.member.Informational(nil, other))[0]); err != nil {
		t.Fatal(err)
	}
	w.established()
	var ring idRing
	for id := range uint32(3 * rememberedIDs) {
		ring.add(id)
	}
	if len(ring.ids) != rememberedIDs || !ring.has(3*rememberedIDs-1) || !ring.has(2*rememberedIDs) || ring.has(2*rememberedIDs-1) {
		t.Error("the ring forgets the wrong ids")
	}
}

func TestExchangeSurvivesForgery(t *testing.T) {
	w := pair(t, nil)
	x, y := w.member.Exchange(5), w.server.Exchange(5)
	h := isakmp.Header{Exchange: isakmp.ExchangeGroupkeyPull, NextPayload: isakmp.PayloadNONCE}
	chain := isakmp.AppendChain(nil, isakmp.Nonce{Data: bytes.Repeat([]byte{9}, 28)}) // aligned: no padding
	msg := x.Seal(h, chain)
	if len(msg) != isakmp.HeaderLen+len(chain) {
		t.Errorf("%d octets for an aligned chain of %d", len(msg), len(chain))
	}
	forged := append(bytes.Clone(msg[:isakmp.HeaderLen]), make([]byte, 64)...)
	isakmp.SetLength(forged)
	if _, _, err := y.Open(forged); err != nil {
		t.Fatal(err) // it decrypts to something; without Commit that does not matter
	}
	got, plain, err := y.Open(msg)
	if err != nil || !bytes.Equal(plain, chain) || got.MessageID != 5 || got.NextPayload != isakmp.PayloadNONCE || got.Flags != isakmp.FlagEncrypted {
		t.Errorf("%+v %x %v", got, plain, err)
	}
	y.Commit()
	y.Commit()
	back := y.Seal(h, chain)
	if _, plain, err := x.Open(back); err != nil || !bytes.Equal(plain, chain) {
		t.Errorf("answer: %x %v", plain, err)
	}
	for name, m := range map[string][]byte{
		"other id": w.server.Exchange(6).Seal(h, chain),
		"in clear": isakmp.Message(isakmp.Header{InitiatorCookie: got.InitiatorCookie, ResponderCookie: got.ResponderCookie, MessageID: 5, Exchange: 32}, isakmp.Nonce{Data: []byte("12345678")}),
		"header":   msg[:isakmp.HeaderLen-1],
		"no body":  func() []byte { b := bytes.Clone(msg[:isakmp.HeaderLen]); isakmp.SetLength(b); return b }(),
	} {
		if _, _, err := x.Open(m); !errors.Is(err, ErrIgnored) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if x.MessageID() != 5 {
		t.Error("message id")
	}
	_ = w.member.Delete(w.now, nil)
	if _, _, err := x.Open(back); reasonOf(err) != ReasonDead {
		t.Errorf("dead session: %v", err)
	}
}
