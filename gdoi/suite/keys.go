package suite

import (
	"encoding/binary"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// KeyInput is what both sides know after message 4 of Main Mode.
type KeyInput struct {
	Ni, Nr     []byte          // Ni_b, Nr_b: nonce bodies
	GXI, GXR   []byte          // the public values as sent in KE
	GXY        *machine.Secret // the shared value
	CkyI, CkyR []byte
}

// Phase1Keys is the key material of one ISAKMP SA (RFC 2409 §5).
type Phase1Keys struct {
	SKEYID, D, A, E *machine.Secret
	// CipherKey encrypts phase 1 and every exchange under it (App. B).
	CipherKey *machine.Secret
	// FirstIV starts the CBC chain at message 5.
	FirstIV []byte
}

// KeysPSK derives from a pre-shared key: SKEYID = prf(psk, Ni_b | Nr_b).
func (p Phase1) KeysPSK(psk *machine.Secret, in KeyInput) *Phase1Keys {
	return p.keys(machine.TakeSecret(PRF(p.Hash, psk.Bytes(), in.Ni, in.Nr)), in)
}

// KeysSignature derives for signature authentication: SKEYID = prf(Ni_b | Nr_b, g^xy).
func (p Phase1) KeysSignature(in KeyInput) *Phase1Keys {
	nonces := append(append([]byte(nil), in.Ni...), in.Nr...)
	return p.keys(machine.TakeSecret(PRF(p.Hash, nonces, in.GXY.Bytes())), in)
}

func (p Phase1) keys(skeyid *machine.Secret, in KeyInput) *Phase1Keys {
	k := &Phase1Keys{SKEYID: skeyid}
	k.D, k.A, k.E = DeriveDAE(p.Hash, skeyid, in)
	k.CipherKey = ExpandKey(p.Hash, k.E, p.Cipher.KeyLen())
	k.FirstIV = Sum(p.Hash, in.GXI, in.GXR)[:p.Cipher.BlockLen()]
	return k
}

// Destroy wipes all of it.
func (k *Phase1Keys) Destroy() {
	if k == nil {
		return
	}
	for _, s := range []*machine.Secret{k.SKEYID, k.D, k.A, k.E, k.CipherKey} {
		s.Destroy()
	}
	clear(k.FirstIV)
}

// DeriveDAE is SKEYID_d, SKEYID_a and SKEYID_e (RFC 2409 §5).
func DeriveDAE(h machine.Hash, skeyid *machine.Secret, in KeyInput) (d, a, e *machine.Secret) {
	step := func(before *machine.Secret, n byte) *machine.Secret {
		return machine.TakeSecret(PRF(h, skeyid.Bytes(), before.Bytes(), in.GXY.Bytes(), in.CkyI, in.CkyR, []byte{n}))
	}
	d = step(nil, 0)
	a = step(d, 1)
	e = step(a, 2)
	return d, a, e
}

// ExpandKey is the cipher key of n octets from SKEYID_e: its leading octets, or, when it is too short,
// K1 | K2 | ... with K1 = prf(SKEYID_e, 0), Ki+1 = prf(SKEYID_e, Ki) (RFC 2409 App. B).
func ExpandKey(h machine.Hash, e *machine.Secret, n int) *machine.Secret {
	if e.Len() >= n {
		return machine.NewSecret(e.Bytes()[:n])
	}
	out := make([]byte, 0, n+HashLen(h))
	for k := []byte{0}; len(out) < n; {
		k = PRF(h, e.Bytes(), k)
		out = append(out, k...)
	}
	clear(out[n:])
	return machine.TakeSecret(out[:n])
}

// ExchangeIV starts the CBC chain of an exchange under an established SA: the leading octets of
// hash(last CBC block of phase 1 | M-ID) (RFC 2409 App. B).
func ExchangeIV(h machine.Hash, lastBlock []byte, messageID uint32) []byte {
	return Sum(h, lastBlock, binary.BigEndian.AppendUint32(nil, messageID))[:len(lastBlock)]
}
