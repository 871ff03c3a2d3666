package member

import (
	"errors"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/push"
)

// renew begins to register again, after a jitter; what is under way goes on.
func (g *Group) renew(now machine.Now, c cause, within time.Duration, out machine.Effects) machine.Effects {
	if g.busy() {
		return out
	}
	g.cause = c
	if g.state == Registered {
		g.state = Reregistering
	}
	g.reason = c.String()
	g.servers.first(now)
	name, severity := gdoi.NoteReregister, machine.Info
	if c == causeMissed {
		name, severity = gdoi.NoteRekeyMissed, machine.Warning
	}
	out = append(out, g.note(name, severity, "registering again: "+c.String()))
	g.attempt.Set(now.Mono.Add(g.jitter(within)))
	return out
}

// begin is one attempt.
func (g *Group) begin(now machine.Now, out machine.Effects) machine.Effects {
	if g.connecting || g.exchange != nil {
		return out
	}
	g.attempts++
	if g.state == Unregistered {
		g.state = Registering
	}
	out = append(out, g.note(gdoi.NoteRegistering, machine.Debug, g.cause.String()))
	g.hurry(now)
	s, out := g.sessions.Session(now, g.ks(), out)
	if s == nil {
		g.connecting = true
		return out
	}
	g.patience.Set(now.Mono.Add(staleSession))
	return g.pull(now, s, out)
}

// pull begins the exchange.
func (g *Group) pull(now machine.Now, s *ike1.Session, out machine.Effects) machine.Effects {
	g.connecting, g.session = false, s
	g.exchange = pull.NewInitiator(g.env, s, g.cfg.ID, g.cfg.SIDs)
	g.exchange.Accept = g.acceptable
	return g.exchange.Start(now, out)
}

var (
	errNoTEK     = errors.New("the policy has no TEK: nothing could be encrypted")
	errNoPermits = errors.New("the policy permits nothing")
)

// acceptable judges a policy before its keys come.
func (g *Group) acceptable(o *pull.Offer) error {
	if err := g.suitesAllowed(o); err != nil {
		return err
	}
	switch {
	case len(o.TEKs) == 0:
		return errNoTEK
	case len(o.Policy(nil).Permits()) == 0:
		return errNoPermits
	}
	return nil
}

// Connected says that phase 1 with ks, which Session began, is done.
func (g *Group) Connected(now machine.Now, ks netip.AddrPort, s *ike1.Session, out machine.Effects) machine.Effects {
	g.servers.reachable(ks)
	if !g.connecting || ks != g.ks() {
		return out
	}
	g.hurry(now)
	return g.pull(now, s, out)
}

// ConnectFailed says that the phase-1 SA with ks has ended, or was never made.
func (g *Group) ConnectFailed(now machine.Now, ks netip.AddrPort, err error, out machine.Effects) machine.Effects {
	if silence(err) {
		g.servers.unreachable(now, ks, impatience)
	}
	if ks != g.ks() || !g.connecting && g.exchange == nil {
		return out
	}
	return g.failed(now, err, out)
}

// Exchange says which datagrams of s are ours; false when no PULL runs over it.
func (g *Group) Exchange(s *ike1.Session) (messageID uint32, ok bool) {
	if g.exchange == nil || g.session != s {
		return 0, false
	}
	return g.exchange.MessageID(), true
}

// PullMessage takes a datagram of the exchange.
func (g *Group) PullMessage(now machine.Now, msg []byte, out machine.Effects) (machine.Effects, error) {
	out, offer, err := g.exchange.Handle(now, msg, out)
	var e *pull.Error
	switch {
	case errors.As(err, &e) && e.Fatal:
		return g.failed(now, err, out), nil
	case err != nil:
		return out, err
	}
	// The message was authentic: the key server knows the session.
	g.patience.Stop()
	g.answered(now)
	g.session.Alive(now)
	if offer == nil {
		return out, nil
	}
	defer offer.Destroy()
	return g.granted(now, offer, out), nil
}

// Notified takes an authenticated notification or deletion that the session did not consume itself.
func (g *Group) Notified(now machine.Now, s *ike1.Session, p isakmp.Payload, out machine.Effects) machine.Effects {
	switch p := p.(type) {
	case *isakmp.Notify:
		if g.exchange != nil && g.session == s {
			if err := g.exchange.Refused(p); err != nil {
				return g.refused(now, p.MsgType, err, out)
			}
		}
	case *isakmp.Delete:
		if g.state.HoldsKeys() && s.Remote() == g.registeredWith && g.namesKEK(p) {
			out = append(out, g.note(gdoi.NoteDeleteReceived, machine.Warning, causeCleared.String()))
			// The keys are still those of the group: giving them up before the new registration would only lose traffic.
			g.withdraw.Set(now.Mono.Add(max(g.base, 10*time.Second)))
			return g.renew(now, causeCleared, 0, out)
		}
	}
	return out
}

// namesKEK says whether a deletion under phase 1 is about a KEK of this group. Not the TEKs: their protocol number, 1, is
// that of the ISAKMP SA there.
func (g *Group) namesKEK(d *isakmp.Delete) bool {
	m := push.Message{Deletes: []isakmp.Delete{*d}}
	for _, k := range g.keks {
		if m.DeletesKEK(k.receiver.Key().SPI) {
			return true
		}
	}
	return false
}

