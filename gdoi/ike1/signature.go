package ike1

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Credential is a certificate of ours whose key the custody holds.
type Credential struct {
	// Key is the name that the custody knows the key by.
	Key string
	// Method is the authentication method that the key is for, suite.AuthRSA for example.
	Method uint16
	// Chain is DER, our certificate first, then those between it and an anchor.
	Chain [][]byte
	// Subject is the DER name of the certificate, and Issuers those of all of the chain's issuers.
	Subject []byte
	Issuers [][]byte
}

// usable are the suites that we can authenticate with to a peer.
func (c *Config) usable(peer netip.Addr) []suite.Phase1 {
	var out []suite.Phase1
	for _, s := range c.suites() {
		if s.WithCertificate() && c.Trust != nil && c.credential(s.Auth, nil) != nil || s.Auth == suite.AuthPSK && c.psk(peer).Len() > 0 {
			out = append(out, s)
		}
	}
	return out
}

// credential finds the certificate for a method: one under an authority that the peer asked for, if there is one, else
// the first (RFC 4945 §3.2.7.1).
func (c *Config) credential(method uint16, requests []isakmp.CertReq) *Credential {
	var first *Credential
	for i := range c.Credentials {
		cred := &c.Credentials[i]
		if cred.Method != method {
			continue
		}
		if first == nil {
			first = cred
		}
		for _, r := range requests {
			for _, issuer := range cred.Issuers {
				if bytes.Equal(r.Data, issuer) {
					return cred
				}
			}
		}
	}
	return first
}

// certRequests are the CERTREQ payloads of message 3 or 4: one for each authority that we trust (RFC 4945 §3.2).
func (s *Session) certRequests() []isakmp.Payload {
	if !s.suite.WithCertificate() || s.cfg.Trust == nil {
		return nil
	}
	var ps []isakmp.Payload
	for i, name := range s.cfg.Trust.Names() {
		if i == maxCertRequests {
			break
		}
		ps = append(ps, isakmp.CertReq{Encoding: isakmp.CertX509Signature, Data: name})
	}
	return ps
}

// takeRequests remembers which authorities the peer asked for and chooses our certificate.
func (s *Session) takeRequests(p parts) {
	if s.suite.WithCertificate() {
		s.cred = s.cfg.credential(s.suite.Auth, p.requests)
	}
}

// identity is the ID payload that we send.
func (s *Session) identity() isakmp.ID {
	id := s.cfg.Local
	if id.IDType == isakmp.IDDERASN1DN {
		if s.cred == nil {
			return AddressID(s.local.Addr()) // a name that a pre-shared key does not stand for
		}
		id.Data = s.cred.Subject
		return id
	}
	return s.cfg.identity(s.local.Addr())
}

// authHash is HASH_I or HASH_R.
func (s *Session) authHash(initiator bool, id []byte) []byte {
	h := s.suite.SignatureHash()
	if initiator {
		return suite.PRF(h, s.keys.SKEYID.Bytes(), s.gxi, s.gxr, s.ckyI[:], s.ckyR[:], s.saBody, id)
	}
	// Values and cookies change places, SAi_b stays.
	return suite.PRF(h, s.keys.SKEYID.Bytes(), s.gxr, s.gxi, s.ckyR[:], s.ckyI[:], s.saBody, id)
}

// errProof is the text for a proof of a pre-shared key.
var errProof = errors.New("the proof does not verify; check that both sides have the same pre-shared key for each other's address")

