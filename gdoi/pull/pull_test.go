package pull

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

func TestPull(t *testing.T) {
	for _, c := range []struct {
		name string
		sids int
	}{{"one sender id", 1}, {"none asked is one", 0}, {"three sender ids", 3}} {
		t.Run(c.name, func(t *testing.T) {
			v := fresh(t, c.sids)
			v.run()
			v.complete()
			if len(v.sent) != 4 || len(v.drops) != 0 {
				t.Errorf("%d datagrams, dropped: %v", len(v.sent), v.drops)
			}
			if len(v.result.SIDs) != max(1, c.sids) {
				t.Errorf("sender ids %v", v.result.SIDs)
			}
			if !v.result.AccessList.Equal(v.offer.AccessList) {
				t.Errorf("access list %v", v.result.AccessList)
			}
		})
	}
}

func TestPullWithoutOurVendorID(t *testing.T) {
	gmEnv, ksEnv := seededEnv(1), seededEnv(2)
	gmS, ksS := phase1(t, gmEnv, ksEnv, stripVendor)
	v := newConversation(t, gmEnv, ksEnv, gmS, ksS, 1)
	v.run()
	if v.result == nil || v.result.AccessList != nil {
		t.Fatalf("%+v, %v", v.result, v.gmErr)
	}
	if got, want := v.result.Policy(nil), v.offer.AccessList.Permits(); !got.Equal(want) {
		t.Errorf("policy %v, want the permits %v", got, want)
	}
	if got := v.result.Policy(v.offer.AccessList); !got.Equal(v.offer.AccessList) {
		t.Errorf("the same permits replaced the list: %v", got)
	}
}

func TestPrivateAttributeFromAStranger(t *testing.T) {
	gmEnv, ksEnv := seededEnv(1), seededEnv(2)
	// Only the member misses the vendor id: the key server takes it for one of ours.
	gmS, ksS := phase1(t, gmEnv, ksEnv, func(b []byte) []byte {
		if h, err := isakmp.ParseHeader(b); err == nil && !h.ResponderCookie.IsZero() {
			return stripVendor(b)
		}
		return b
	})
	v := newConversation(t, gmEnv, ksEnv, gmS, ksS, 1)
	v.run()
	if !errors.Is(v.gmErr, ErrUnsupported) {
		t.Errorf("got %v", v.gmErr)
	}
}

func TestPullSurvivesLoss(t *testing.T) {
	for nr := 1; nr <= 4; nr++ {
		v := fresh(t, 2)
		v.wire = func(n int, b []byte) [][]byte {
			if n == nr {
				return nil
			}
			return [][]byte{b}
		}
		v.run()
		v.complete()
	}
}

func TestPullSurvivesDuplicates(t *testing.T) {
	v := fresh(t, 2)
	v.wire = func(_ int, b []byte) [][]byte { return [][]byte{b, b, b} }
	v.run()
	v.complete()
}

func TestIdenticalAnswerToIdenticalRequest(t *testing.T) {
	v := fresh(t, 1)
	v.wire = func(_ int, b []byte) [][]byte { return [][]byte{b} }
	v.run()
	v.complete()
	out, req, err := v.ks.Handle(v.now, v.sent[2], nil)
	if err != nil || req != nil || len(out) != 1 || !bytes.Equal(out[0].(machine.Send).Bytes, v.sent[3]) {
		t.Errorf("message 3 once more: %v, %v, %v", out, req, err)
	}
	answers := 0
	for range 1000 {
		out, _, _ := v.ks.Handle(v.now, v.sent[2], nil)
		answers += len(out)
	}
	if answers > maxAgain {
		t.Errorf("%d answers to a request that was recorded and repeated", answers)
	}
	if _, _, err := v.ks.Handle(v.now, v.sent[0], nil); !errors.Is(err, ErrUnexpected) {
		t.Errorf("message 1 after message 3: %v", err)
	}
}

// TestPullSurvivesDamage lets a damaged copy of each message arrive before the real one, one for each octet.
func TestPullSurvivesDamage(t *testing.T) {
	gmEnv, ksEnv := seededEnv(1), seededEnv(2)
	gmS, ksS := phase1(t, gmEnv, ksEnv, nil)
	for nr := 1; nr <= 4; nr++ {
		for at, size := 0, 1; at < size; at += 3 {
			v := newConversation(t, gmEnv, ksEnv, gmS, ksS, 1)
			v.wire = func(n int, b []byte) [][]byte {
				if n != nr {
					return [][]byte{b}
				}
				size = len(b)
				bad := bytes.Clone(b)
				bad[at] ^= 1 << (at % 8)
				return [][]byte{bad, b[:at], b}
			}
			v.run()
			v.complete()
		}
	}
}

