package ike1

import (
	"bytes"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// TestOtherCookies: in Main Mode too, a message belongs to the session of both its cookies.
func TestOtherCookies(t *testing.T) {
	for _, at := range []int{0, 8} {
		w, toServer, msg := before(t, 2) // message 3
		bad := bytes.Clone(msg)
		bad[at] ^= 1
		if err := w.deliver(toServer, bad); reasonOf(err) != ReasonCookies {
			t.Errorf("octet %d: %v", at, err)
		}
		if err := w.deliver(toServer, msg); err != nil {
			t.Errorf("the genuine one: %v", err)
		}
	}
}

// TestAnswersToRepetitions: few, and not for ever. The source of message 1 may be a lie, and its answer is longer.
func TestAnswersToRepetitions(t *testing.T) {
	for n, name := range map[int]string{0: "message 1", 2: "message 3", 4: "message 5"} {
		w, toServer, msg := before(t, n)
		sent := len(w.log)
		for range 100 {
			_ = w.deliver(toServer, msg)
		}
		if got := len(w.log) - sent; got > 1+maxAgain {
			t.Errorf("%s: %d answers", name, got)
		}
	}
	w := pair(t, nil)
	msg5 := w.log[4].b
	w.run(AnswerLife - time.Second)
	sent := len(w.log)
	if err := w.deliver(true, msg5); err != nil || len(w.log) != sent+1 {
		t.Errorf("message 5 again: %v", err)
	}
	w.run(2 * time.Second)
	sent = len(w.log)
	if err := w.deliver(true, msg5); reasonOf(err) != ReasonDuplicate || len(w.log) != sent {
		t.Errorf("message 5 long after: %v", err)
	}
	if err := w.deliver(false, w.log[5].b); reasonOf(err) != ReasonDuplicate || len(w.log) != sent {
		t.Errorf("message 6 again: %v", err)
	}
}

// TestGenuineInformationalOfAnother: a message id of zero, or the SPI of another SA, under our keys.
func TestGenuineInformationalOfAnother(t *testing.T) {
	w := pair(t, func(m, _ *Config) { m.OmitInitialContact = true })
	del := isakmp.Delete{DOI: 2, Protocol: 1, SPISize: 16, SPIs: [][]byte{w.member.spi()}}
	hash := isakmp.Hash{Data: w.member.PRF(beUint32(0), isakmp.AppendChain(nil, del))}
	h := isakmp.Header{Exchange: isakmp.ExchangeInformational, NextPayload: isakmp.PayloadHASH}
	if err := w.deliver(true, w.member.Exchange(0).Seal(h, isakmp.AppendChain(nil, hash, del))); reasonOf(err) != ReasonMalformed {
		t.Errorf("message id 0: %v", err)
	}
	contact := func(spi []byte) isakmp.Notify {
		return isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPI: spi, MsgType: isakmp.InitialContact}
	}
	if err := w.deliver(true, capture(t, w.member.Informational(nil, contact(make([]byte, 16))))[0]); err != nil || w.server.SawInitialContact() {
		t.Errorf("INITIAL-CONTACT of another SA: %v", err)
	}
	if err := w.deliver(true, capture(t, w.member.Informational(nil, contact(w.member.spi())))[0]); err != nil || !w.server.SawInitialContact() {
		t.Errorf("INITIAL-CONTACT: %v", err)
	}
	x := w.server.Exchange(9)
	msg := w.member.Exchange(9).Seal(isakmp.Header{Exchange: isakmp.ExchangeGroupkeyPull, NextPayload: isakmp.PayloadHASH}, make([]byte, 16))
	clearFlag := bytes.Clone(msg)
	clearFlag[19] = 0
	if _, _, err := x.Open(clearFlag); reasonOf(err) != ReasonUnprotected {
		t.Errorf("in clear: %v", err)
	}
}

// TestRepeatedQuestionProvesNothing: the same R-U-THERE again may be the same octets under another message id.
func TestRepeatedQuestionProvesNothing(t *testing.T) {
	w := pair(t, func(_, s *Config) { s.DPDInterval = time.Minute })
	ask := func() machine.Instant {
		t.Helper()
		if err := w.deliver(true, capture(t, w.member.Informational(nil, w.member.dpdNotify(isakmp.RUThere, 7)))[0]); err != nil {
			t.Fatal(err)
		}
		at, _ := w.server.Deadline()
		return at
	}
	first := ask()
	w.run(10 * time.Second)
	if again := ask(); again != first {
		t.Errorf("the deadline moved from %v to %v", first, again)
	}
}

