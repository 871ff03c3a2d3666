package ike1

import (
	"bytes"
	"crypto/sha256"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// State of a session; the diagram is in the package comment.
type State uint8

// States.
const (
	StateIdle State = iota
	StateSentSA
	StateSentKE
	StateSigning // certificates: the key custody makes our signature
	StateSentAuth
	StateEstablished
	StateDead
)

var stateNames = [...]string{"idle", "sent-sa", "sent-ke", "signing", "sent-auth", "established", "dead"}

// String is the word that journals and consoles show.
func (s State) String() string { return stateNames[s] }

// Session is one phase-1 negotiation and then the established ISAKMP SA, in either role.
type Session struct {
	env           *machine.Env
	cfg           *Config
	local, remote netip.AddrPort
	initiator     bool

	state  State
	reason string // why Dead
	hint   isakmp.NotifyType

	ckyI, ckyR isakmp.Cookie
	suite      suite.Phase1
	lifetime   time.Duration
	offered    []isakmp.Transform // initiator
	saBody     []byte             // SAi_b
	gxi, gxr   []byte
	ni, nr     []byte
	dh         suite.DH
	keys       *suite.Phase1Keys
	iv         []byte // CBC chain of Main Mode; after it, the last block, which starts later exchanges
	peerID     isakmp.ID
	peerVIDs   [][]byte
	initial    bool   // INITIAL-CONTACT seen
	authFailed *Error // why a message 5 or 6 did not verify, last

	cred    *Credential // ours, chosen by the peer's requests
	peer    *pki.Peer   // with certificates, once its proof is good
	proofs  int         // proofs of the peer that were looked at
	failed  [sha256.Size]byte
	op      machine.OpID // StateSigning
	signEnd machine.Instant
	pieces  assembly

	lastIn, lastOut []byte
	againCount      int // answers to repetitions of lastIn
	resend          retransmission
	halfOpenEnd     machine.Instant
	established     machine.Instant
	expires         machine.Instant
	dpd             dpd
	seen            idRing
	received        []isakmp.Payload
}

// State is where the session is.
func (s *Session) State() State { return s.state }

// Initiator tells our role.
func (s *Session) Initiator() bool { return s.initiator }

// Cookies are the SPI of the ISAKMP SA; an initiator does not know the responder's before message 2.
func (s *Session) Cookies() (i, r isakmp.Cookie) { return s.ckyI, s.ckyR }

// Local is our address.
func (s *Session) Local() netip.AddrPort { return s.local }

// Remote is the peer's address.
func (s *Session) Remote() netip.AddrPort { return s.remote }

// Suite is what was negotiated; the zero value before that.
func (s *Session) Suite() suite.Phase1 { return s.suite }

// PeerID is the authenticated identity of an established session.
func (s *Session) PeerID() isakmp.ID { return s.peerID }

// PeerVendor tells whether the peer sent this vendor id. Vendor ids travel in clear before authentication.
func (s *Session) PeerVendor(vid []byte) bool {
	for _, v := range s.peerVIDs {
		if bytes.Equal(v, vid) {
			return true
		}
	}
	return false
}

// Expires is when an established session ends.
func (s *Session) Expires() machine.Instant { return s.expires }

// SawInitialContact tells that the peer said, authenticated, that it holds no other session with us.
func (s *Session) SawInitialContact() bool { return s.initial }

// DeadReason is the Reason of a dead session.
func (s *Session) DeadReason() string { return s.reason }

// LastHint is the last notification that came in clear, before the session was established: anybody could have
// sent it. Zero if there was none.
func (s *Session) LastHint() isakmp.NotifyType { return s.hint }

// PRF is prf(SKEYID_a, parts), the hash of exchanges under this SA; nil unless established.
func (s *Session) PRF(parts ...[]byte) []byte {
	if s.state != StateEstablished {
		return nil
	}
	return suite.PRF(s.suite.Hash, s.keys.A.Bytes(), parts...)
}

// Received hands out, once, the authenticated notifications and deletions that the session did not consume itself:
// *isakmp.Notify or *isakmp.Delete for the owner.
func (s *Session) Received() []isakmp.Payload {
	r := s.received
	s.received = nil
	return r
}

// Start sends message 1 (initiator) or message 2 (responder). It is called once.
func (s *Session) Start(now machine.Now, out machine.Effects) machine.Effects {
	if s.state != StateIdle {
		return out
	}
	s.state = StateSentSA
	if s.initiator {
		s.resend.start(now.Mono, s.cfg.retransmitBase())
	} else {
		s.halfOpenEnd = now.Mono.Add(HalfOpenLife)
	}
	return append(out, s.send(s.lastOut))
}

// Handle takes a datagram of this session: Main Mode and Informational. An error is an *Error.
func (s *Session) Handle(now machine.Now, msg []byte, out machine.Effects) (machine.Effects, error) {
	if s.state == StateDead || s.state == StateIdle {
		return out, ignored(ReasonDead, "the session is %s", s.state)
	}
	h, err := isakmp.ParseHeader(msg)
	if err != nil {
		return out, malformed(err)
	}
	if h.NextPayload == isakmp.PayloadFragment && h.InitiatorCookie == s.ckyI && h.ResponderCookie == s.ckyR {
		return s.fragment(now, h, msg, out)
	}
	if s.lastIn != nil && bytes.Equal(msg, s.lastIn) {
		return s.again(now, out)
	}
	// Only the answer to message 1 may bring a responder cookie that we do not know yet.
	if h.InitiatorCookie != s.ckyI || h.ResponderCookie != s.ckyR && !s.ckyR.IsZero() {
		return out, ignored(ReasonCookies, "cookies %s %s are not of this session", h.InitiatorCookie, h.ResponderCookie)
	}
	switch h.Exchange {
	case isakmp.ExchangeMainMode:
		return s.mainMode(now, h, msg, out)
	case isakmp.ExchangeInformational:
		return s.informational(now, h, msg, out)
	default:
		return out, ignored(ReasonUnexpected, "exchange %s is not part of phase 1", h.Exchange)
	}
}

// mainMode calls the one function that handles the next message of this role and state.
func (s *Session) mainMode(now machine.Now, h isakmp.Header, msg []byte, out machine.Effects) (machine.Effects, error) {
	if h.MessageID != 0 {
		return out, malformed(errMessageID)
	}
	encrypted := h.Flags&isakmp.FlagEncrypted != 0
	switch {
	case s.initiator && s.state == StateSentSA && !encrypted:
		return s.message2(now, h, msg, out)
	case s.initiator && s.state == StateSentKE && !encrypted:
		return s.message4(now, h, msg, out)
	case s.initiator && s.state == StateSentAuth && encrypted:
		return s.message6(now, h, msg, out)
	case !s.initiator && s.state == StateSentSA && !encrypted:
		return s.message3(now, h, msg, out)
	case !s.initiator && s.state == StateSentKE && encrypted:
		return s.message5(now, h, msg, out)
	default:
		return out, ignored(ReasonUnexpected, "Main Mode message in state %s", s.state)
	}
}

// establish is the common end of both roles: who the peer is, how long it lasts, and no way back.
func (s *Session) establish(now machine.Now) {
	s.state = StateEstablished
	s.established = now.Mono
	s.expires = now.Mono.Add(s.lifetime)
	if s.peer != nil {
		// No longer than the certificate.
		s.expires = min(s.expires, now.MonoAt(s.peer.Leaf.NotAfter))
	}
	s.resend = retransmission{}
	s.pieces.reset()
	s.offered, s.saBody, s.gxi, s.gxr, s.ni, s.nr = nil, nil, nil, nil, nil, nil
	s.dpd.start(s, now)
}

// Destroy ends the session without telling the peer, who does not know it any more or should find out by itself, and
// wipes all keys.
func (s *Session) Destroy() {
	if s.state != StateDead {
		_ = s.die(ReasonLocalDeleted, nil)
	}
}

// Revoked ends the session because the peer's certificate is no longer good; an established peer is told.
func (s *Session) Revoked(out machine.Effects) machine.Effects {
	if s.state == StateDead {
		return out
	}
	out = s.sendDelete(out)
	_ = s.die(ReasonRevoked, nil)
	return out
}

// die wipes the keys and returns the error that says so.
func (s *Session) die(reason string, err error) *Error {
	s.state, s.reason = StateDead, reason
	if s.dh != nil {
		s.dh.Destroy()
		s.dh = nil
	}
	s.keys.Destroy()
	s.lastIn, s.lastOut, s.resend = nil, nil, retransmission{}
	s.pieces.reset()
	return &Error{Reason: reason, Fatal: true, Err: err}
}

func (s *Session) send(b []byte) machine.Send {
	return machine.Send{Local: s.local, Remote: s.remote, Bytes: b}
}

func (s *Session) header(x isakmp.ExchangeType) isakmp.Header {
	return isakmp.Header{InitiatorCookie: s.ckyI, ResponderCookie: s.ckyR, Exchange: x}
}