func TestReplayProvesNothing(t *testing.T) {
	v := fresh(t, 1)
	v.run()
	v.complete()
	if v.ids.Add(v.ks.MessageID()) {
		t.Error("the message id counts as new")
	}
	// A key server that has forgotten the id answers with policy, and changes no state.
	v.ks, v.wants = nil, nil
	v.keyServer(v.sent[0])
	v.keyServer(v.sent[2])
	if len(v.wants) != 1 {
		t.Errorf("a replay was taken: %v", v.wants)
	}
	if err := v.drops[len(v.drops)-1]; !errors.Is(err, ErrHash) && !errors.Is(err, ErrMalformed) {
		t.Errorf("replayed message 3: %v", err)
	}
}

func TestKeyServerRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		lost int
	}{{"at once", 0}, {"the notify is lost once", 2}} {
		t.Run(c.name, func(t *testing.T) {
			v := fresh(t, 1)
			v.group = "another"
			v.wire = func(n int, b []byte) [][]byte {
				if n == c.lost {
					return nil
				}
				return [][]byte{b}
			}
			v.run()
			if !errors.Is(v.gmErr, ErrRefused) || v.result != nil || len(v.wants) != 1 {
				t.Errorf("%v, asked %v", v.gmErr, v.wants)
			}
		})
	}
}

// TestKeyServerIsNotReady: the member is told how long to wait, within bounds of its own.
func TestKeyServerIsNotReady(t *testing.T) {
	for _, c := range []struct{ says, hears time.Duration }{
		{time.Second, time.Second}, {0, minRetryAfter}, {time.Hour, maxRetryAfter},
	} {
		v := fresh(t, 1)
		v.notReady = &c.says
		v.run()
		var e *Error
		if !errors.As(v.gmErr, &e) || !errors.Is(e, ErrRefused) || e.RetryAfter != c.hears || v.result != nil {
			t.Errorf("told to wait %v: %v, %+v", c.says, v.gmErr, e)
		}
	}
	v := fresh(t, 1)
	v.gm.Start(v.now, nil)
	id := binary.BigEndian.AppendUint32(nil, v.gm.MessageID())
	var e *Error
	if err := v.gm.Refused(&isakmp.Notify{MsgType: isakmp.TryLater, Data: append(id, 255, 255, 255, 255)}); !errors.As(err, &e) || e.RetryAfter != maxRetryAfter {
		t.Errorf("told to wait for weeks: %+v", e)
	}
}

func TestRefusalOfAnotherExchange(t *testing.T) {
	v := fresh(t, 1)
	v.gm.Start(v.now, nil)
	for _, n := range []*isakmp.Notify{
		{MsgType: isakmp.InvalidIDInformation, Data: []byte{1, 2, 3, 4}},
		{MsgType: isakmp.ResponderLifetime},
	} {
		if err := v.gm.Refused(n); err != nil {
			t.Errorf("%v ended the exchange: %v", n.MsgType, err)
		}
	}
}

func TestMemberRefuses(t *testing.T) {
	v := fresh(t, 1)
	no := errors.New("permits more than I want")
	v.gm.Accept = func(o *Offer) error {
		if o.KEK.Key != nil || len(o.TEKs) != 2 {
			t.Errorf("message 2 has %+v", o)
		}
		return no
	}
	v.run()
	if !errors.Is(v.gmErr, ErrRefused) || !errors.Is(v.gmErr, no) {
		t.Errorf("got %v", v.gmErr)
	}
	if v.ksS.State() != ike1.StateDead || v.ksS.DeadReason() != ike1.ReasonPeerDeleted {
		t.Errorf("the key server was not told: %v %s", v.ksS.State(), v.ksS.DeadReason())
	}
	if len(v.wants) != 1 {
		t.Errorf("the key server was asked %v", v.wants)
	}
}

func TestSilence(t *testing.T) {
	v := fresh(t, 1)
	var at []time.Duration
	v.wire = func(int, []byte) [][]byte {
		at = append(at, v.now.Mono.Sub(0))
		return nil
	}
	v.run()
	if !errors.Is(v.gmErr, ErrTimeout) || v.now.Mono != machine.Instant(31*time.Second) {
		t.Errorf("%v after %v", v.gmErr, v.now.Mono.Sub(0))
	}
	for i, want := range []time.Duration{0, 1, 3, 7, 15} {
		if i >= len(at) || at[i] != want*time.Second {
			t.Fatalf("sent at %v", at)
		}
	}
	for _, b := range v.sent {
		if !bytes.Equal(b, v.sent[0]) {
			t.Error("a retransmission differs")
		}
	}
}

func TestStaleKeys(t *testing.T) {
	v := fresh(t, 1)
	out := v.gm.Start(v.now, nil)
	out = v.keyServer(out[0].(machine.Send).Bytes)
	out = v.member(out[0].(machine.Send).Bytes)
	_, req, err := v.ks.Handle(v.now, out[0].(machine.Send).Bytes, nil)
	if _, ok := req.(WantKeys); !ok || err != nil {
		t.Fatal(req, err)
	}
	v.offer.TEKs[1].SPI++
	if _, err := v.ks.Keys(v.now, v.offer, 0, nil); !errors.Is(err, ErrStale) {
		t.Fatalf("keys of another SA: %v", err)
	}
	out = v.ks.Refuse(v.now, isakmp.InvalidSPI, nil)
	v.member(out[0].(machine.Send).Bytes)
	if !errors.Is(v.gmErr, ErrRefused) {
		t.Errorf("got %v", v.gmErr)
	}
}

