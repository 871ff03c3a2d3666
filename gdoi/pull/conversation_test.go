package pull

import (
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
	notReady *time.Duration

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
		if c.notReady != nil {
			return c.ks.RefuseFor(c.now, *c.notReady, out)
		}
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
