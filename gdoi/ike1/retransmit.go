package ike1

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// retransmission counts the transmissions of one message; the wait doubles each time.
type retransmission struct {
	sent int
	wait time.Duration
	at   machine.Instant
}

func (r *retransmission) start(now machine.Instant, base time.Duration) {
	*r = retransmission{sent: 1, wait: base, at: now.Add(base)}
}

// due says, at or after at, whether to send once more; false means that the peer is silent.
func (r *retransmission) due(now machine.Instant) bool {
	if r.sent == Transmissions {
		return false
	}
	r.sent++
	r.wait *= 2
	r.at = now.Add(r.wait)
	return true
}

// sendNext makes msg the last message: in is what it answers.
func (s *Session) sendNext(now machine.Now, in, msg []byte, out machine.Effects) machine.Effects {
	s.lastIn, s.lastOut, s.againCount = bytes.Clone(in), msg, 0
	if s.initiator {
		s.resend.start(now.Mono, s.cfg.retransmitBase())
	}
	return append(out, s.send(msg))
}

// again handles the message that we answered last, come once more. The initiator has a timer of its own.
func (s *Session) again(now machine.Now, out machine.Effects) (machine.Effects, error) {
	if s.initiator || s.againCount == maxAgain || s.state == StateEstablished && now.Mono.Sub(s.established) > AnswerLife {
		return out, ignored(ReasonDuplicate, "duplicate of a message that was answered")
	}
	s.againCount++
	return append(out, s.send(s.lastOut)), nil
}

// Deadline says when Timeout wants to be called.
func (s *Session) Deadline() (machine.Instant, bool) {
	switch {
	case s.state == StateIdle || s.state == StateDead:
		return 0, false
	case s.state == StateEstablished:
		return machine.Earliest(s.expires, true, s.dpd.at, s.dpd.on)
	case s.initiator:
		return s.resend.at, true
	default:
		return s.halfOpenEnd, true
	}
}

// Timeout does what is due; early calls change nothing. A session that ends by it returns a fatal *Error.
func (s *Session) Timeout(now machine.Now, out machine.Effects) (machine.Effects, error) {
	at, ok := s.Deadline()
	switch {
	case !ok || now.Mono < at:
		return out, nil
	case s.state == StateEstablished && now.Mono >= s.expires:
		out = s.sendDelete(out)
		return out, s.die(ReasonExpired, errors.New("the lifetime of the ISAKMP SA is over"))
	case s.state == StateEstablished:
		return s.dpdTimeout(now, out)
	case s.initiator && s.resend.due(now.Mono):
		return append(out, s.send(s.lastOut)), nil
	default:
		reason, err := s.whyNoAnswer()
		return out, s.die(reason, err)
	}
}

// whyNoAnswer makes the best of what is known, hints included, for the person who has to fix it.
func (s *Session) whyNoAnswer() (string, error) {
	const check = "check that both sides have the same pre-shared key for each other's address"
	switch {
	case s.authFailed:
		return ReasonAuth, fmt.Errorf("%s did not authenticate; %s", s.remote, check)
	case s.hint == isakmp.AuthenticationFailed || s.hint == isakmp.PayloadMalformed || s.hint == isakmp.InvalidHashInformation:
		return ReasonAuth, fmt.Errorf("%s says, unauthenticated, %s; %s", s.remote, s.hint, check)
	case s.hint == isakmp.NoProposalChosen:
		return ReasonNoProposal, fmt.Errorf("%s says, unauthenticated, %s; compare the phase-1 suites", s.remote, s.hint)
	case s.hint == isakmp.InvalidIDInformation:
		return ReasonIdentity, fmt.Errorf("%s says, unauthenticated, %s; check our identity there", s.remote, s.hint)
	case s.initiator && s.state == StateSentAuth:
		return ReasonTimeout, fmt.Errorf("%s did not answer our authentication; %s", s.remote, check)
	default:
		return ReasonTimeout, fmt.Errorf("no answer from %s in state %s; check address, port and filters on the path", s.remote, s.state)
	}
}
