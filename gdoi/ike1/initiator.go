package ike1

import (
	"bytes"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// NewInitiator prepares a session to remote; Start sends message 1.
func NewInitiator(env *machine.Env, cfg *Config, local, remote netip.AddrPort) *Session {
	s := &Session{env: env, cfg: cfg, local: local, remote: remote, initiator: true, ckyI: newCookie(env), lifetime: cfg.lifetime()}
	suites := cfg.usable(remote.Addr())
	if len(suites) == 0 {
		suites = cfg.suites() // it will not go well, and message 2 tells why
	}
	sa := propose(suites, s.lifetime)
	s.offered = sa.Proposals[0].Transforms
	s.saBody = sa.AppendBody(nil)
	s.lastOut = firstMessage(cfg, s.ckyI, sa)
	return s
}

// FirstMessage is message 1 of an initiator with this configuration, and with keys and certificates for all of its suites.
func FirstMessage(cfg *Config, ckyI isakmp.Cookie) []byte {
	return firstMessage(cfg, ckyI, propose(cfg.suites(), cfg.lifetime()))
}

func firstMessage(cfg *Config, ckyI isakmp.Cookie, sa isakmp.SAPhase1) []byte {
	ps := append([]isakmp.Payload{sa}, cfg.vendorIDs()...)
	return isakmp.Message(isakmp.Header{InitiatorCookie: ckyI, Exchange: isakmp.ExchangeMainMode}, ps...)
}

// newCookie draws a cookie; zero would mean "none".
func newCookie(env *machine.Env) (c isakmp.Cookie) {
	for c.IsZero() {
		env.Read(c[:])
	}
	return c
}

// message2 takes the responder's choice and answers with KE and nonce.
func (s *Session) message2(now machine.Now, h isakmp.Header, msg []byte, out machine.Effects) (machine.Effects, error) {
	if h.ResponderCookie.IsZero() {
		return out, ignored(ReasonCookies, "message 2 without a responder cookie")
	}
	p, err := split(h.NextPayload, msg[isakmp.HeaderLen:], isakmp.PayloadSA)
	if err != nil {
		return out, malformed(err)
	}
	sa, err := isakmp.ParseSAPhase1(p.sa)
	if err != nil {
		return out, malformed(err)
	}
	prop, err := offer(sa)
	if err != nil {
		return out, malformed(err)
	}
	var chosen *isakmp.Transform
	for i := range s.offered {
		if len(prop.Transforms) == 1 && sameTransform(s.offered[i], prop.Transforms[0]) {
			chosen = &s.offered[i]
		}
	}
	if chosen == nil {
		return out, ignored(ReasonNoProposal, "the responder chose what we did not offer")
	}
	suite, _, err := readTransform(*chosen)
	if err != nil {
		return out, malformed(err)
	}
	switch {
	case suite.WithCertificate() && s.cfg.credential(suite.Auth, nil) == nil:
		return out, s.die(ReasonNoCredential, errNoCredential)
	case !suite.WithCertificate() && s.cfg.psk(s.remote.Addr()).Len() == 0:
		return out, s.die(ReasonNoPSK, errNoPSK)
	}
	dh, err := suite.Group.New(s.env)
	if err != nil {
		return out, malformed(err)
	}
	s.suite, s.dh, s.ckyR, s.peerVIDs = suite, dh, h.ResponderCookie, p.vids
	s.gxi, s.ni = dh.Public(), s.env.Bytes(nonceLen)
	s.state = StateSentKE
	ps := append([]isakmp.Payload{isakmp.KE{Data: s.gxi}, isakmp.Nonce{Data: s.ni}}, s.certRequests()...)
	answer := isakmp.Message(s.header(isakmp.ExchangeMainMode), ps...)
	return s.sendNext(now, msg, answer, out), nil
}

// message4 takes the responder's KE and nonce and answers with our proof.
func (s *Session) message4(now machine.Now, h isakmp.Header, msg []byte, out machine.Effects) (machine.Effects, error) {
	p, bad := s.splitKeyExchange(h, msg)
	if bad != nil {
		return out, bad
	}
	s.gxr, s.nr = p.ke, p.nonce
	s.takeRequests(p)
	if err := s.deriveKeys(p.ke); err != nil {
		return out, s.die(ReasonNoPSK, err)
	}
	if s.suite.WithCertificate() {
		return s.askSignature(now, msg, out), nil
	}
	id := s.identity()
	return s.sendProof(now, msg, []isakmp.Payload{id, isakmp.Hash{Data: s.authHash(true, id.AppendBody(nil))}}, out), nil
}

// message6 takes the responder's proof.
func (s *Session) message6(now machine.Now, h isakmp.Header, msg []byte, out machine.Effects) (machine.Effects, error) {
	p, bad := s.openMain(now, h, msg)
	if bad != nil {
		return out, bad
	}
	id, err := s.acceptPeer(p.id)
	if err != nil {
		return out, s.die(ReasonIdentity, err)
	}
	s.peerID = id
	s.noteInitialContact(p.notifies)
	s.iv = lastBlock(msg, len(s.iv))
	s.lastIn, s.lastOut = bytes.Clone(msg), nil
	s.establish(now)
	return out, nil
}
