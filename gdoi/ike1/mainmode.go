package ike1

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/suite"
)

var errMessageID = errors.New("message id on a message of Main Mode")

// parts are the payloads that Main Mode knows, by type; each at most once, vendor ids and notifications apart.
type parts struct {
	sa, ke, nonce, id, hash []byte // bodies
	vids                    [][]byte
	notifies                []isakmp.Notify
}

// split takes a message apart and insists on the required payloads. What has no place in Main Mode is malformed;
// what is optional and of no use to us (CERTREQ, NAT-D, private types) is passed over.
func split(first isakmp.PayloadType, b []byte, required ...isakmp.PayloadType) (p parts, err error) {
	chain, _, err := isakmp.ParseChain(first, b)
	if err != nil {
		return parts{}, err
	}
	for _, r := range chain {
		var slot *[]byte
		switch r.Type {
		case isakmp.PayloadSA:
			slot = &p.sa
		case isakmp.PayloadKE:
			slot = &p.ke
		case isakmp.PayloadNONCE:
			slot = &p.nonce
		case isakmp.PayloadID:
			slot = &p.id
		case isakmp.PayloadHASH:
			slot = &p.hash
		case isakmp.PayloadVID:
			if len(p.vids) < maxVendorIDs {
				p.vids = append(p.vids, bytes.Clone(r.Body()))
			}
			continue
		case isakmp.PayloadNOTIFY:
			n, err := isakmp.ParseNotify(r.Body())
			if err != nil {
				return parts{}, err
			}
			p.notifies = append(p.notifies, n)
			continue
		case isakmp.PayloadCERTREQ, isakmp.PayloadNATD:
			continue
		default:
			if r.Type >= isakmp.PayloadPrivate {
				continue
			}
			return parts{}, fmt.Errorf("payload %s in Main Mode", r.Type)
		}
		if *slot != nil {
			return parts{}, fmt.Errorf("payload %s twice", r.Type)
		}
		*slot = append(make([]byte, 0, len(r.Body())), r.Body()...) // not nil, even when empty
	}
	return p, p.check(required)
}

// check wants the required payloads, and of SA, KE, NONCE, ID and HASH no others.
func (p *parts) check(required []isakmp.PayloadType) error {
	for _, have := range []struct {
		t    isakmp.PayloadType
		body []byte
	}{
		{isakmp.PayloadSA, p.sa},
		{isakmp.PayloadKE, p.ke},
		{isakmp.PayloadNONCE, p.nonce},
		{isakmp.PayloadID, p.id},
		{isakmp.PayloadHASH, p.hash},
	} {
		want := bytes.IndexByte(typeBytes(required), byte(have.t)) >= 0
		if want && have.body == nil {
			return fmt.Errorf("payload %s is missing", have.t)
		}
		if !want && have.body != nil {
			return fmt.Errorf("payload %s has no place in this message", have.t)
		}
	}
	return nil
}

func typeBytes(ts []isakmp.PayloadType) []byte {
	b := make([]byte, len(ts))
	for i, t := range ts {
		b[i] = byte(t)
	}
	return b
}

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
	if psk.Len() == 0 {
		return errNoPSK
	}
	gxy, err := s.dh.Shared(peerKE)
	if err != nil {
		return err
	}
	s.dh.Destroy()
	s.dh = nil
	s.keys = s.suite.KeysPSK(psk, suite.KeyInput{
		Ni: s.ni, Nr: s.nr, GXI: s.gxi, GXR: s.gxr, GXY: gxy, CkyI: s.ckyI[:], CkyR: s.ckyR[:],
	})
	gxy.Destroy()
	s.iv = bytes.Clone(s.keys.FirstIV)
	return nil
}

var errNoPSK = errors.New("no pre-shared key is configured for this peer's address; add one")

// hashI is HASH_I (RFC 2409 §5).
func (s *Session) hashI(id []byte) []byte {
	return suite.PRF(s.suite.Hash, s.keys.SKEYID.Bytes(), s.gxi, s.gxr, s.ckyI[:], s.ckyR[:], s.saBody, id)
}

// hashR is HASH_R: values and cookies change places, SAi_b stays.
func (s *Session) hashR(id []byte) []byte {
	return suite.PRF(s.suite.Hash, s.keys.SKEYID.Bytes(), s.gxr, s.gxi, s.ckyR[:], s.ckyI[:], s.saBody, id)
}

// sealMain encrypts message 5 or 6 and moves the CBC chain on.
func (s *Session) sealMain(ps ...isakmp.Payload) []byte {
	h := s.header(isakmp.ExchangeMainMode)
	h.NextPayload = isakmp.FirstType(ps...)
	msg, last := seal(s.keys, s.iv, h, isakmp.AppendChain(nil, ps...))
	s.iv = last
	return msg
}

// openMain decrypts message 5 or 6 and verifies its hash, without moving the chain.
func (s *Session) openMain(h isakmp.Header, msg []byte, hash func(id []byte) []byte) (parts, *Error) {
	plain, err := suite.DecryptCBC(s.keys.CipherKey.Bytes(), s.iv, msg[isakmp.HeaderLen:])
	if err != nil {
		return parts{}, malformed(err)
	}
	p, err := split(h.NextPayload, plain, isakmp.PayloadID, isakmp.PayloadHASH)
	if err != nil || !hmac.Equal(p.hash, hash(p.id)) {
		s.authFailed = true
		return parts{}, &Error{Reason: ReasonAuth, Notify: isakmp.AuthenticationFailed, Err: fmt.Errorf(
			"the proof of %s does not verify; check that both sides have the same pre-shared key for each other's address", s.remote)}
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
	return msg, lastBlock(msg)
}

func lastBlock(msg []byte) []byte { return bytes.Clone(msg[len(msg)-suite.BlockLen:]) }

// acceptPeer judges an authenticated identity. An address identity must be the peer's address, because that is what
// the pre-shared key stands for (RFC 4945 §3.1.1).
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
	case isakmp.IDFQDN, isakmp.IDUserFQDN, isakmp.IDKeyID:
	default:
		return isakmp.ID{}, fmt.Errorf("identity type %s; use an address, a name or a key id", id.IDType)
	}
	if !portOfISAKMP(id) {
		return isakmp.ID{}, fmt.Errorf("identity for protocol %d port %d (RFC 2407 §4.6.2)", id.Protocol, id.Port)
	}
	if s.cfg.AcceptID != nil && !s.cfg.AcceptID(addr, id) {
		return isakmp.ID{}, fmt.Errorf("identity %s %q of %s is not allowed here", id.IDType, id.Data, addr)
	}
	return id, nil
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
