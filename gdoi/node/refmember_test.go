package node

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/refsession"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// refMember is the program as a group member.
type refMember struct {
	refPeer
	kek  gdoi.KEKSPI
	iv2  []byte // IV and key of the KEK
	key2 []byte
	pub  *suite.SignatureKey
	seq  uint32
	teks []uint32
}

func (m *refMember) Deadline() (machine.Instant, bool) { return immediately, m.state == 0 }

func (m *refMember) Step(_ machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	d, ok := ev.(machine.Datagram)
	if m.state == 0 {
		first := m.ref.Frames[0].Data // as it was recorded, octet for octet
		m.ckyI, m.saBody = isakmp.Cookie(m.ref.Phase1.CookieI), m.ref.Phase1.SAib
		m.state, m.initiator = 1, true
		return append(out, m.send(first))
	}
	if !ok {
		return out
	}
	if isakmp.ExchangeType(d.Bytes[18]) == isakmp.ExchangeGroupkeyPush {
		m.push(d.Bytes)
		return out
	}
	m.state++
	switch m.state {
	case 2:
		h, chain := m.clear(d.Bytes)
		m.ckyR = h.ResponderCookie
		m.check(bytes.Equal(chain[0].Body(), m.saBody), "the SA has changed: %x", chain[0].Body())
		ke, nonce := m.exchangeKeys()
		m.gxi, m.ni = ke.Data, nonce.Data
		return append(out, m.send(isakmp.Message(m.header(isakmp.ExchangeMainMode), ke, nonce)))
	case 3:
		_, chain := m.clear(d.Bytes)
		m.gxr, m.nr = chain[0].Body(), chain[1].Body()
		m.derive(m.gxr)
		return append(out, m.send(m.seal(isakmp.ExchangeMainMode, m.authenticate()...)))
	case 4:
		m.authenticated(m.open(d.Bytes))
		m.beginPull(binary.BigEndian.Uint32(m.ref.Pull.MessageID))
		m.pullNi = m.ref.Pull.Nib
		id := m.ref.Pull.Messages[0].Payloads[2].Hex[4:] // the group's number in the octets of the sender's machine
		ps := m.hashed(nil, isakmp.Nonce{Data: m.pullNi}, raw{isakmp.PayloadID, id})
		return append(out, m.send(m.seal(isakmp.ExchangeGroupkeyPull, ps...)))
	case 5:
		chain := m.verifyHash([][]byte{m.pullNi}, m.open(d.Bytes))
		m.pullNr = chain[0].Body()
		m.policy(chain[1].Body())
		ps := m.hashed([][]byte{m.pullNi, m.pullNr})
		return append(out, m.send(m.seal(isakmp.ExchangeGroupkeyPull, ps...)))
	case 6:
		chain := m.verifyHash([][]byte{m.pullNi, m.pullNr}, m.open(d.Bytes))
		if m.check(len(chain) == 2 && chain[0].Type == isakmp.PayloadSEQ, "message 4 has %d payloads", len(chain)) {
			m.seq = binary.BigEndian.Uint32(chain[0].Body())
			m.keysOf(chain[1].Body())
		}
		m.finished = true
	}
	return out
}

// policy wants nothing in an SA that the program of 2011 could not know.
func (m *refMember) policy(body []byte) {
	sa, err := isakmp.ParseSAGDOI(body)
	if !m.check(err == nil, "SA: %v", err) {
		return
	}
	if sa.SAK != nil {
		m.kek = gdoi.KEKSPI(sa.SAK.SPI)
		for _, a := range sa.SAK.Attributes {
			m.check(a.Type <= isakmp.KEKAttrSigKeyLength, "KEK attribute %d", a.Type)
		}
	}
	if sa.GAP != nil {
		for _, a := range sa.GAP.Attributes {
			m.check(a.Type <= isakmp.GAPDeactivationTimeDelay, "GAP attribute %d", a.Type)
		}
	}
	m.teks = nil
	for _, s := range sa.SATs {
		m.teks = append(m.teks, s.SPI)
		for _, a := range s.Attributes {
			m.check(a.Type <= isakmp.SAAttrDirection, "SA attribute %d", a.Type)
		}
	}
}

func (m *refMember) keysOf(body []byte) {
	kd, err := isakmp.ParseKD(body)
	if !m.check(err == nil, "KD: %v", err) {
		return
	}
	for _, k := range kd.Packets {
		if k.Type != isakmp.KDTypeKEK {
			continue
		}
		key, _ := isakmp.FindAttribute(k.Attributes, isakmp.KEKKeyAttrAlgorithmKey)
		pub, _ := isakmp.FindAttribute(k.Attributes, isakmp.KEKKeyAttrSigAlgorithmKey)
		m.iv2, m.key2 = bytes.Clone(key.Value[:16]), bytes.Clone(key.Value[16:])
		m.pub, err = suite.ParseSignatureKey(pub.Value)
		m.check(err == nil, "public key: %v", err)
	}
}

