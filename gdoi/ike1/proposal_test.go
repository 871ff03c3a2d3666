package ike1

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func mustSuite(t *testing.T, s string) suite.Phase1 {
	t.Helper()
	p, err := suite.ParsePhase1(s, suite.AllowSHA1)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// message1 is a first message with any SA.
func message1(sa isakmp.SAPhase1, more ...isakmp.Payload) []byte {
	h := isakmp.Header{InitiatorCookie: isakmp.Cookie{1, 2, 3}, Exchange: isakmp.ExchangeMainMode}
	return isakmp.Message(h, append([]isakmp.Payload{sa}, more...)...)
}

func respond(cfg *Config, first []byte) (*Session, error) {
	return NewResponder(env(3), cfg, serverAddr, memberAddr, first)
}

func identical(a, b isakmp.Transform) bool {
	return a.Number == b.Number && a.ID == b.ID &&
		bytes.Equal(isakmp.AppendAttributes(nil, a.Attributes), isakmp.AppendAttributes(nil, b.Attributes))
}

// chosenIn reads the SA of message 2.
func chosenIn(t *testing.T, s *Session) *isakmp.SAPhase1 {
	t.Helper()
	out := s.Start(machine.Now{}, nil)
	msg := out[0].(machine.Send).Bytes
	h, err := isakmp.ParseHeader(msg)
	if err != nil {
		t.Fatal(err)
	}
	chain, _, err := isakmp.ParseChain(h.NextPayload, msg[isakmp.HeaderLen:])
	if err != nil {
		t.Fatal(err)
	}
	sa, err := isakmp.ParseSAPhase1(chain[0].Body())
	if err != nil {
		t.Fatal(err)
	}
	return sa
}

func TestResponderChooses(t *testing.T) {
	a, b, c := mustSuite(t, "aes256-sha256-modp2048"), mustSuite(t, "aes128-sha256-ecp256"), mustSuite(t, "aes256-sha384-ecp384")
	old := mustSuite(t, "aes128-sha1-modp2048")
	for _, r := range []struct {
		name         string
		theirs, ours []suite.Phase1
		want         int // transform number, 0 for none
	}{
		{"same", []suite.Phase1{a}, []suite.Phase1{a}, 1},
		{"our order decides", []suite.Phase1{a, b, c}, []suite.Phase1{c, a}, 3},
		{"the only common one", []suite.Phase1{a, b}, []suite.Phase1{c, b}, 2},
		{"none", []suite.Phase1{a}, []suite.Phase1{b}, 0},
		{"sha1 not configured", []suite.Phase1{old}, []suite.Phase1{a, b, c}, 0},
		{"sha1 configured by name", []suite.Phase1{old}, []suite.Phase1{a, old}, 1},
		{"defaults", suite.DefaultPhase1(), nil, 1},
	} {
		t.Run(r.name, func(t *testing.T) {
			cfg := config()
			cfg.Suites = r.ours
			s, err := respond(cfg, message1(propose(r.theirs, time.Hour)))
			if r.want == 0 {
				if reasonOf(err) != ReasonNoProposal || s != nil {
					t.Fatalf("%v", err)
				}
				if send, ok := Refusal(serverAddr, memberAddr, message1(propose(r.theirs, time.Hour)), err); !ok || send.Remote != memberAddr {
					t.Error("no NO-PROPOSAL-CHOSEN for it")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sa := chosenIn(t, s)
			want := propose(r.theirs, time.Hour).Proposals[0].Transforms[r.want-1]
			if got := sa.Proposals[0].Transforms; len(got) != 1 || !identical(got[0], want) {
				t.Errorf("chose %v, want %v", got, want)
			}
		})
	}
}

// The transform comes back octet for octet: forms and order of its attributes too. The reference session's own SA,
// with another cipher, is the model: Basic lifetime of 60 s.
func TestTransformUnmodified(t *testing.T) {
	tr := isakmp.Transform{Number: 9, ID: 1, Attributes: []isakmp.Attribute{
		isakmp.BasicAttr(isakmp.Phase1LifeType, 1), isakmp.BasicAttr(isakmp.Phase1LifeDuration, 60),
		isakmp.LongAttr(isakmp.Phase1KeyLength, []byte{0, 0, 0, 128}), isakmp.BasicAttr(isakmp.Phase1Encryption, 7),
		isakmp.BasicAttr(isakmp.Phase1Group, 19), isakmp.BasicAttr(isakmp.Phase1AuthMethod, 1), isakmp.BasicAttr(isakmp.Phase1Hash, 4),
	}}
	for _, frame := range []isakmp.SAPhase1{{DOI: 2}, {DOI: 1, Situation: 1}} {
		frame.Proposals = []isakmp.Proposal{{Number: 5, Protocol: 1, SPI: []byte{1, 2, 3, 4, 5, 6, 7, 8}, Transforms: []isakmp.Transform{tr}}}
		s, err := respond(config(), message1(frame))
		if err != nil {
			t.Fatal(err)
		}
		sa := chosenIn(t, s)
		p := sa.Proposals[0]
		if sa.DOI != frame.DOI || sa.Situation != frame.Situation || p.Number != 5 || len(p.SPI) != 0 || !identical(p.Transforms[0], tr) {
			t.Errorf("DOI %d: %+v", frame.DOI, sa)
		}
		if s.lifetime != time.Minute || s.Suite() != fast {
			t.Errorf("lifetime %s, suite %s", s.lifetime, s.Suite())
		}
	}
}

func TestRefusedFirstMessages(t *testing.T) {
	good := propose([]suite.Phase1{fast}, time.Hour)
	edit := func(f func(sa *isakmp.SAPhase1, tr *isakmp.Transform)) []byte {
		sa := propose([]suite.Phase1{fast}, time.Hour)
		f(&sa, &sa.Proposals[0].Transforms[0])
		return message1(sa)
	}
	raw := func(i int, v byte) []byte {
		m := message1(good)
		m[i] = v
		return m
	}
	for _, c := range []struct {
		name   string
		msg    []byte
		reason string
	}{
		{"DOI 3", edit(func(sa *isakmp.SAPhase1, _ *isakmp.Transform) { sa.DOI = 3 }), ReasonMalformed},
		{"DOI 2 situation 1", edit(func(sa *isakmp.SAPhase1, _ *isakmp.Transform) { sa.Situation = 1 }), ReasonMalformed},
		{"two proposals", edit(func(sa *isakmp.SAPhase1, _ *isakmp.Transform) { sa.Proposals = append(sa.Proposals, sa.Proposals[0]) }), ReasonMalformed},
		{"proposal for ESP", edit(func(sa *isakmp.SAPhase1, _ *isakmp.Transform) { sa.Proposals[0].Protocol = 3 }), ReasonMalformed},
		{"no transform", edit(func(sa *isakmp.SAPhase1, _ *isakmp.Transform) { sa.Proposals[0].Transforms = nil }), ReasonMalformed},
		{"transform 2", edit(func(_ *isakmp.SAPhase1, tr *isakmp.Transform) { tr.ID = 2 }), ReasonNoProposal},
		{"unknown attribute", edit(func(_ *isakmp.SAPhase1, tr *isakmp.Transform) {
			tr.Attributes = append(tr.Attributes, isakmp.BasicAttr(13, 1))
		}), ReasonNoProposal},
		{"key length missing", edit(func(_ *isakmp.SAPhase1, tr *isakmp.Transform) {
			tr.Attributes = append(tr.Attributes[:1:1], tr.Attributes[2:]...)
		}), ReasonNoProposal},
		{"signature authentication", edit(func(_ *isakmp.SAPhase1, tr *isakmp.Transform) {
			tr.Attributes[3] = isakmp.BasicAttr(isakmp.Phase1AuthMethod, 3)
		}), ReasonNoProposal},
		{"huge group number", edit(func(_ *isakmp.SAPhase1, tr *isakmp.Transform) {
			tr.Attributes[4] = isakmp.UintAttr(isakmp.Phase1Group, 1<<16+19, 4)
		}), ReasonNoProposal},
		{"SA twice", message1(good, good), ReasonMalformed},
		{"KE in message 1", message1(good, isakmp.KE{Data: []byte{1}}), ReasonMalformed},
		{"vendor id only", isakmp.Message(isakmp.Header{InitiatorCookie: isakmp.Cookie{1}, Exchange: 2}, isakmp.VendorID{Data: []byte{1}}), ReasonMalformed},
		{"responder cookie", raw(8, 1), ReasonUnexpected},
		{"no initiator cookie", isakmp.Message(isakmp.Header{Exchange: 2}, good), ReasonUnexpected},
		{"aggressive mode", raw(18, 4), ReasonUnexpected},
		{"encrypted", raw(19, 1), ReasonUnexpected},
		{"message id", raw(20, 1), ReasonUnexpected},
		{"IKEv2", raw(17, 0x20), ReasonMalformed},
		{"empty", nil, ReasonMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := respond(config(), c.msg)
			if s != nil || reasonOf(err) != c.reason || !errors.Is(err, ErrIgnored) {
				t.Errorf("%v", err)
			}
			_, ok := Refusal(serverAddr, memberAddr, c.msg, err)
			if ok != (c.reason == ReasonNoProposal) {
				t.Errorf("refusal %v", ok)
			}
		})
	}
	many := make([]isakmp.Payload, 40)
	for i := range many {
		many[i] = isakmp.VendorID{Data: []byte{byte(i)}}
	}
	s, err := respond(config(), message1(good, many...))
	if err != nil || len(s.peerVIDs) != maxVendorIDs {
		t.Errorf("40 vendor ids: %v", err)
	}
}

// A responder that returns what was not offered is not believed, and the genuine answer still counts.
func TestInitiatorInsistsOnItsOffer(t *testing.T) {
	for name, f := range map[string]func(*isakmp.SAPhase1){
		"weaker cipher": func(sa *isakmp.SAPhase1) {
			sa.Proposals[0].Transforms[0] = transform(1, mustSuite(t, "aes128-sha1-ecp256"), DefaultLifetime)
		},
		"other lifetime": func(sa *isakmp.SAPhase1) { sa.Proposals[0].Transforms[0] = transform(1, fast, time.Hour) },
		"other number":   func(sa *isakmp.SAPhase1) { sa.Proposals[0].Transforms[0].Number = 2 },
		"two transforms": func(sa *isakmp.SAPhase1) {
			sa.Proposals[0].Transforms = append(sa.Proposals[0].Transforms, transform(2, fast, DefaultLifetime))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, _, msg := before(t, 1)
			sa := propose([]suite.Phase1{fast}, DefaultLifetime)
			f(&sa)
			h, err := isakmp.ParseHeader(msg)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.deliver(false, isakmp.Message(h, sa)); !errors.Is(err, ErrIgnored) {
				t.Errorf("%v", err)
			}
			h.ResponderCookie = isakmp.Cookie{}
			if err := w.deliver(false, isakmp.Message(h, propose([]suite.Phase1{fast}, DefaultLifetime))); reasonOf(err) != ReasonCookies {
				t.Errorf("without responder cookie: %v", err)
			}
			_ = w.deliver(false, msg)
			w.run(time.Second).established()
		})
	}
}

// strongSwan 5.9.8 builds the chosen transform anew: same values, another order, and a lifetime in whatever form.
func TestRebuiltTransformIsAccepted(t *testing.T) {
	w, _, msg := before(t, 1)
	h, err := isakmp.ParseHeader(msg)
	if err != nil {
		t.Fatal(err)
	}
	sa := propose([]suite.Phase1{fast}, DefaultLifetime)
	as := sa.Proposals[0].Transforms[0].Attributes
	as[3], as[4] = as[4], as[3]
	as[1] = isakmp.LongAttr(isakmp.Phase1KeyLength, []byte{0, 128})
	_ = w.deliver(false, isakmp.Message(h, sa))
	w.run(time.Second).established()
}

func TestNoCommonSuiteEndsWithTheHint(t *testing.T) {
	m := config()
	m.Suites = []suite.Phase1{mustSuite(t, "aes256-sha512-ecp384")}
	w := newWire(t, m, config()).start().run(time.Second)
	if w.member.State() != StateSentSA || w.member.LastHint() != isakmp.NoProposalChosen || last(w.memberErr) != ReasonHint {
		t.Errorf("a hint must not end a session: %s, %v", w.member.State(), w.memberErr)
	}
	w.run(time.Minute)
	if last(w.memberErr) != ReasonNoProposal {
		t.Errorf("%v", w.memberErr)
	}
}

func TestKeyExchangeRanges(t *testing.T) {
	for n, toServer := range map[int]bool{2: true, 3: false} {
		w, _, msg := before(t, n)
		h, err := isakmp.ParseHeader(msg)
		if err != nil {
			t.Fatal(err)
		}
		chain, _, err := isakmp.ParseChain(h.NextPayload, msg[isakmp.HeaderLen:])
		if err != nil {
			t.Fatal(err)
		}
		ke, nonce := isakmp.KE{Data: chain[0].Body()}, isakmp.Nonce{Data: chain[1].Body()}
		other := bytes.Clone(ke.Data)
		other[0] ^= 1
		for _, c := range []struct {
			name   string
			ps     []isakmp.Payload
			reason string
		}{
			{"nonce of 7", []isakmp.Payload{ke, isakmp.Nonce{Data: make([]byte, 7)}}, ReasonKeyExchange},
			{"nonce of 257", []isakmp.Payload{ke, isakmp.Nonce{Data: make([]byte, 257)}}, ReasonKeyExchange},
			{"KE off the curve", []isakmp.Payload{isakmp.KE{Data: other}, nonce}, ReasonKeyExchange},
			{"KE short", []isakmp.Payload{isakmp.KE{Data: ke.Data[1:]}, nonce}, ReasonKeyExchange},
			{"no nonce", []isakmp.Payload{ke}, ReasonMalformed},
			{"no KE", []isakmp.Payload{nonce}, ReasonMalformed},
			{"HASH too", []isakmp.Payload{ke, nonce, isakmp.Hash(nonce)}, ReasonMalformed},
			{"KE twice", []isakmp.Payload{ke, ke, nonce}, ReasonMalformed},
		} {
			if err := w.deliver(toServer, isakmp.Message(h, c.ps...)); reasonOf(err) != c.reason || !errors.Is(err, ErrIgnored) {
				t.Errorf("message %d, %s: %v", n+1, c.name, err)
			}
		}
		if !w.member.Initiator() || w.server.dh != nil {
			t.Error("the server computed for junk")
		}
		_ = w.deliver(toServer, isakmp.Message(h, ke, nonce, isakmp.NATD{Data: []byte{1, 2}}, isakmp.VendorID{Data: []byte{3}}))
		w.run(time.Second).established() // NAT-D and late vendor ids are passed over
	}
}
