package ike1

import (
	"errors"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

func asking(d time.Duration) func(m, s *Config) {
	return func(m, _ *Config) { m.DPDInterval = d }
}

func TestDPDKeepsAnsweringPeers(t *testing.T) {
	for name, edit := range map[string]func(m, s *Config){
		"member asks": asking(30 * time.Second),
		"server asks": func(_, s *Config) { s.DPDInterval = 30 * time.Second },
		"both ask":    func(m, s *Config) { m.DPDInterval, s.DPDInterval = 30*time.Second, 20*time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			w := pair(t, edit)
			before := len(w.log)
			w.run(10 * time.Minute)
			w.established()
			if n := len(w.log) - before; n < 36 || n > 64 {
				t.Errorf("%d messages in 10 minutes", n)
			}
			if len(w.memberErr)+len(w.serverErr) != 0 {
				t.Errorf("%v %v", w.memberErr, w.serverErr)
			}
		})
	}
}

func TestDPDSurvivesLoss(t *testing.T) {
	w := pair(t, asking(10*time.Second))
	w.path = func(n int, p packet) []packet {
		if n%3 == 0 { // every third is lost
			return nil
		}
		return []packet{p}
	}
	w.run(5 * time.Minute)
	if w.member.State() != StateEstablished {
		t.Errorf("%v", w.memberErr)
	}
}

// Silence of 10 s, then five questions, and death 31 s after the first.
func TestDPDFindsDeadPeer(t *testing.T) {
	w := pair(t, asking(10*time.Second))
	w.path = func(int, packet) []packet { return nil }
	before := len(w.log)
	w.run(39 * time.Second)
	if w.member.State() != StateEstablished || len(w.log)-before != Transmissions {
		t.Fatalf("%s after %d questions", w.member.State(), len(w.log)-before)
	}
	w.run(3 * time.Second)
	if w.member.DeadReason() != ReasonDPD || !errors.Is(w.memberErr[0], ErrFatal) {
		t.Errorf("%s %v", w.member.State(), w.memberErr)
	}
	if w.server.State() != StateEstablished {
		t.Error("the server, which does not ask, is dead")
	}
}

func TestAliveDefersTheQuestion(t *testing.T) {
	w := pair(t, asking(10*time.Second))
	w.path = func(int, packet) []packet { return nil }
	n := len(w.log)
	for range 20 {
		w.run(9 * time.Second)
		w.member.Alive(w.now)
	}
	if len(w.log) != n {
		t.Error("asked although the peer is alive")
	}
	w.run(10500 * time.Millisecond)
	if len(w.log) != n+1 {
		t.Error("did not ask")
	}
	w.member.Alive(w.now) // counts as the answer
	w.run(9 * time.Second)
	if len(w.log) != n+1 {
		t.Error("repeats an answered question")
	}
}

func TestNoDPDWithoutVendorID(t *testing.T) {
	w := pair(t, asking(10*time.Second))
	w.member.peerVIDs = nil
	w.member.dpd = dpd{}
	w.member.dpd.start(w.member, w.now)
	n := len(w.log)
	w.run(time.Minute)
	if len(w.log) != n {
		t.Error("asked a peer that did not announce DPD")
	}
}

func TestDPDSequence(t *testing.T) {
	w := pair(t, nil)
	ask := func(n isakmp.Notify) (answers int, err error) {
		before := len(w.log)
		w.path = func(int, packet) []packet { return nil }
		err = w.deliver(true, capture(t, w.member.Informational(nil, n))[0])
		return len(w.log) - before, err
	}
	wrongSPI := w.member.dpdNotify(isakmp.RUThere, 9)
	wrongSPI.SPI = make([]byte, 16)
	short := w.member.dpdNotify(isakmp.RUThere, 9)
	short.Data = short.Data[:3]
	for _, c := range []struct {
		name    string
		n       isakmp.Notify
		answers int
		reason  string
	}{
		{"first", w.member.dpdNotify(isakmp.RUThere, 100), 1, ""},
		{"repeated", w.member.dpdNotify(isakmp.RUThere, 100), 1, ""},
		{"next", w.member.dpdNotify(isakmp.RUThere, 101), 1, ""},
		{"gone back", w.member.dpdNotify(isakmp.RUThere, 100), 0, ReasonReplay},
		{"other SA", wrongSPI, 0, ReasonMalformed},
		{"3 octets", short, 0, ReasonMalformed},
		{"answer to nothing", w.member.dpdNotify(isakmp.RUThereAck, 1<<31+5), 0, ReasonReplay},
	} {
		if n, err := ask(c.n); n != c.answers || reasonOf(err) != c.reason {
			t.Errorf("%s: %d answers, %v", c.name, n, err)
		}
	}
	w.established()
}

// An answer to an earlier question, replayed after the session has forgotten its message id, proves no life.
func TestOldAnswerProvesNothing(t *testing.T) {
	w := pair(t, asking(10*time.Second))
	var ack []byte
	w.path = func(_ int, p packet) []packet {
		if !p.toServer {
			ack = p.b
		}
		return []packet{p}
	}
	w.run(12 * time.Second)
	w.path = func(int, packet) []packet { return nil }
	w.member.seen = idRing{}
	for range 45 {
		w.run(time.Second)
		_ = w.deliver(false, ack)
		w.member.seen = idRing{}
	}
	if ack == nil || w.member.DeadReason() != ReasonDPD {
		t.Errorf("%s %s", w.member.State(), w.member.DeadReason())
	}
}
