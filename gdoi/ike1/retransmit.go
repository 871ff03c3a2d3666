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
	return s.transmit(msg, out)
}

// again handles the message that we answered last, come once more. The initiator has a timer of its own.
func (s *Session) again(now machine.Now, out machine.Effects) (machine.Effects, error) {
	if s.initiator || s.lastOut == nil || s.againCount == maxAgain || s.state == StateEstablished && now.Mono.Sub(s.established) > AnswerLife {
		return out, ignored(ReasonDuplicate, "duplicate of a message that was answered")
	}
	s.againCount++
	return s.transmit(s.lastOut, out), nil
}

// Deadline says when Timeout wants to be called.
func (s *Session) Deadline() (machine.Instant, bool) {
	at, ok := s.deadline()
	pieces, some := s.pieces.deadline()
	return machine.Earliest(at, ok, pieces, some)
}

func (s *Session) deadline() (machine.Instant, bool) {
	switch {
	case s.state == StateIdle || s.state == StateDead:
		return 0, false
	case s.state == StateEstablished:
		return machine.Earliest(s.expires, true, s.dpd.at, s.dpd.on)
	case s.state == StateSigning && (s.initiator || s.signEnd < s.halfOpenEnd):
		return s.signEnd, true
	case s.initiator:
		return s.resend.at, true
	default:
		return s.halfOpenEnd, true
	}
}

// Timeout does what is due; early calls change nothing. A session that ends by it returns a fatal *Error.
func (s *Session) Timeout(now machine.Now, out machine.Effects) (machine.Effects, error) {
	if at, ok := s.pieces.deadline(); ok && now.Mono >= at {
		s.pieces.reset()
	}
	at, ok := s.deadline()
	switch {
	case !ok || now.Mono < at:
		return out, nil
	case s.state == StateEstablished && now.Mono >= s.expires:
		out = s.sendDelete(out)
		return out, s.die(ReasonExpired, errors.New("the lifetime of the ISAKMP SA is over"))
	case s.state == StateEstablished:
		return s.dpdTimeout(now, out)
	case s.state == StateSigning && now.Mono >= s.signEnd:
		return out, s.die(ReasonSign, fmt.Errorf("the key custody did not sign with %s within %v", s.cred.Key, SignPatience))
	case s.initiator && s.resend.due(now.Mono):
		return s.transmit(s.lastOut, out), nil
	default:
		reason, err := s.whyNoAnswer()
		return out, s.die(reason, err)
	}
}

// whyNoAnswer makes the best of what is known, hints included, for the person who has to fix it.
func (s *Session) whyNoAnswer() (string, error) {
	check := "check that both sides have the same pre-shared key for each other's address"
	if s.suite.WithCertificate() {
		check = "check our certificate, its chain and revocation, and ca on the other side"
	}
	switch {
	case s.authFailed != nil && s.suite.WithCertificate():
		return s.authFailed.Reason, s.authFailed.Err
	case s.authFailed != nil:
		return ReasonAuth, fmt.Errorf("%s did not authenticate; %s", s.remote, check)
	case s.hint == isakmp.InvalidCertificate || s.hint == isakmp.InvalidCertAuthority || s.hint == isakmp.CertificateUnavailable || s.hint == isakmp.InvalidSignature:
		return ReasonAuth, fmt.Errorf("%s says, unauthenticated, %s; %s", s.remote, s.hint, check)
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
