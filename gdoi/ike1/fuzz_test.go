package ike1

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// seedMessages are the genuine messages of the handshake with fixed randomness, and some that do not belong.
func seedMessages(t testing.TB) (msgs [][]byte) {
	w := newWire(t, config(), config()).start().run(time.Second)
	w.established()
	for _, p := range w.log {
		msgs = append(msgs, p.b)
	}
	// Notified by a session with other keys: authentic nowhere, so that whatever ends a session is a finding.
	other := pair(t, func(m, s *Config) { m.PSK, s.PSK = psk("other"), psk("other") })
	msgs = append(msgs, capture(t, other.member.Delete(other.now, nil))...)
	h := isakmp.Header{InitiatorCookie: isakmp.Cookie{1}, Exchange: isakmp.ExchangeInformational}
	return append(msgs, NotifyCleartext(h, isakmp.NoProposalChosen), nil)
}

// FuzzHandshake throws octets at both sides at every point of the handshake, and at the established session. What is
// refused must have changed nothing: the genuine message completes the handshake after it.
func FuzzHandshake(f *testing.F) {
	for _, m := range seedMessages(f) {
		for n := range uint8(mainModeMessages + 1) {
			f.Add(n, true, m)
			f.Add(n, false, m)
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, toServer bool, junk []byte) {
		n %= mainModeMessages + 1
		if n == mainModeMessages {
			w := pair(t, nil)
			if err := w.deliver(toServer, junk); err != nil {
				w.established()
			}
			return
		}
		w, genuineToServer, genuine := before(t, int(n))
		if toServer && w.server == nil && n > 0 {
			return
		}
		if err := w.deliver(toServer, junk); err != nil {
			_ = w.deliver(genuineToServer, genuine)
			w.run(time.Second).established()
			return
		}
		_ = w.deliver(genuineToServer, genuine)
		w.run(2 * time.Minute)
		if w.member.State() == StateEstablished && w.server.State() == StateEstablished && !w.agree() {
			t.Fatal("established with different keys")
		}
	})
}

// FuzzFirstMessage: what NewResponder takes, it answers.
func FuzzFirstMessage(f *testing.F) {
	for _, m := range seedMessages(f) {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, first []byte) {
		s, err := respond(config(), first)
		if (s == nil) != (err != nil) {
			t.Fatal("session and error")
		}
		if err == nil && len(chosenIn(t, s).Proposals[0].Transforms) != 1 {
			t.Error("more than one transform chosen")
		}
		Refusal(serverAddr, memberAddr, first, err)
	})
}
