package ike1

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// parts are the payloads that Main Mode knows, by type; each at most once, apart from vendor ids, notifications,
// certificates and requests for them.
type parts struct {
	sa, ke, nonce, id, hash, sig []byte   // bodies
	certs                        [][]byte // DER, in the order of the message
	requests                     []isakmp.CertReq
	vids                         [][]byte
	notifies                     []isakmp.Notify
}

// split takes a message apart and insists on the required payloads. What has no place in Main Mode is malformed;
// what is optional and of no use to us (NAT-D, private types, certificates of other encodings) is passed over.
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
		case isakmp.PayloadSIG:
			slot = &p.sig
		case isakmp.PayloadCERT:
			if err := p.addCert(r.Body()); err != nil {
				return parts{}, err
			}
			continue
		case isakmp.PayloadCERTREQ:
			if err := p.addRequest(r.Body()); err != nil {
				return parts{}, err
			}
			continue
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
		case isakmp.PayloadNATD:
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

// addCert takes a certificate. Lists of revoked ones, and other encodings, are passed over (RFC 4945 §3.3).
func (p *parts) addCert(body []byte) error {
	c, err := isakmp.ParseCert(body)
	if err != nil {
		return err
	}
	if c.Encoding == isakmp.CertX509Signature {
		if len(p.certs) == maxCerts {
			return fmt.Errorf("more than %d certificates", maxCerts)
		}
		p.certs = append(p.certs, bytes.Clone(c.Data))
	}
	return nil
}

func (p *parts) addRequest(body []byte) error {
	c, err := isakmp.ParseCertReq(body)
	if err != nil {
		return err
	}
	if c.Encoding == isakmp.CertX509Signature && len(p.requests) < maxCertRequests {
		p.requests = append(p.requests, isakmp.CertReq{Encoding: c.Encoding, Data: bytes.Clone(c.Data)})
	}
	return nil
}

// check wants the required payloads, and of SA, KE, NONCE, ID, HASH and SIG no others; certificates go with SIG.
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
		{isakmp.PayloadSIG, p.sig},
	} {
		want := bytes.IndexByte(typeBytes(required), byte(have.t)) >= 0
		if want && have.body == nil {
			return fmt.Errorf("payload %s is missing", have.t)
		}
		if !want && have.body != nil {
			return fmt.Errorf("payload %s has no place in this message", have.t)
		}
	}
	if len(p.certs) > 0 && p.sig == nil {
		return errors.New("payload CERT has no place in this message")
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
