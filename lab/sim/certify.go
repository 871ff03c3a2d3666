package sim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/asn1"
	"math/big"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/custody"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/node"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Certificates of nodes, as their files name them; the keys are in files beside them.

func (p Part) common() *config.Common {
	if p.GM != nil {
		return &p.GM.Common
	}
	return &p.KS.Common
}

// Certificates are those of the file; nil: there are none.
func (p Part) Certificates() *config.Certificates { return p.common().Certificates }

// signature is that of a key server for its group, or of anybody with the key of a certificate.
func (n *Node) signature(e machine.Sign) ([]byte, error) {
	if n.index <= 0 && n.signs(e.Key) {
		return sign(n.s.cfg.signer(n.number()), e)
	}
	if n.s.cfg.Cast == nil {
		return nil, errNoKey
	}
	all := []*config.Certificates{n.Part().Certificates(), n.renewed}
	if n.next != nil {
		all = append(all, n.next.Certificates())
	}
	for _, c := range all {
		if c == nil {
			continue
		}
		for i := range c.Own {
			if custody.KeyName(&c.Own[i]) == e.Key {
				return certificateSignature(c.Own[i].Key, e)
			}
		}
	}
	return nil, errNoKey
}

// certificateSignature is deterministic (RFC 6979 for ECDSA), in the forms of phase 1: RSA without DigestInfo (RFC 2409 §5.1), or
// r | s (RFC 4754 §7).
func certificateSignature(key crypto.Signer, e machine.Sign) ([]byte, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(nil, k, crypto.Hash(0), e.Digest)
	case *ecdsa.PrivateKey:
		der, err := k.Sign(nil, e.Digest, suite.HashStd(e.Hash))
		if err != nil {
			return nil, err
		}
		var rs struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(der, &rs); err != nil {
			return nil, err
		}
		size := (k.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		rs.R.FillBytes(out[:size])
		rs.S.FillBytes(out[size:])
		return out, nil
	}
	return nil, errNoKey
}

// Renew has a node read its certificates, authorities and revocation lists again; Renewed ends that.
func (n *Node) Renew(id uint64) error {
	p := n.Part()
	c := p.common()
	if c.Certificates == nil {
		return nil
	}
	fresh, err := c.Certificates.Renew(c.Identity)
	if err != nil {
		return err
	}
	for i := range fresh.Own { // those in a token are where they were
		for _, o := range c.Certificates.Own {
			if fresh.Own[i].Key == nil && config.SamePublic(o.Chain[0].PublicKey, fresh.Own[i].Chain[0].PublicKey) {
				fresh.Own[i].Key = o.Key
			}
		}
	}
	n.renewed = fresh
	n.Do(node.Recertify{Trust: fresh.Trust, Credentials: translate.Credentials(fresh), ID: id})
	return nil
}

// Renewed makes the certificates those of the node, once it has answered.
func (n *Node) Renewed() {
	if n.renewed == nil {
		return
	}
	p := n.Part()
	if p.GM != nil {
		gm := *p.GM
		gm.Certificates, p.GM = n.renewed, &gm
	} else {
		ks := *p.KS
		ks.Certificates, p.KS = n.renewed, &ks
	}
	n.Recast(p)
	n.renewed = nil
}
