package node

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/ike1"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// refServer is the program as a key server of one group with one member.
type refServer struct {
	refPeer
	spi gdoi.KEKSPI
	kek []byte // IV, then key
	seq uint32
	tek uint32
	// recorded sends SA, SEQ and KD octet for octet as they were recorded, so that the recorded rekeys fit them.
	recorded bool
	wide     bool // lengths of identities in two octets, as other programs write them
	member   netip.AddrPort
}

func (s *refServer) Deadline() (machine.Instant, bool) { return 0, false }

func (s *refServer) Step(_ machine.Now, ev machine.Event, out machine.Effects) machine.Effects {
	d, ok := ev.(machine.Datagram)
	if !ok {
		return out
	}
	if isakmp.ExchangeType(d.Bytes[18]) == isakmp.ExchangeInformational {
		return out // the member refuses the policy
	}
	s.remote = d.Remote
	s.state++
	switch s.state {
	case 1:
		h, chain := s.clear(d.Bytes)
		s.ckyI, s.ckyR, s.saBody = h.InitiatorCookie, isakmp.Cookie(s.ref.Phase1.CookieR), bytes.Clone(chain[0].Body())
		sa, err := isakmp.ParseSAPhase1(s.saBody)
		if !s.check(err == nil, "%v", err) {
			return out
		}
		prop := &sa.Proposals[0]
		prop.Transforms = slices.DeleteFunc(prop.Transforms, func(t isakmp.Transform) bool {
			a, _ := isakmp.FindAttribute(t.Attributes, isakmp.Phase1Encryption)
			v, _ := a.Uint()
			return v != uint64(isakmp.IKEEncryption3DES)
		})
		if !s.check(len(prop.Transforms) == 1, "%d proposals of 3DES", len(prop.Transforms)) {
			return out
		}
		return append(out, s.send(isakmp.Message(s.header(isakmp.ExchangeMainMode), sa)))
	case 2:
		_, chain := s.clear(d.Bytes)
		s.gxi, s.ni = bytes.Clone(chain[0].Body()), bytes.Clone(chain[1].Body())
		ke, nonce := s.exchangeKeys()
		s.gxr, s.nr = ke.Data, nonce.Data
		s.derive(s.gxi)
		return append(out, s.send(isakmp.Message(s.header(isakmp.ExchangeMainMode), ke, nonce)))
	case 3:
		s.authenticated(s.open(d.Bytes))
		return append(out, s.send(s.seal(isakmp.ExchangeMainMode, s.authenticate()...)))
	case 4:
		h, err := isakmp.ParseHeader(d.Bytes)
		s.check(err == nil, "%v", err)
		s.beginPull(h.MessageID)
		chain := s.verifyHash(nil, s.open(d.Bytes))
		s.pullNi, s.pullNr = bytes.Clone(chain[0].Body()), s.ref.Pull.Nrb
		sa := s.sa()
		if s.recorded {
			sa = s.ref.Pull.Messages[1].Payloads[2].Hex[4:]
		}
		ps := s.hashed([][]byte{s.pullNi}, isakmp.Nonce{Data: s.pullNr}, raw{isakmp.PayloadSA, sa})
		// HASH(2) is over Nr as a payload and the body of Ni.
		return append(out, s.send(s.seal(isakmp.ExchangeGroupkeyPull, ps...)))
	case 5:
		s.verifyHash([][]byte{s.pullNi, s.pullNr}, s.open(d.Bytes))
		s.finished = true
		ps := s.hashed([][]byte{s.pullNi, s.pullNr}, isakmp.SEQ{Number: s.seq}, s.kd(true))
		if s.recorded {
			m := s.ref.Pull.Messages[3].Payloads
			ps = s.hashed([][]byte{s.pullNi, s.pullNr}, raw{isakmp.PayloadSEQ, m[1].Hex[4:]}, raw{isakmp.PayloadKD, m[2].Hex[4:]})
		}
		return append(out, s.send(s.seal(isakmp.ExchangeGroupkeyPull, ps...)))
	}
	return out
}

