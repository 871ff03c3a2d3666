package ike1

import (
	"bytes"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// NewResponder judges message 1. Without an error the caller keeps the session, finds it for later messages 1 by the
// initiator cookie and address (the responder cookie is zero there), and calls Start, which sends message 2. With an
// error nothing is kept; Refusal makes the answer. Nothing here costs more than parsing.
func NewResponder(env *machine.Env, cfg *Config, local, remote netip.AddrPort, first []byte) (*Session, error) {
	return NewResponderWith(env, cfg, local, remote, first, newCookie(env))
}

// NewResponderWith is NewResponder with a responder cookie of the caller's choice, which is how message 2 goes out
// without a session being kept: whoever can recognise the cookie in message 3 makes the session again, from message 1 and
// the same cookie, and calls Start without sending what it says. Both times message 2 is the same, octet for octet.
func NewResponderWith(env *machine.Env, cfg *Config, local, remote netip.AddrPort, first []byte, ckyR isakmp.Cookie) (*Session, error) {
	h, err := isakmp.ParseHeader(first)
	if err != nil {
		return nil, malformed(err)
	}
	if h.Exchange != isakmp.ExchangeMainMode || h.Flags != 0 || h.MessageID != 0 || h.InitiatorCookie.IsZero() || !h.ResponderCookie.IsZero() {
		return nil, ignored(ReasonUnexpected, "%s message with cookies %s %s does not begin a session", h.Exchange, h.InitiatorCookie, h.ResponderCookie)
	}
	p, err := split(h.NextPayload, first[isakmp.HeaderLen:], isakmp.PayloadSA)
	if err != nil {
		return nil, malformed(err)
	}
	sa, err := isakmp.ParseSAPhase1(p.sa)
	if err != nil {
		return nil, malformed(err)
	}
	prop, err := offer(sa)
	if err != nil {
		return nil, malformed(err)
	}
	usable := cfg.usable(remote.Addr())
	if len(usable) == 0 {
		return nil, &Error{Reason: ReasonNoPSK, Err: errNoPSK}
	}
	chosen, suite, life, ok := choose(usable, prop.Transforms)
	if !ok {
		e := ignored(ReasonNoProposal, "%s proposes none of our phase-1 suites; compare both lists", remote)
		e.Notify = isakmp.NoProposalChosen
		return nil, e
	}
	s := &Session{
		env: env, cfg: cfg, local: local, remote: remote, ckyI: h.InitiatorCookie, ckyR: ckyR,
		suite: suite, lifetime: shorter(cfg.lifetime(), life), saBody: p.sa, peerVIDs: p.vids, lastIn: bytes.Clone(first),
	}
	prop.SPI, prop.Transforms = nil, []isakmp.Transform{chosen}
	answer := isakmp.SAPhase1{DOI: sa.DOI, Situation: sa.Situation, Proposals: []isakmp.Proposal{prop}}
	s.lastOut = isakmp.Message(s.header(isakmp.ExchangeMainMode), append([]isakmp.Payload{answer}, cfg.vendorIDs()...)...)
	return s, nil
}

// message3 takes the initiator's KE and nonce: here, and only once, the responder computes.
func (s *Session) message3(now machine.Now, h isakmp.Header, msg []byte, out machine.Effects) (machine.Effects, error) {
	p, bad := s.splitKeyExchange(h, msg)
	if bad != nil {
		return out, bad
	}
	dh, err := s.suite.Group.New(s.env)
	if err != nil {
		return out, malformed(err)
	}
	s.dh, s.gxi, s.ni, s.gxr, s.nr = dh, p.ke, p.nonce, dh.Public(), s.env.Bytes(nonceLen)
	s.takeRequests(p)
	if err := s.deriveKeys(p.ke); err != nil {
		return out, s.die(ReasonNoPSK, err)
	}
	s.state = StateSentKE
	ps := append([]isakmp.Payload{isakmp.KE{Data: s.gxr}, isakmp.Nonce{Data: s.nr}}, s.certRequests()...)
	answer := isakmp.Message(s.header(isakmp.ExchangeMainMode), ps...)
	return s.sendNext(now, msg, answer, out), nil
}

// message5 takes the initiator's proof and answers with ours. A proof that fails may be a forgery, so the session
// stays for the genuine one until HalfOpenLife is over, and says so once in clear, for the person on the other side.
func (s *Session) message5(now machine.Now, h isakmp.Header, msg []byte, out machine.Effects) (machine.Effects, error) {
	told := s.authFailed != nil
	p, bad := s.openMain(now, h, msg)
	if bad != nil {
		if s.authFailed != nil && !told {
			out = append(out, s.send(NotifyCleartext(h, bad.Notify)))
		}
		return out, bad
	}
	id, err := s.acceptPeer(p.id)
	if err != nil {
		out = append(out, s.send(NotifyCleartext(h, isakmp.InvalidIDInformation)))
		return out, s.die(ReasonIdentity, err)
	}
	s.peerID = id
	s.noteInitialContact(p.notifies)
	s.iv = lastBlock(msg, len(s.iv))
	if s.suite.WithCertificate() {
		return s.askSignature(now, msg, out), nil
	}
	ours := s.identity()
	answer := s.sealMain(ours, isakmp.Hash{Data: s.authHash(false, ours.AppendBody(nil))})
	out = s.sendNext(now, msg, answer, out)
	s.establish(now)
	return out, nil
}
