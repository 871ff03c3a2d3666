package ike1

import (
	"errors"
	"fmt"
	"time"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// transform is the wire form of a suite (RFC 2409 App. A).
func transform(number uint8, p suite.Phase1, life time.Duration) isakmp.Transform {
	as := []isakmp.Attribute{isakmp.BasicAttr(isakmp.Phase1Encryption, p.Cipher.IKE())}
	if bits := p.Cipher.KeyBits(); bits != 0 {
		as = append(as, isakmp.BasicAttr(isakmp.Phase1KeyLength, bits))
	}
	return isakmp.Transform{Number: number, ID: isakmp.TransformIKE, Attributes: append(as,
		isakmp.BasicAttr(isakmp.Phase1Hash, suite.HashIKE(p.Hash)),
		isakmp.BasicAttr(isakmp.Phase1AuthMethod, p.Auth),
		isakmp.BasicAttr(isakmp.Phase1Group, uint16(p.Group)),
		isakmp.BasicAttr(isakmp.Phase1LifeType, isakmp.LifeSeconds),
		isakmp.UintAttr(isakmp.Phase1LifeDuration, uint64(life/time.Second), 4),
	)}
}

// propose is the SA of message 1: DOI 2, situation 0, one proposal (RFC 6407 §2.1, RFC 2409 §5).
func propose(suites []suite.Phase1, life time.Duration) isakmp.SAPhase1 {
	p := isakmp.Proposal{Number: 1, Protocol: isakmp.ProtoISAKMP}
	for i, s := range suites {
		p.Transforms = append(p.Transforms, transform(uint8(i+1), s, life))
	}
	return isakmp.SAPhase1{DOI: isakmp.DOIGDOI, Situation: isakmp.SituationGDOI, Proposals: []isakmp.Proposal{p}}
}

var errSuite = errors.New("not a suite that this program speaks")

// readTransform reads a transform; anything unknown in it makes it unacceptable, since agreeing to it would be a lie.
// A lifetime of zero means that none was given.
func readTransform(t isakmp.Transform) (p suite.Phase1, life time.Duration, err error) {
	var alg, bits, hash, lifeType uint64
	for _, a := range t.Attributes {
		v, err := a.Uint()
		if err != nil {
			return p, 0, err
		}
		if v > 0xffff && a.Type != isakmp.Phase1LifeDuration {
			return p, 0, errSuite
		}
		switch a.Type {
		case isakmp.Phase1Encryption:
			alg = v
		case isakmp.Phase1KeyLength:
			bits = v
		case isakmp.Phase1Hash:
			hash = v
		case isakmp.Phase1AuthMethod:
			p.Auth = uint16(v)
		case isakmp.Phase1Group:
			p.Group = suite.Group(v)
		case isakmp.Phase1LifeType:
			lifeType = v
		case isakmp.Phase1LifeDuration:
			// Kilobytes are counted by nobody; a duration beyond a century is a century.
			if lifeType == uint64(isakmp.LifeSeconds) {
				life = time.Duration(min(v, 100*365*24*3600)) * time.Second
			}
		default:
			return p, 0, errSuite
		}
	}
	if t.ID != isakmp.TransformIKE {
		return p, 0, errSuite
	}
	if p.Cipher, err = suite.CipherFromIKE(uint16(alg), uint16(bits)); err != nil {
		return p, 0, err
	}
	p.Hash, err = suite.HashFromIKE(uint16(hash))
	return p, life, err
}

// offer checks the frame of a phase-1 SA: GDOI's DOI and situation, or, tolerated, those of IPsec; one proposal for
// ISAKMP (RFC 2409 §5).
func offer(sa *isakmp.SAPhase1) (isakmp.Proposal, error) {
	gdoi := sa.DOI == isakmp.DOIGDOI && sa.Situation == isakmp.SituationGDOI
	ipsec := sa.DOI == isakmp.DOIIPsec && sa.Situation == isakmp.SituationIdentityOnly
	if !gdoi && !ipsec {
		return isakmp.Proposal{}, fmt.Errorf("SA with DOI %d, situation %d", sa.DOI, sa.Situation)
	}
	if len(sa.Proposals) != 1 || sa.Proposals[0].Protocol != isakmp.ProtoISAKMP || len(sa.Proposals[0].Transforms) == 0 {
		return isakmp.Proposal{}, errors.New("SA without exactly one proposal for ISAKMP")
	}
	return sa.Proposals[0], nil
}

// choose finds the first of ours that is among theirs.
func choose(ours []suite.Phase1, theirs []isakmp.Transform) (isakmp.Transform, suite.Phase1, time.Duration, bool) {
	for _, want := range ours {
		for _, t := range theirs {
			if p, life, err := readTransform(t); err == nil && p == want {
				return t, p, life, true
			}
		}
	}
	return isakmp.Transform{}, suite.Phase1{}, 0, false
}

// sameTransform tells whether the responder returned what we offered. RFC 2409 §5 wants it unmodified; some build it
// anew, so that the order and the form of attributes may differ, but no value.
func sameTransform(a, b isakmp.Transform) bool {
	if a.Number != b.Number || a.ID != b.ID || len(a.Attributes) != len(b.Attributes) {
		return false
	}
	for _, x := range a.Attributes {
		y, ok := isakmp.FindAttribute(b.Attributes, x.Type)
		if !ok {
			return false
		}
		v, verr := x.Uint()
		w, werr := y.Uint()
		if verr != nil || werr != nil || v != w {
			return false
		}
	}
	return true
}

// shorter is the lifetime that both sides keep.
func shorter(ours, theirs time.Duration) time.Duration {
	if theirs > 0 && theirs < ours {
		return theirs
	}
	return ours
}