// TestProofThatDoesNotVerify: octets that decrypt and parse prove nothing yet.
func TestProofThatDoesNotVerify(t *testing.T) {
	w, toServer, msg := before(t, 5) // message 6: its last block is the end of HASH_R
	bad := bytes.Clone(msg)
	bad[len(bad)-1] ^= 1
	if err := w.deliver(toServer, bad); reasonOf(err) != ReasonAuth || w.member.State() != StateSentAuth {
		t.Errorf("message 6: %v", err)
	}
	if err := w.deliver(toServer, msg); err != nil {
		t.Errorf("the genuine message 6: %v", err)
	}

	w = pair(t, nil)
	n := isakmp.Notify{DOI: 2, Protocol: 1, MsgType: 9999}
	hash := w.member.PRF(beUint32(9), isakmp.AppendChain(nil, n))
	h := isakmp.Header{Exchange: isakmp.ExchangeInformational, NextPayload: isakmp.PayloadHASH}
	for name, sum := range map[string][]byte{"another": make([]byte, len(hash)), "none": nil, "a part": hash[:8]} {
		msg := w.member.Exchange(9).Seal(h, isakmp.AppendChain(nil, isakmp.Hash{Data: sum}, n))
		if err := w.deliver(true, msg); reasonOf(err) != ReasonAuth || w.server.Received() != nil {
			t.Errorf("HASH(1): %s: %v", name, err)
		}
	}
}

// TestDowngrade: who takes the better suites out of message 1 is found out, because HASH_I covers what was offered.
func TestDowngrade(t *testing.T) {
	m, s := config(), config()
	m.Suites = []suite.Phase1{mustSuite(t, "aes256-sha384-ecp384"), fast}
	s.Suites = m.Suites
	w := newWire(t, m, s)
	w.path = func(n int, p packet) []packet {
		if n == 0 {
			sa := propose(m.Suites, DefaultLifetime)
			sa.Proposals[0].Transforms = sa.Proposals[0].Transforms[1:]
			h, err := isakmp.ParseHeader(p.b)
			if err != nil {
				t.Fatal(err)
			}
			p.b = isakmp.Message(h, sa)
		}
		return []packet{p}
	}
	w.start().run(time.Second)
	if w.server.Suite() != fast || w.member.Suite() != fast {
		t.Fatal("the attack did not come as far as message 5")
	}
	if w.server.State() != StateSentKE || w.member.State() == StateEstablished || last(w.serverErr) != ReasonAuth {
		t.Errorf("%s and %s, %v", w.member.State(), w.server.State(), w.serverErr)
	}
}

// TestInitiatorKeepsSilent: a message that comes again is not answered again; the initiator has a timer.
func TestInitiatorKeepsSilent(t *testing.T) {
	for _, n := range []int{1, 3} {
		w, toServer, msg := before(t, n)
		w.path = func(int, packet) []packet { return nil }
		if err := w.deliver(toServer, msg); err != nil {
			t.Fatal(err)
		}
		sent := len(w.log)
		if err := w.deliver(toServer, msg); reasonOf(err) != ReasonDuplicate || len(w.log) != sent {
			t.Errorf("message %d again: %v", n+1, err)
		}
	}
}

// TestReflectedQuestion: HASH(1) has no direction, and the ring forgets our old message ids.
func TestReflectedQuestion(t *testing.T) {
	w := pair(t, func(_, s *Config) { s.DPDInterval = time.Minute })
	w.server.dpd.seq += 10 // questions that were asked and answered
	own := w.server.Informational(nil, w.server.dpdNotify(isakmp.RUThere, w.server.dpd.seq))
	for range rememberedIDs {
		w.server.seen.add(w.server.NewMessageID())
	}
	before, _ := w.server.Deadline()
	w.run(time.Second)
	_ = w.deliver(true, capture(t, own)[0])
	if after, _ := w.server.Deadline(); after != before {
		t.Error("our own question proved that the peer lives")
	}
	sent := len(w.log)
	real := w.member.Informational(nil, w.member.dpdNotify(isakmp.RUThere, 1))
	if err := w.deliver(true, capture(t, real)[0]); err != nil || len(w.log) != sent+1 {
		t.Errorf("the peer's question: %v", err)
	}
}

// TestDestroy wipes, and sends nothing.
func TestDestroy(t *testing.T) {
	w := pair(t, nil)
	keys := w.server.keys
	w.server.Destroy()
	w.server.Destroy()
	if w.server.State() != StateDead || keys.CipherKey.Len()+keys.A.Len()+keys.SKEYID.Len() != 0 || w.server.Informational(nil) != nil {
		t.Error("something is left")
	}
}
