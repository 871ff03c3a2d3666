package keyserver

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// signer is which keys of the custody sign for a group, or have signed. It is a record of this key server alone, in a
// bucket of its own: other key servers have keys of their own, and it outlives the group's state.
//
//	bucket "signer"   NAME   signerRecord
type signer struct {
	// base is the name in the configuration, key the one that was rotated in; both empty: there was no rotation.
	base, key string
	next      *signKey        // of a secondary
	trustedAt machine.Instant // when the primary was seen to know next; 0: not yet
	retiring  []*signKey      // oldest first
	again     machine.Timer
}

// rotated says that there is something to remember.
func (s *signer) rotated() bool { return s.key != "" || s.next != nil || len(s.retiring) > 0 }

// signKey is a key that signs soon, or no more.
type signKey struct {
	key         string
	der         []byte // SubjectPublicKeyInfo
	told, dying bool   // members were told to forget it; it is being destroyed
}

type signerRecord struct {
	Base, Key string      `json:",omitempty"`
	Next      *signName   `json:",omitempty"`
	Retiring  []*signName `json:",omitempty"`
}

type signName struct {
	Key    string
	Public []byte
}

// SignerBucket is where the names of signature keys are.
const SignerBucket = "signer"

// SignerOf is the name of the key that signs for a group by the records that are stored, where base is the one in the
// configuration: a rotation has given the name to another key.
func SignerOf(stored []machine.Record, group, base string) string {
	for _, r := range stored {
		var s signerRecord
		if r.Bucket == SignerBucket && r.Key == group && json.Unmarshal(r.Value, &s) == nil && s.Base == base && s.Key != "" {
			return s.Key
		}
	}
	return base
}

// SigningKey is the name of the key that signs, where base is the one in the configuration.
func (g *Group) SigningKey(base string) string {
	if g.signer.base == base && g.signer.key != "" {
		return g.signer.key
	}
	return base
}

// AnnouncedKey is the public key that other key servers are told (DER SubjectPublicKeyInfo): ours, or the one that is to be.
func (g *Group) AnnouncedKey() []byte {
	if n := g.signer.next; n != nil {
		return n.der
	}
	return g.cfg.SignPublic
}

// SignsWith says whether the group needs a key of the custody for signatures.
func (g *Group) SignsWith(key string) bool {
	if g.cfg.SignKey == key || g.signer.next != nil && g.signer.next.key == key {
		return true
	}
	for _, k := range g.keks {
		if k.sign.key == key {
			return true
		}
	}
	return false
}

// SignerInfo is a group's signature key for operators.
type SignerInfo struct {
	Key      string
	Next     string   // it signs when the members trust it; empty: none
	Retiring []string // destroyed when nothing needs them
}

func (g *Group) signerInfo() SignerInfo {
	i := SignerInfo{Key: g.cfg.SignKey}
	if n := g.signer.next; n != nil {
		i.Next = n.key
	}
	for _, r := range g.signer.retiring {
		i.Retiring = append(i.Retiring, r.key)
	}
	return i
}

// signingTrusted is how we sign in the place of others, where members trust the keys ders of ours: with one of them that was
// rotated out, while there is one, and else with the key that signs now.
func (g *Group) signingTrusted(was signing, ders ...[]byte) signing {
	for _, r := range g.signer.retiring {
		if r.dying || !slices.ContainsFunc(ders, func(der []byte) bool { return bytes.Equal(der, r.der) }) {
			continue
		}
		if public, err := suite.ParseSignatureKey(r.der); err == nil {
			return signing{r.key, public.Hash(was.hash), r.der, public}
		}
	}
	return g.signingUnder(was.hash)
}

func (g *Group) signerRecord() machine.Record {
	s := &g.signer
	r := signerRecord{Base: s.base, Key: s.key}
	if s.next != nil {
		r.Next = &signName{s.next.key, s.next.der}
	}
	for _, k := range s.retiring {
		r.Retiring = append(r.Retiring, &signName{k.key, k.der})
	}
	return machine.Record{Bucket: SignerBucket, Key: g.cfg.Name, Value: encode(r)}
}

// restoreSigner takes up a rotation where a restart has left it.
func (g *Group) restoreSigner(now machine.Now, stored []machine.Record) {
	for _, r := range stored {
		if r.Bucket != SignerBucket || r.Key != g.cfg.Name {
			continue
		}
		var s signerRecord
		if json.Unmarshal(r.Value, &s) != nil {
			return // of another version; nothing depends on it but keys that stay in the custody
		}
		g.signer = signer{base: s.Base, key: s.Key}
		if n := s.Next.take(); n != nil && n.key != g.cfg.SignKey {
			g.signer.next = n
		}
		for _, name := range s.Retiring {
			if k := name.take(); k != nil && k.key != g.cfg.SignKey {
				g.signer.retiring = append(g.signer.retiring, k)
			}
		}
		if s.Key != "" && s.Key != g.cfg.SignKey {
			g.signer.next = nil // the operator has named another key
		}
		g.signer.again.Set(now.Mono)
	}
}

// take is nil for what cannot sign.
func (n *signName) take() *signKey {
	if n == nil || n.Key == "" {
		return nil
	}
	if _, err := suite.ParseSignatureKey(n.Public); err != nil {
		return nil
	}
	return &signKey{key: n.Key, der: n.Public}
}