// sa is the recorded SA with its SAK (six octets of RESERVED2, lifetimes in the short form) and GAP, and a SAT of a cipher
// that a default configuration speaks.
func (s *refServer) sa() []byte {
	body := bytes.Clone(s.ref.Pull.Messages[1].Payloads[2].Hex[4:])
	// SAK, GAP, SAT: each has its own next payload and length.
	at := 12
	for range 2 {
		at += int(binary.BigEndian.Uint16(body[at+2:]))
	}
	sat := isakmp.SAT{
		ProtocolID: isakmp.ProtocolESP, SPI: s.tek, Transform: suite.TransformAESGCM16,
		Src: isakmp.TrafficID{IDType: isakmp.IDIPv4Subnet, Data: []byte{10, 0, 0, 0, 255, 0, 0, 0}},
		Dst: isakmp.TrafficID{IDType: isakmp.IDIPv4Subnet, Data: []byte{10, 0, 0, 0, 255, 0, 0, 0}},
		Attributes: []isakmp.Attribute{
			isakmp.BasicAttr(isakmp.SAAttrLifeType, isakmp.LifeSeconds), isakmp.BasicAttr(isakmp.SAAttrLifeDuration, 120),
			isakmp.BasicAttr(isakmp.SAAttrEncapsulationMode, isakmp.EncapsulationTunnel), isakmp.BasicAttr(isakmp.SAAttrKeyLength, 128),
		},
	}
	b := sat.AppendBody(nil)
	if s.wide {
		const srcLen, dstLen = 5, 17
		b = slices.Insert(slices.Insert(b, dstLen, 0), srcLen, 0)
	}
	return append(body[:at], isakmp.AppendChain(nil, raw{isakmp.PayloadSAT, b})...)
}

func (s *refServer) kd(sids bool) *isakmp.KD {
	kd := &isakmp.KD{Packets: []isakmp.KeyPacket{
		{Type: isakmp.KDTypeKEK, SPI: s.spi[:], Attributes: []isakmp.Attribute{
			isakmp.LongAttr(isakmp.KEKKeyAttrAlgorithmKey, s.kek), isakmp.LongAttr(isakmp.KEKKeyAttrSigAlgorithmKey, blue(s.t).SignPublic),
		}},
		{Type: isakmp.KDTypeTEK, SPI: binary.BigEndian.AppendUint32(nil, s.tek), Attributes: []isakmp.Attribute{
			isakmp.LongAttr(isakmp.TEKAttrAlgorithmKey, bytes.Repeat([]byte{byte(s.tek)}, 20)),
		}},
	}}
	if sids {
		kd.Packets = append(kd.Packets, isakmp.KeyPacket{Type: isakmp.KDTypeSID, Attributes: []isakmp.Attribute{
			isakmp.BasicAttr(isakmp.SIDAttrNumberOfBits, 16), isakmp.LongAttr(isakmp.SIDAttrValue, []byte{0, 7}),
		}})
	}
	return kd
}

// push is a rekey in the program's form: it repeats SAK and KEK, signs the bare digest, and hashes a header whose Length
// leaves out the padding.
func (s *refServer) push() machine.Datagram {
	s.seq++
	s.tek++
	sig := isakmp.Sig{Data: make([]byte, rsaKey().Size())}
	ps := []isakmp.Payload{isakmp.SEQ{Number: s.seq}, raw{isakmp.PayloadSA, s.sa()}, s.kd(false), sig}
	chain := isakmp.AppendChain(nil, ps...)
	signed := chain[:len(chain)-len(sig.Data)-4]
	h := isakmp.Header{
		InitiatorCookie: isakmp.Cookie(s.spi[:8]), ResponderCookie: isakmp.Cookie(s.spi[8:]), Version: isakmp.Version10,
		Exchange: isakmp.ExchangeGroupkeyPush, Flags: isakmp.FlagEncrypted, NextPayload: isakmp.PayloadSEQ, Length: uint32(isakmp.HeaderLen + len(chain)),
	}
	digest := suite.Sum(machine.SHA256, []byte(isakmp.PushSignaturePrefix), h.AppendTo(nil), signed)
	signature, err := rsa.SignPKCS1v15(nil, rsaKey(), crypto.Hash(0), digest)
	s.check(err == nil, "%v", err)
	copy(chain[len(chain)-len(signature):], signature)
	ct, err := suite.EncryptCBC(s.kek[16:], s.kek[:16], chain)
	s.check(err == nil, "%v", err)
	h.Length = uint32(isakmp.HeaderLen + len(ct))
	return machine.Datagram{Local: s.member, Remote: s.local, Bytes: append(h.AppendTo(nil), ct...)}
}

