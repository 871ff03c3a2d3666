package ike1

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pki"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var errMessageID = errors.New("message id on a message of Main Mode")

// splitKeyExchange reads message 3 or 4 and checks the ranges of both values.
func (s *Session) splitKeyExchange(h isakmp.Header, msg []byte) (parts, *Error) {
	p, err := split(h.NextPayload, msg[isakmp.HeaderLen:], isakmp.PayloadKE, isakmp.PayloadNONCE)
	if err != nil {
		return parts{}, malformed(err)
	}
	if len(p.nonce) < minNonceLen || len(p.nonce) > maxNonceLen {
		return parts{}, ignored(ReasonKeyExchange, "nonce of %d octets; want %d to %d", len(p.nonce), minNonceLen, maxNonceLen)
	}
	if err := s.suite.Group.Check(p.ke); err != nil {
		return parts{}, &Error{Reason: ReasonKeyExchange, Err: err}
	}
	return p, nil
}

// deriveKeys ends the Diffie-Hellman exchange.
func (s *Session) deriveKeys(peerKE []byte) error {
	psk := s.cfg.psk(s.remote.Addr())
	switch signs := s.suite.WithCertificate(); {
	case signs && s.cred == nil:
		return errNoCredential
	case !signs && psk.Len() == 0:
		return errNoPSK
	}
	gxy, err := s.dh.Shared(peerKE)
	if err != nil {
		return err
	}
	s.dh.Destroy()
	s.dh = nil
	in := suite.KeyInput{Ni: s.ni, Nr: s.nr, GXI: s.gxi, GXR: s.gxr, GXY: gxy, CkyI: s.ckyI[:], CkyR: s.ckyR[:]}
	if s.suite.WithCertificate() {
		s.keys = s.suite.KeysSignature(in)
	} else {
		s.keys = s.suite.KeysPSK(psk, in)
	}
	gxy.Destroy()
	s.iv = bytes.Clone(s.keys.FirstIV)
	if s.cfg.KeyLog != nil {
		s.cfg.KeyLog(s.ckyI, s.ckyR, s.suite, s.keys)
	}
	return nil
}

var (
	errNoPSK        = errors.New("no pre-shared key is configured for this peer's address; add one")
	errNoCredential = errors.New("no certificate of ours is for the agreed method; add one")
)

// sealMain encrypts message 5 or 6 and moves the CBC chain on.
func (s *Session) sealMain(ps ...isakmp.Payload) []byte {
	h := s.header(isakmp.ExchangeMainMode)
	h.NextPayload = isakmp.FirstType(ps...)
	msg, last := seal(s.keys, s.iv, h, isakmp.AppendChain(nil, ps...))
	s.iv = last
	return msg
}

// openMain decrypts message 5 or 6 and verifies its proof, without moving the chain.
func (s *Session) openMain(now machine.Now, h isakmp.Header, msg []byte) (parts, *Error) {
	if s.suite.WithCertificate() && s.proofs > 0 && s.failed == sha256.Sum256(msg) {
		return parts{}, ignored(ReasonDuplicate, "the proof of %s again, which did not verify", s.remote)
	}
	plain, err := suite.DecryptCBC(s.keys.CipherKey.Bytes(), s.iv, msg[isakmp.HeaderLen:])
	if err != nil {
		return parts{}, malformed(err)
	}
	proof := isakmp.PayloadHASH
	if s.suite.WithCertificate() {
		proof = isakmp.PayloadSIG
	}
	p, err := split(h.NextPayload, plain, isakmp.PayloadID, proof)
	if err != nil {
		text := errProof
		if proof == isakmp.PayloadSIG {
			text = errors.New("the message does not decrypt to a signature; it was changed on the way")
		}
		return parts{}, s.proofFailed(ReasonAuth, isakmp.AuthenticationFailed, fmt.Errorf("%s: %w", s.remote, text))
	}
	if bad := s.verify(now, msg, p); bad != nil {
		return parts{}, bad
	}
	return p, nil
}