// push verifies a rekey as the program does: signature over the bare digest, Length without the padding.
func (m *refMember) push(b []byte) {
	h, err := isakmp.ParseHeader(b)
	m.check(err == nil && slices.Equal(slices.Concat(h.InitiatorCookie[:], h.ResponderCookie[:]), m.kek[:]), "rekey under another KEK (%v)", err)
	plain, err := suite.DecryptCBC(m.key2, m.iv2, b[isakmp.HeaderLen:])
	if !m.check(err == nil, "%v", err) {
		return
	}
	chain, used, err := isakmp.ParseChain(h.NextPayload, plain)
	if !m.check(err == nil && len(chain) == 4, "rekey: %v, %d payloads", err, len(chain)) {
		return
	}
	seq := binary.BigEndian.Uint32(chain[0].Body())
	if seq <= m.seq {
		return // a repetition
	}
	m.seq = seq
	sig := chain[3]
	h.Length = uint32(isakmp.HeaderLen + used)
	digest := suite.Sum(machine.SHA256, []byte(isakmp.PushSignaturePrefix), h.AppendTo(nil), plain[:used-len(sig.Wire)])
	err = m.pub.Verify(machine.SignRSABare, machine.SHA256, digest, sig.Body())
	m.check(err == nil, "%v", err)
	m.policy(chain[1].Body())
}

// refGroup is what a key server has to be told for the program's sake.
func refGroup(t *testing.T) keyserver.Config {
	g := blue(t)
	g.ID = gdoi.GroupID(refsession.Load().Pull.Messages[0].Payloads[2].Hex[8:])
	g.KEK, g.SignForm = suite.KEKAES128CBC, machine.SignRSABare
	return g
}

func refPhase1(t *testing.T, legacy bool) ike1.Config {
	c := phase1(rightPSK)
	if s, err := suite.ParseLegacyPhase1("3des-sha1-modp1024"); legacy && err == nil {
		c.Suites = append(c.Suites, s)
	}
	return c
}

// TestReferenceMember: our key server and the program as a member, from the first message of the recording to rekeys,
// beside a member of our own.
func TestReferenceMember(t *testing.T) {
	w := newWorld(t)
	ks, err := NewKeyServer(seeded(0), KSConfig{Local: ksAddr, Phase1: refPhase1(t, true), Groups: []keyserver.Config{refGroup(t)}}, nil)
	w.add(ksAddr, ks, err)
	ours := w.member(gm2, rightPSK, member.Config{Name: "blue", ID: refGroup(t).ID, KeyServers: []netip.AddrPort{ksAddr}})
	m := &refMember{refPeer: newRefPeer(t, gm1, ksAddr)}
	w.add(gm1, m, nil)
	w.run(time.Minute)
	if !m.established || !m.finished {
		t.Fatalf("it stopped in state %d; drops %v", m.state, ks.Snapshot(w.now).Drops)
	}
	for i := range 3 {
		w.step(ksAddr, gdoi.CmdRekey{Group: "blue", ID: uint64(i + 1)})
		w.run(10 * time.Minute)
		s := ks.Snapshot(w.now).Groups[0]
		if m.seq != uint32(i+1) || len(s.TEKs) != 1 || !slices.Contains(m.teks, uint32(s.TEKs[0].SPI)) {
			t.Errorf("after rekey %d it is at %d with TEKs %x; want %v", i+1, m.seq, m.teks, spis(s.TEKs))
		}
		if o := ours.Snapshot(w.now).Groups[0]; o.RekeysReceived != uint64(i+1) || o.Registrations != 1 {
			t.Errorf("our own member: %d rekeys, %d registrations", o.RekeysReceived, o.Registrations)
		}
	}
}

// TestReferenceMemberNotAllowed: without leave by name the program's suite is refused, and nothing is kept.
func TestReferenceMemberNotAllowed(t *testing.T) {
	w := newWorld(t)
	ks, err := NewKeyServer(seeded(0), KSConfig{Local: ksAddr, Phase1: refPhase1(t, false), Groups: []keyserver.Config{refGroup(t)}}, nil)
	w.add(ksAddr, ks, err)
	w.step(ksAddr, machine.Datagram{Local: ksAddr, Remote: gm1, Bytes: refsession.Load().Frames[0].Data})
	if s := ks.Snapshot(w.now); drops(s.Drops, ike1.ReasonNoProposal) != 1 || s.HalfOpen != 0 {
		t.Errorf("drops %v, %d negotiations; want its proposal refused", s.Drops, s.HalfOpen)
	}
}
