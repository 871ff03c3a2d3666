package refsession_test

import (
	"bytes"
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/refsession"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestKeys(t *testing.T) {
	p := refsession.Load().Phase1
	skeyid := machine.NewSecret(prf([]byte(p.PSK), p.Ni, p.Nr))
	same(t, "SKEYID", skeyid.Bytes(), p.SKEYID)
	d, a, e := suite.DeriveDAE(machine.SHA1, skeyid, suite.KeyInput{
		Ni: p.Ni, Nr: p.Nr, GXI: p.GXI, GXR: p.GXR, GXY: machine.NewSecret(p.GXY), CkyI: p.CookieI, CkyR: p.CookieR,
	})
	same(t, "SKEYID_d", d.Bytes(), p.SKEYIDd)
	same(t, "SKEYID_a", a.Bytes(), p.SKEYIDa)
	same(t, "SKEYID_e", e.Bytes(), p.SKEYIDe)
	same(t, "3DES key", suite.ExpandKey(machine.SHA1, e, 24).Bytes(), p.Key)
	same(t, "first IV", suite.Sum(machine.SHA1, p.GXI, p.GXR)[:8], p.FirstIV)
}

func TestMainMode(t *testing.T) {
	s := refsession.Load()
	p := s.Phase1
	var msgs [7][]isakmp.Payload // by message number
	for n := 1; n <= 4; n++ {
		h, body := split(t, s.Frames[n-1])
		if h.Exchange != isakmp.ExchangeMainMode || h.Flags != 0 || h.MessageID != 0 {
			t.Errorf("message %d: header %+v", n, h)
		}
		raws, ps := chain(t, h.NextPayload, body)
		if n <= 2 {
			same(t, "SAi_b", raws[0].Body(), p.SAib)
		}
		msgs[n] = ps
		same(t, "whole message", isakmp.Message(h, ps...), s.Frames[n-1].Data)
	}
	sa := msgs[1][0].(*isakmp.SAPhase1)
	tr := sa.Proposals[0].Transforms[0]
	if sa.DOI != isakmp.DOIGDOI || sa.Situation != 0 || sa.Proposals[0].Number != 1 || tr.ID != isakmp.TransformIKE {
		t.Errorf("SA %+v", sa)
	}
	for typ, want := range map[uint16]uint64{
		isakmp.Phase1Encryption: isakmp.IKEEncryption3DES, isakmp.Phase1Hash: isakmp.IKEHashSHA1,
		isakmp.Phase1AuthMethod: isakmp.IKEAuthPSK, isakmp.Phase1Group: isakmp.IKEGroupMODP1024,
		isakmp.Phase1LifeType: isakmp.LifeSeconds, isakmp.Phase1LifeDuration: 60,
	} {
		a, ok := isakmp.FindAttribute(tr.Attributes, typ)
		if v, err := a.Uint(); !ok || err != nil || v != want {
			t.Errorf("attribute %d is %d (%v), want %d", typ, v, err, want)
		}
	}
	same(t, "g^xi", msgs[3][0].(isakmp.KE).Data, p.GXI)
	same(t, "Ni", msgs[3][1].(isakmp.Nonce).Data, p.Ni)
	same(t, "g^xr", msgs[4][0].(isakmp.KE).Data, p.GXR)
	same(t, "Nr", msgs[4][1].(isakmp.Nonce).Data, p.Nr)

	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	iv := authMessage(t, s, 5, p.FirstIV, p.Plaintext5, p.IDiib, p.HashI, join(p.GXI, p.GXR, p.CookieI, p.CookieR))
	iv = authMessage(t, s, 6, iv, p.Plaintext6, p.IDirb, p.HashR, join(p.GXR, p.GXI, p.CookieR, p.CookieI))
	same(t, "last block", iv, p.LastBlock)
}

// authMessage checks message 5 or 6: the identity, its HASH over start | SAi_b | ID_b, and INITIAL-CONTACT.
func authMessage(t *testing.T, s *refsession.Session, n int, iv []byte, plain, id, hash refsession.Hex, start []byte) []byte {
	t.Helper()
	p := s.Phase1
	h, body := split(t, s.Frames[n-1])
	if h.Flags != isakmp.FlagEncrypted {
		t.Errorf("message %d: flags %v", n, h.Flags)
	}
	got, next := tdes(t, p.Key, iv, body)
	same(t, "plaintext", got, plain)
	raws, ps := chain(t, h.NextPayload, got)
	same(t, "ID", raws[0].Body(), id)
	same(t, "HASH on the wire", ps[1].(isakmp.Hash).Data, hash)
	same(t, "HASH", prf(p.SKEYID, start, p.SAib, raws[0].Body()), hash)
	note := ps[2].(isakmp.Notify)
	if note.MsgType != isakmp.InitialContact || note.DOI != isakmp.DOIIPsec && note.DOI != 0 {
		t.Errorf("message %d: notify %v, DOI %d", n, note.MsgType, note.DOI)
	}
	same(t, "SPI of INITIAL-CONTACT", note.SPI, append(bytes.Clone(p.CookieI), p.CookieR...))
	return next
}