func TestKeysWaitForPersist(t *testing.T) {
	v := fresh(t, 1)
	out := v.gm.Start(v.now, nil)
	out = v.keyServer(out[0].(machine.Send).Bytes)
	out = v.member(out[0].(machine.Send).Bytes)
	request := out[0].(machine.Send).Bytes
	if _, _, err := v.ks.Handle(v.now, request, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.ks.Handle(v.now, request, nil); !errors.Is(err, ErrDuplicate) {
		t.Errorf("while the key server thinks: %v", err)
	}
	out, err := v.ks.Keys(v.now, v.offer, 42, nil)
	if err != nil || out[0].(machine.Send).After != 42 {
		t.Errorf("%v, %v", out, err)
	}
	if again, _, err := v.ks.Handle(v.now, request, nil); err != nil || again[0].(machine.Send).After != 42 {
		t.Errorf("retransmission: %v, %v", again, err)
	}
	at, ok := v.ks.Deadline()
	if !ok || v.ks.Timeout(v.now) || !v.ks.Timeout(machine.Now{Mono: at}) {
		t.Error("the responder has no end")
	}
}

func TestPhase1EndsMeanwhile(t *testing.T) {
	v := fresh(t, 1)
	out := v.gm.Start(v.now, nil)
	first := out[0].(machine.Send).Bytes
	r, err := NewResponder(v.ksEnv, v.ksS, first)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Handle(v.now, first, nil); err != nil {
		t.Fatal(err)
	}
	v.ksS.Delete(v.now, nil)
	if out, err := r.Policy(v.now, v.offer, nil); !errors.Is(err, ErrUnexpected) || len(out) != 0 {
		t.Errorf("key server: %v, %v", out, err)
	}
	v.gmS.Delete(v.now, nil)
	at, _ := v.gm.Deadline()
	if out, err := v.gm.Timeout(machine.Now{Mono: at}, nil); !errors.Is(err, ErrUnexpected) || len(out) != 0 {
		t.Errorf("member: %v, %v", out, err)
	}
}

// TestGenuineButWrong: what verifies and is still not what the RFC asks for ends the exchange.
func TestGenuineButWrong(t *testing.T) {
	kd := func(o *Offer) isakmp.Payload { return o.KD(true) }
	for _, c := range []struct {
		name string
		ps   func(o *Offer) []isakmp.Payload
	}{
		{"no SEQ", func(o *Offer) []isakmp.Payload { return []isakmp.Payload{kd(o)} }},
		{"no KD", func(*Offer) []isakmp.Payload { return []isakmp.Payload{isakmp.SEQ{Number: 1}} }},
		{"KD first", func(o *Offer) []isakmp.Payload { return []isakmp.Payload{kd(o), isakmp.SEQ{Number: 1}} }},
		{"no sender ids", func(o *Offer) []isakmp.Payload { return []isakmp.Payload{isakmp.SEQ{Number: 1}, o.KD(false)} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := fresh(t, 1)
			out := v.gm.Start(v.now, nil)
			out = v.keyServer(out[0].(machine.Send).Bytes)
			out = v.member(out[0].(machine.Send).Bytes)
			if _, _, err := v.ks.Handle(v.now, out[0].(machine.Send).Bytes, nil); err != nil {
				t.Fatal(err)
			}
			v.member(v.ks.seal([][]byte{v.ks.ni, v.ks.nr}, c.ps(v.offer)...))
			if !errors.Is(v.gmErr, ErrMalformed) || v.gm.offer != nil {
				t.Errorf("got %v", v.gmErr)
			}
		})
	}
}

// TestPullUnderRandomLoss: whatever is lost, doubled or delayed by a retransmission, the key server grants at most
// once, and the member has all or nothing.
func TestPullUnderRandomLoss(t *testing.T) {
	gmEnv, ksEnv := seededEnv(1), seededEnv(2)
	gmS, ksS := phase1(t, gmEnv, ksEnv, nil)
	complete := 0
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		v := newConversation(t, gmEnv, ksEnv, gmS, ksS, 1)
		v.wire = func(_ int, b []byte) [][]byte {
			switch r.IntN(10) {
			case 0, 1, 2, 3:
				return nil
			case 4:
				return [][]byte{b, b}
			}
			return [][]byte{b}
		}
		v.run()
		switch {
		case v.result != nil:
			v.complete()
			complete++
		case !errors.Is(v.gmErr, ErrTimeout):
			t.Errorf("seed %d: %v", seed, v.gmErr)
		case len(v.wants) > 2:
			t.Errorf("seed %d: the key server was asked %v", seed, v.wants)
		}
	}
	if complete < 150 {
		t.Errorf("only %d of 200 complete with 40 %% loss", complete)
	}
}