// TestReferenceKeyServer: our member and the program as a key server: registration, then rekeys that repeat the KEK.
func TestReferenceKeyServer(t *testing.T) {
	t.Run("as recorded", func(t *testing.T) { referenceKeyServer(t, false) })
	t.Run("wide identity lengths", func(t *testing.T) { referenceKeyServer(t, true) })
}

func referenceKeyServer(t *testing.T, wide bool) {
	w := newWorld(t)
	s := &refServer{refPeer: newRefPeer(t, ksAddr, gm1), tek: 0x1001, member: gm1, wide: wide}
	s.spi, s.kek = gdoi.KEKSPI(s.ref.KEK.SPI), slices.Concat(s.ref.KEK.IV, s.ref.KEK.Key)
	w.add(ksAddr, s, nil)
	gm, err := NewGroupMember(seeded(3), GMConfig{Local: gm1, Phase1: refPhase1(t, true), Groups: joins("blue")})
	w.add(gm1, gm, err)
	w.run(time.Second)
	g := gm.Snapshot(w.now).Groups[0]
	if !s.finished || g.State != member.Registered {
		t.Fatalf("it stopped in state %d, the member is %v: %s %s", s.state, g.State, g.Reason, g.AuthFailure)
	}
	if len(g.TEKs) != 1 || g.TEKs[0].SPI != 0x1001 || g.KEKs[0].SPI != s.spi || !slices.Equal(g.SIDs, []gdoi.SID{7}) {
		t.Errorf("the member has %+v, %+v, %v", g.TEKs, g.KEKs, g.SIDs)
	}
	for i := range 3 {
		d := s.push()
		w.step(gm1, d)
		w.step(gm1, d) // and again
		g = gm.Snapshot(w.now).Groups[0]
		if want := gdoi.SPI(0x1002 + i); !slices.Contains(spis(g.TEKs), want) || g.RekeysReceived != uint64(i+1) || len(g.KEKs) != 1 {
			t.Errorf("rekey %d: TEKs %v, %d rekeys, %d KEKs; want %v among them", i+1, spis(g.TEKs), g.RekeysReceived, len(g.KEKs), want)
		}
		w.run(time.Second)
	}
	if n := drops(gm.Snapshot(w.now).Drops, "duplicate"); n != 3 {
		t.Errorf("drops %v; want the repetitions alone", gm.Snapshot(w.now).Drops)
	}
	// An old number under the same KEK stays old, although each rekey brings the KEK again.
	s.seq = 0
	w.step(gm1, s.push())
	if n := drops(gm.Snapshot(w.now).Drops, "replay"); n != 1 {
		t.Errorf("drops %v; want one replay", gm.Snapshot(w.now).Drops)
	}
}