// refused ends the exchange by the key server's word. InvalidSPI says that the keys have just changed,
// TryLater that nothing is wrong but the time.
func (g *Group) refused(now machine.Now, t isakmp.NotifyType, err error, out machine.Effects) machine.Effects {
	if t == isakmp.InvalidSPI {
		g.endExchange()
		g.attempt.Set(now.Mono.Add(g.jitter(time.Second)))
		return out
	}
	var e *pull.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return g.notReady(now, err, e.RetryAfter, out)
	}
	if t == isakmp.TryLater {
		return g.failed(now, err, out)
	}
	if _, on := g.withdraw.Deadline(); on {
		out = g.retireAll(now, "cleared", out)
	}
	g.authFailure = err.Error()
	return g.failed(now, err, out)
}

// staleSession tries again with a new phase 1: the key server may have restarted.
func (g *Group) staleSession(now machine.Now, out machine.Effects) machine.Effects {
	if g.exchange == nil {
		return out
	}
	return g.sessions.Forget(now, g.session, out)
}

// Forgotten says that s is gone without anybody's fault: the attempt that runs over it begins again.
func (g *Group) Forgotten(now machine.Now, s *ike1.Session, out machine.Effects) machine.Effects {
	if g.exchange == nil || g.session != s {
		return out
	}
	impatient := g.impatient
	g.endExchange()
	g.attempts--
	out = g.begin(now, out)
	if _, on := impatient.Deadline(); on && (g.connecting || g.exchange != nil) {
		g.impatient = impatient // what was spent on the old session counts
	}
	return out
}

func (g *Group) endExchange() {
	if g.exchange != nil {
		g.exchange.Destroy()
	}
	g.exchange, g.session, g.connecting = nil, nil, false
	g.patience.Stop()
	g.impatient.Stop()
}

// failed schedules the next attempt, with the next key server; the wait grows when all of them have failed.
func (g *Group) failed(now machine.Now, err error, out machine.Effects) machine.Effects {
	g.endExchange()
	g.reason = err.Error()
	n := g.note(gdoi.NoteRegisterFailed, machine.Warning, err.Error())
	var ie *ike1.Error
	var pe *pull.Error
	g.unsigned = false
	switch {
	case errors.As(err, &ie):
		n.Reason = ie.Reason
		g.unsigned = ie.Reason == ike1.ReasonSign
		switch ie.Reason {
		case ike1.ReasonAuth, ike1.ReasonNoPSK, ike1.ReasonIdentity, ike1.ReasonNoProposal:
			n.Name = gdoi.NoteAuthFailed
			g.authFailure = err.Error()
		}
	case errors.As(err, &pe):
		n.Reason = pe.Reason
	}
	out = append(out, n)
	if silence(err) {
		g.servers.unreachable(now, g.ks(), g.given)
	}
	wait := g.cfg.Backoff << min(g.failures/len(g.cfg.KeyServers), 16)
	wait = min(wait, g.cfg.BackoffMax)
	g.failures++
	g.servers.next(now)
	g.attempt.Set(now.Mono.Add(wait/2 + g.jitter(wait)))
	if silence(err) && !g.servers.isDown(now, g.ks()) {
		// It cost time already to learn that; the others may be well.
		g.attempt.Set(now.Mono.Add(g.jitter(otherSoon)))
	}
	return out
}

// CustodyBack says that our key custody signs again. A registration that failed for that alone does not wait longer.
func (g *Group) CustodyBack(now machine.Now) {
	if _, waiting := g.attempt.Deadline(); waiting && g.unsigned {
		g.failures = 0
		g.attempt.Set(now.Mono.Add(g.jitter(otherSoon)))
	}
}

// Reregister is the operator's command.
func (g *Group) Reregister(now machine.Now, out machine.Effects) (string, machine.Effects) {
	if g.underWay() {
		return registrationUnderWay, out
	}
	g.attempt.Stop()
	g.failures = 0
	return "registering", g.renew(now, causeOperator, 0, out)
}

const registrationUnderWay = "a registration is under way"

func (g *Group) underWay() bool { return g.connecting || g.exchange != nil }

// ForeseeReregister says what Reregister would do now. It is never refused.
func (g *Group) ForeseeReregister() string {
	if g.underWay() {
		return registrationUnderWay + ", so nothing would be done"
	}
	if len(g.teks) > 0 {
		return "it would register again, and keep its keys until then"
	}
	return "it would register"
}

// Report takes what the data plane saw.
func (g *Group) Report(now machine.Now, r gdoi.DataPlaneReport, out machine.Effects) machine.Effects {
	if !g.state.HoldsKeys() || g.busy() {
		return out
	}
	switch r.Kind {
	case gdoi.SeqLow:
		if g.tek(r.SPI) == nil {
			return out
		}
		n := g.note(gdoi.NoteSenderSpaceLow, machine.Warning, causeCounters.String(), machine.F("spi", r.SPI.String()))
		return g.renew(now, causeCounters, g.base/2, append(out, n))
	case gdoi.OutOfTime:
		// Whoever repeats old packets can cause this, so it is heeded like an alarm.
		if !g.clock.set || !g.heedAlarm(now) {
			return out
		}
		return g.renew(now, causeOutOfTime, min(g.base/2, 2*time.Second), append(out, g.note(gdoi.NoteOutOfTime, machine.Warning, causeOutOfTime.String())))
	case gdoi.UnknownSPI:
		// Anybody can send such packets, so they cause no more than a registration now and then; and a key that we had
		// is no news.
		if g.tek(r.SPI) != nil || g.wasRetired(r.SPI) || !g.heedAlarm(now) {
			return out
		}
		n := g.note(gdoi.NoteUnknownSPI, machine.Warning, causeUnknownSPI.String(), machine.F("spi", r.SPI.String()))
		return g.renew(now, causeUnknownSPI, min(g.base/2, 2*time.Second), append(out, n))
	}
	return out
}
