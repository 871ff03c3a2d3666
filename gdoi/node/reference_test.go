package node

import (
	"crypto/hmac"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/refsession"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// refPeer speaks as the GDOI reference program of 2011 does (Cisco, "1.5iec"): in its suite, in the forms of the recorded
// session, with its peculiarities. The exponents of that session are unknown, so it draws its own; what does not depend on
// them is taken from the recording. It is written on the primitives of package suite alone and checks all that it gets.
type refPeer struct {
	t             *testing.T
	ref           *refsession.Session
	env           *machine.Env
	local, remote netip.AddrPort
	initiator     bool
	suite         suite.Phase1

	state                 int
	ckyI, ckyR            isakmp.Cookie
	saBody, ni, nr        []byte
	dh                    suite.DH
	gxi, gxr              []byte
	keys                  *suite.Phase1Keys
	iv, last              []byte // of the exchange under way; of phase 1
	messageID             uint32
	pullNi, pullNr        []byte
	established, finished bool
}

// raw is a payload whose octets are given.
type raw struct {
	t    isakmp.PayloadType
	body []byte
}

func (r raw) Type() isakmp.PayloadType   { return r.t }
func (r raw) AppendBody(b []byte) []byte { return append(b, r.body...) }
func (p *refPeer) send(b []byte) machine.Effect {
	return machine.Send{Local: p.local, Remote: p.remote, Bytes: b}
}

func newRefPeer(t *testing.T, local, remote netip.AddrPort) refPeer {
	s, err := suite.ParseLegacyPhase1("3des-sha1-modp1024")
	if err != nil {
		t.Fatal(err)
	}
	return refPeer{t: t, ref: refsession.Load(), env: seeded(77), local: local, remote: remote, suite: s}
}

func (p *refPeer) check(ok bool, format string, args ...any) bool {
	p.t.Helper()
	if !ok {
		p.t.Errorf("reference program, state %d: "+format, append([]any{p.state}, args...)...)
	}
	return ok
}

func (p *refPeer) header(x isakmp.ExchangeType) isakmp.Header {
	return isakmp.Header{InitiatorCookie: p.ckyI, ResponderCookie: p.ckyR, Exchange: x, MessageID: p.messageID}
}

// clear takes a message of Main Mode in clear apart.
func (p *refPeer) clear(b []byte) (h isakmp.Header, chain []isakmp.Raw) {
	h, err := isakmp.ParseHeader(b)
	p.check(err == nil, "header: %v", err)
	chain, _, err = isakmp.ParseChain(h.NextPayload, b[isakmp.HeaderLen:])
	p.check(err == nil && h.Flags == 0 && h.MessageID == 0, "message in clear: %v, %+v", err, h)
	return h, chain
}

func (p *refPeer) exchangeKeys() (ke isakmp.KE, nonce isakmp.Nonce) {
	dh, err := p.suite.Group.New(p.env)
	p.check(err == nil, "%v", err)
	p.dh = dh
	nonce.Data = p.ref.Phase1.Ni
	if !p.initiator {
		nonce.Data = p.ref.Phase1.Nr
	}
	return isakmp.KE{Data: dh.Public()}, nonce
}

func (p *refPeer) derive(peerKE []byte) {
	gxy, err := p.dh.Shared(peerKE)
	p.check(err == nil, "%v", err)
	p.keys = p.suite.KeysPSK(rightPSK, suite.KeyInput{Ni: p.ni, Nr: p.nr, GXI: p.gxi, GXR: p.gxr, GXY: gxy, CkyI: p.ckyI[:], CkyR: p.ckyR[:]})
	p.iv = p.keys.FirstIV
}

func (p *refPeer) prf(parts ...[]byte) []byte {
	return suite.PRF(p.suite.Hash, p.keys.A.Bytes(), parts...)
}

func (p *refPeer) proof(initiator bool, id []byte) []byte {
	a, b, c, d := p.gxi, p.gxr, p.ckyI[:], p.ckyR[:]
	if !initiator {
		a, b, c, d = b, a, d, c
	}
	return suite.PRF(p.suite.Hash, p.keys.SKEYID.Bytes(), a, b, c, d, p.saBody, id)
}

// seal encrypts with the chain of the exchange.
func (p *refPeer) seal(x isakmp.ExchangeType, ps ...isakmp.Payload) []byte {
	h := p.header(x)
	h.Version, h.Flags, h.NextPayload = isakmp.Version10, isakmp.FlagEncrypted, isakmp.FirstType(ps...)
	ct, err := suite.EncryptCBC(p.keys.CipherKey.Bytes(), p.iv, isakmp.AppendChain(nil, ps...))
	p.check(err == nil, "%v", err)
	b := append(h.AppendTo(nil), ct...)
	isakmp.SetLength(b)
	p.iv = b[len(b)-len(p.iv):]
	return b
}

func (p *refPeer) open(b []byte) []isakmp.Raw {
	h, err := isakmp.ParseHeader(b)
	p.check(err == nil && h.Flags == isakmp.FlagEncrypted && h.MessageID == p.messageID, "header: %v, %+v", err, h)
	plain, err := suite.DecryptCBC(p.keys.CipherKey.Bytes(), p.iv, b[isakmp.HeaderLen:])
	if !p.check(err == nil, "%v", err) {
		return nil
	}
	p.iv = b[len(b)-len(p.iv):]
	chain, used, err := isakmp.ParseChain(h.NextPayload, plain)
	p.check(err == nil && len(plain)-used < len(p.iv), "%d octets of padding, %v", len(plain)-used, err)
	return chain
}

// authenticate is the payloads of message 5 or 6, as in the recording: identity, proof, INITIAL-CONTACT with DOI 0.
func (p *refPeer) authenticate() []isakmp.Payload {
	id := ike1.AddressID(p.local.Addr())
	return []isakmp.Payload{
		id, isakmp.Hash{Data: p.proof(p.initiator, id.AppendBody(nil))},
		isakmp.Notify{Protocol: isakmp.ProtoISAKMP, SPI: slices.Concat(p.ckyI[:], p.ckyR[:]), MsgType: isakmp.InitialContact},
	}
}

func (p *refPeer) authenticated(chain []isakmp.Raw) {
	if p.check(len(chain) >= 2 && chain[0].Type == isakmp.PayloadID && chain[1].Type == isakmp.PayloadHASH, "%d payloads", len(chain)) {
		p.check(hmac.Equal(chain[1].Body(), p.proof(!p.initiator, chain[0].Body())), "the proof does not verify")
	}
	p.established = true
}

// beginPull starts the chain of a registration.
func (p *refPeer) beginPull(id uint32) {
	p.last, p.messageID = p.iv, id
	p.iv = suite.ExchangeIV(p.suite.Hash, p.last, id)
}

func (p *refPeer) hashed(parts [][]byte, ps ...isakmp.Payload) []isakmp.Payload {
	in := append([][]byte{binary.BigEndian.AppendUint32(nil, p.messageID)}, parts...)
	return append([]isakmp.Payload{isakmp.Hash{Data: p.prf(append(in, isakmp.AppendChain(nil, ps...))...)}}, ps...)
}

func (p *refPeer) verifyHash(parts [][]byte, chain []isakmp.Raw) []isakmp.Raw {
	if !p.check(len(chain) > 0 && chain[0].Type == isakmp.PayloadHASH, "no HASH") {
		return nil
	}
	in := append([][]byte{binary.BigEndian.AppendUint32(nil, p.messageID)}, parts...)
	for _, r := range chain[1:] {
		in = append(in, r.Wire)
	}
	p.check(hmac.Equal(chain[0].Body(), p.prf(in...)), "HASH does not verify")
	return chain[1:]
}