// TestReferenceKeyServerNotAllowed: a member that was not told to proposes nothing that the program accepts.
func TestReferenceKeyServerNotAllowed(t *testing.T) {
	first := ike1.FirstMessage(&ike1.Config{}, isakmp.Cookie{1})
	sa, err := isakmp.ParseSAPhase1(first[isakmp.HeaderLen+4 : isakmp.HeaderLen+int(binary.BigEndian.Uint16(first[isakmp.HeaderLen+2:]))])
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range sa.Proposals[0].Transforms {
		for typ, old := range map[uint16]uint64{
			isakmp.Phase1Encryption: uint64(isakmp.IKEEncryption3DES), isakmp.Phase1Hash: uint64(isakmp.IKEHashSHA1), isakmp.Phase1Group: uint64(isakmp.IKEGroupMODP1024),
		} {
			a, ok := isakmp.FindAttribute(tr.Attributes, typ)
			if v, err := a.Uint(); !ok || err != nil || v == old {
				t.Errorf("transform %d has attribute %d = %d", tr.Number, typ, v)
			}
		}
	}
}

// TestReferenceKeyServerAsRecorded: SA and KD of the recording, octet for octet, and then the recorded rekeys themselves:
// 3DES and HMAC-SHA-1, receive only, the destination alone preserved, SAK with six octets of RESERVED2. All of it is taken
// when the member's configuration names it, and nothing otherwise.
func TestReferenceKeyServerAsRecorded(t *testing.T) {
	for _, c := range []struct {
		name   string
		suites []suite.ESP
		only   bool
		ok     bool
	}{
		{"allowed by name", []suite.ESP{suite.ESP3DESCBCSHA1}, true, true},
		{"3DES is not allowed", nil, true, false},
		{"destination alone is not allowed", []suite.ESP{suite.ESP3DESCBCSHA1}, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			s := &refServer{refPeer: newRefPeer(t, ksAddr, gm1), member: gm1, recorded: true}
			w.add(ksAddr, s, nil)
			g := joins("blue")
			g[0].Suites, g[0].DestinationOnly = c.suites, c.only
			gm, err := NewGroupMember(seeded(3), GMConfig{Local: gm1, Phase1: refPhase1(t, true), Groups: g})
			w.add(gm1, gm, err)
			w.run(900 * time.Millisecond)
			m := gm.Snapshot(w.now).Groups[0]
			if !c.ok {
				if m.State.HoldsKeys() || m.Reason == "" || s.finished {
					t.Errorf("the member is %v: %s", m.State, m.Reason)
				}
				return
			}
			if m.State != member.Registered || !slices.Equal(spis(m.TEKs), []gdoi.SPI{0x014ad3be}) || m.Mode != gdoi.ModeReceiveOnly {
				t.Fatalf("the member is %v %s with %v, mode %v", m.State, m.Reason, spis(m.TEKs), m.Mode)
			}
			for i, want := range [][]gdoi.SPI{{0x014ad3be, 0x410bfaec}, {0x014ad3be, 0x410bfaec, 0xf036727a}, nil} {
				w.step(gm1, machine.Datagram{Local: gm1, Remote: ksAddr, Bytes: s.ref.Frames[10+i].Data})
				m = gm.Snapshot(w.now).Groups[0]
				have := spis(m.TEKs)
				slices.Sort(have)
				slices.Sort(want)
				if !slices.Equal(have, want) || m.RekeysReceived != uint64(i+1) {
					t.Errorf("after recorded rekey %d: %v, %d rekeys; want %v; drops %v", i+1, have, m.RekeysReceived, want, gm.Snapshot(w.now).Drops)
				}
			}
			for _, e := range w.effects[gm1] {
				if in, ok := e.(gdoi.InstallSA); ok && in.TEK.SPI == 0x014ad3be {
					want, _ := isakmp.ParseKD(s.ref.Pull.Messages[3].Payloads[2].Hex[4:])
					key := slices.Concat(want.Packets[1].Attributes[0].Value, want.Packets[1].Attributes[1].Value)
					if in.TEK.Suite != suite.ESP3DESCBCSHA1 || !bytes.Equal(in.TEK.Key.Bytes(), key) {
						t.Errorf("installed %v with %x; want %x", in.TEK.Suite, in.TEK.Key.Bytes(), key)
					}
					return
				}
			}
			t.Error("the first TEK was not installed")
		})
	}
}