// verify judges the peer's proof. For signatures that is the expensive part of a negotiation: a path of certificates and
// a signature. It comes last, never twice for the same octets, and at most maxProofs times.
func (s *Session) verify(now machine.Now, msg []byte, p parts) *Error {
	hash := s.authHash(!s.initiator, p.id)
	if !s.suite.WithCertificate() {
		if !hmac.Equal(p.hash, hash) {
			return s.proofFailed(ReasonAuth, isakmp.AuthenticationFailed, fmt.Errorf("%s: %w", s.remote, errProof))
		}
		return nil
	}
	if s.proofs == maxProofs {
		return s.die(ReasonAuth, fmt.Errorf("%s has failed to prove itself %d times", s.remote, maxProofs))
	}
	s.proofs++
	s.failed = sha256.Sum256(msg)
	if s.cfg.Trust == nil {
		return s.proofFailed(pki.ReasonUntrusted, isakmp.InvalidCertAuthority, errors.New("no authority is configured; add ca"))
	}
	peer, err := s.cfg.Trust.Verify(now.Wall, p.certs)
	if err != nil {
		var e *pki.Error
		reason := ReasonAuth
		if errors.As(err, &e) {
			reason = e.Reason
		}
		return s.proofFailed(reason, noticeOf(reason), fmt.Errorf("%s: %w", s.remote, err))
	}
	if err := s.suite.VerifySignature(peer.Leaf.PublicKey, hash, p.sig); err != nil {
		return s.proofFailed(ReasonAuth, isakmp.InvalidSignature, fmt.Errorf("%s has the certificate of %s, but its signature is wrong: %w", s.remote, peer.Cert.Subject, err))
	}
	s.peer = peer
	return nil
}

// noticeOf is what the peer is told in clear, for the person who reads its log.
func noticeOf(reason string) isakmp.NotifyType {
	switch reason {
	case pki.ReasonMissing:
		return isakmp.CertificateUnavailable
	case pki.ReasonUntrusted:
		return isakmp.InvalidCertAuthority
	default:
		return isakmp.InvalidCertificate
	}
}

// proofFailed remembers why; the session stays for the genuine message.
func (s *Session) proofFailed(reason string, notify isakmp.NotifyType, err error) *Error {
	s.authFailed = &Error{Reason: reason, Notify: notify, Err: err}
	return s.authFailed
}

// askSignature asks the custody for our signature over the hash, which it never sees the parts of. in is the message that
// it will be the answer to.
func (s *Session) askSignature(now machine.Now, in []byte, out machine.Effects) machine.Effects {
	digest := s.authHash(s.initiator, s.identity().AppendBody(nil))
	s.state, s.op, s.signEnd = StateSigning, s.env.NextOp(), now.Mono.Add(SignPatience)
	s.lastIn, s.lastOut, s.againCount = bytes.Clone(in), nil, 0
	return append(out, machine.Sign{ID: s.op, Key: s.cred.Key, Scheme: s.suite.SignScheme(), Hash: s.suite.SignatureHash(), Digest: digest})
}

// Signing tells which custody operation the session waits for.
func (s *Session) Signing() (machine.OpID, bool) { return s.op, s.state == StateSigning }

// Signed takes the custody's answer to the operation of Signing and sends message 5 or 6. What it answers late goes
// nowhere.
func (s *Session) Signed(now machine.Now, ev machine.Signed, out machine.Effects) (machine.Effects, error) {
	if s.state != StateSigning || ev.ID != s.op {
		return out, ignored(ReasonUnexpected, "a signature that nobody waits for")
	}
	if ev.Err != nil {
		return out, s.die(ReasonSign, fmt.Errorf("the key custody did not sign with %s: %w", s.cred.Key, ev.Err))
	}
	ps := []isakmp.Payload{s.identity()}
	for _, der := range s.cred.Chain {
		ps = append(ps, isakmp.Cert{Encoding: isakmp.CertX509Signature, Data: der})
	}
	ps = append(ps, isakmp.Sig{Data: ev.Signature})
	if s.initiator {
		return s.sendProof(now, s.lastIn, ps, out), nil
	}
	out = s.sendNext(now, s.lastIn, s.sealMain(ps...), out)
	s.establish(now)
	return out, nil
}

// sendProof sends message 5.
func (s *Session) sendProof(now machine.Now, in []byte, ps []isakmp.Payload, out machine.Effects) machine.Effects {
	if !s.cfg.OmitInitialContact {
		ps = append(ps, isakmp.Notify{
			DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, SPI: s.spi(), MsgType: isakmp.InitialContact,
		})
	}
	s.state = StateSentAuth
	return s.sendNext(now, in, s.sealMain(ps...), out)
}

// PeerCertificate is what the peer was authenticated with; nil for a pre-shared key, and before that.
func (s *Session) PeerCertificate() *policy.Certificate {
	if s.peer == nil {
		return nil
	}
	return s.peer.Cert
}