// seal is the encryption of every message of the SA: padding, flag and length; it returns the last ciphertext block.
func seal(keys *suite.Phase1Keys, iv []byte, h isakmp.Header, payloads []byte) (msg, last []byte) {
	h.Version = isakmp.Version10
	h.Flags |= isakmp.FlagEncrypted
	ct, err := suite.EncryptCBC(keys.CipherKey.Bytes(), iv, payloads)
	if err != nil {
		panic("ike1: key or IV of a live session has the wrong length: " + err.Error())
	}
	msg = append(h.AppendTo(make([]byte, 0, isakmp.HeaderLen+len(ct))), ct...)
	isakmp.SetLength(msg)
	return msg, lastBlock(msg, len(iv))
}

// lastBlock is the last n octets, a block of the SA's cipher.
func lastBlock(msg []byte, n int) []byte { return bytes.Clone(msg[len(msg)-n:]) }

// acceptPeer judges an authenticated identity. An address identity must be the peer's address, because that is what
// the pre-shared key stands for (RFC 4945 §3.1.1). With a certificate, the certificate must have the identity, whatever
// its type.
func (s *Session) acceptPeer(body []byte) (isakmp.ID, error) {
	id, err := isakmp.ParseID(bytes.Clone(body))
	if err != nil {
		return isakmp.ID{}, err
	}
	addr := s.remote.Addr().Unmap()
	switch id.IDType {
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		if !bytes.Equal(id.Data, addr.AsSlice()) {
			return isakmp.ID{}, fmt.Errorf("the peer at %s claims the address identity %x", addr, id.Data)
		}
	case isakmp.IDFQDN, isakmp.IDUserFQDN:
	case isakmp.IDKeyID:
		if s.peer != nil {
			return isakmp.ID{}, fmt.Errorf("a key id says nothing about the certificate of %s", s.peer.Cert.Subject)
		}
	case isakmp.IDDERASN1DN:
		if s.peer == nil {
			return isakmp.ID{}, errors.New("a pre-shared key does not stand for a distinguished name; use an address or a name")
		}
	default:
		return isakmp.ID{}, fmt.Errorf("identity type %s; use an address, a name or a key id", id.IDType)
	}
	if s.peer != nil && !s.peer.SpeaksFor(id) {
		return isakmp.ID{}, fmt.Errorf("the certificate of %s does not have the identity %s that its holder claims; issue one with it as an alternative name, or change identity there",
			s.peer.Cert.Subject, printID(id))
	}
	if !portOfISAKMP(id) {
		return isakmp.ID{}, fmt.Errorf("identity for protocol %d port %d (RFC 2407 §4.6.2)", id.Protocol, id.Port)
	}
	if s.cfg.AcceptID != nil && !s.cfg.AcceptID(addr, id) {
		return isakmp.ID{}, fmt.Errorf("identity %s %q of %s is not allowed here", id.IDType, id.Data, addr)
	}
	return id, nil
}

func printID(id isakmp.ID) string {
	switch id.IDType {
	case isakmp.IDDERASN1DN:
		return pki.NameString(id.Data)
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		a, _ := netip.AddrFromSlice(id.Data)
		return a.String()
	default:
		return fmt.Sprintf("%q", id.Data)
	}
}

func portOfISAKMP(id isakmp.ID) bool {
	const udp = 17
	return id.Protocol == 0 && id.Port == 0 || id.Protocol == udp && (id.Port == 0 || id.Port == 500 || id.Port == 848)
}

// noteInitialContact looks for INITIAL-CONTACT (RFC 2407 §4.6.3.3) that names this SA.
func (s *Session) noteInitialContact(ns []isakmp.Notify) {
	for _, n := range ns {
		if n.MsgType == isakmp.InitialContact && n.Protocol == isakmp.ProtoISAKMP && bytes.Equal(n.SPI, s.spi()) {
			s.initial = true
		}
	}
}

// spi is the SPI of the ISAKMP SA in notifications: both cookies.
func (s *Session) spi() []byte { return append(append([]byte(nil), s.ckyI[:]...), s.ckyR[:]...) }

func beUint32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
