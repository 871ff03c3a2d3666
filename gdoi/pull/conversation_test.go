package pull

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// conversation is one PULL between two ends over a virtual wire, in virtual time.
type conversation struct {
	t        testing.TB
	now      machine.Now
	gmS, ksS *ike1.Session
	gm       *Initiator
	ks       *Responder
	ksEnv    *machine.Env
	ids      MessageIDs
	offer    *Offer
	group    gdoi.GroupID // that the key server has

	wire   func(nr int, b []byte) [][]byte // what arrives of the nr-th datagram, from 1; nil: all
	sent   [][]byte
	toKS   []bool
	wants  []Request
	result *Offer
	gmErr  error // fatal
	drops  []error
}

func newConversation(t testing.TB, gmEnv, ksEnv *machine.Env, gmS, ksS *ike1.Session, sids int) *conversation {
	c := &conversation{t: t, gmS: gmS, ksS: ksS, ksEnv: ksEnv, offer: testOffer(t), group: blue}
	c.now.Wall = time.Unix(1700000000, 0)
	c.gm = NewInitiator(gmEnv, gmS, blue, sids)
	return c
}

func fresh(t testing.TB, sids int) *conversation {
	gmEnv, ksEnv := seededEnv(1), seededEnv(2)
	gmS, ksS := phase1(t, gmEnv, ksEnv, nil)
	return newConversation(t, gmEnv, ksEnv, gmS, ksS, sids)
}

// run goes on until nothing moves any more.
func (c *conversation) run() {
	c.post(c.gm.Start(c.now, nil))
	for i := 0; ; {
		for ; i < len(c.sent); i++ {
			arrives := [][]byte{c.sent[i]}
			if c.wire != nil {
				arrives = c.wire(i+1, c.sent[i])
			}
			for _, b := range arrives {
				if c.toKS[i] {
					c.post(c.keyServer(b))
				} else {
					c.post(c.member(b))
				}
			}
		}
		at, ok := c.gm.Deadline()
		if !ok {
			return
		}
		c.now.Wall = c.now.WallAt(at)
		c.now.Mono = at
		out, err := c.gm.Timeout(c.now, nil)
		c.note(err)
		c.post(out)
	}
}

func (c *conversation) post(out machine.Effects) {
	for _, e := range out {
		s := e.(machine.Send)
		c.sent = append(c.sent, s.Bytes)
		c.toKS = append(c.toKS, s.Remote == ksAddr)
	}
}

func (c *conversation) note(err error) {
	var e *Error
	switch {
	case err == nil:
	case errors.As(err, &e) && e.Fatal:
		c.gmErr = err
	default:
		c.drops = append(c.drops, err)
	}
}

func (c *conversation) member(b []byte) machine.Effects {
	if h, err := isakmp.ParseHeader(b); err == nil && h.Exchange == isakmp.ExchangeInformational {
		out, err := c.gmS.Handle(c.now, b, nil)
		c.note(err)
		for _, p := range c.gmS.Received() {
			c.note(c.gm.Refused(p.(*isakmp.Notify)))
		}
		return out
	}
	out, o, err := c.gm.Handle(c.now, b, nil)
	c.note(err)
	if o != nil {
		c.result = o
	}
	return out
}

func (c *conversation) keyServer(b []byte) machine.Effects {
	if h, err := isakmp.ParseHeader(b); err == nil && h.Exchange == isakmp.ExchangeInformational {
		out, err := c.ksS.Handle(c.now, b, nil)
		c.note(err)
		return out
	}
	if c.ks == nil {
		r, err := NewResponder(c.ksEnv, c.ksS, b)
		if err != nil {
			c.drops = append(c.drops, err)
			return nil
		}
		out, req, err := r.Handle(c.now, b, nil)
		if err != nil {
			c.drops = append(c.drops, err)
			return out
		}
		c.ks = r
		return c.decide(req, out)
	}
	out, req, err := c.ks.Handle(c.now, b, nil)
	if err != nil {
		c.drops = append(c.drops, err)
		return out
	}
	if req == nil {
		return out
	}
	return c.decide(req, out)
}

// decide is what a key server does with a request.
func (c *conversation) decide(req Request, out machine.Effects) machine.Effects {
	var err error
	c.wants = append(c.wants, req)
	switch w := req.(type) {
	case WantPolicy:
		if w.Group != c.group {
			return c.ks.Refuse(c.now, isakmp.InvalidIDInformation, out)
		}
		c.ids.Add(c.ks.MessageID())
		out, err = c.ks.Policy(c.now, c.offer, out)
	case WantKeys:
		c.offer.SIDs = nil
		for i := range w.SIDCount {
			c.offer.SIDs = append(c.offer.SIDs, gdoi.SID(100+i))
		}
		out, err = c.ks.Keys(c.now, c.offer, 0, out)
	}
	if err != nil {
		c.t.Error(err)
	}
	return out
}

// complete checks that the member has what the key server granted, and that the key server granted it once.
func (c *conversation) complete() {
	c.t.Helper()
	if c.gmErr != nil || c.result == nil {
		c.t.Fatalf("no registration: %v; dropped: %v", c.gmErr, c.drops)
	}
	if got, want := encoded(c.result), encoded(c.offer); got != want {
		c.t.Errorf("the member has\n%s, granted was\n%s", got, want)
	}
	if len(c.wants) != 2 {
		c.t.Errorf("the key server was asked %v", c.wants)
	}
}

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
