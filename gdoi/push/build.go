package push

import (
	"bytes"
	"fmt"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// maxDatagram is the largest UDP payload over IPv4.
const maxDatagram = 65507

// Unsigned is a message that waits for its signature. It holds keys in clear until Finish or Destroy.
type Unsigned struct {
	kek    *Key
	form   machine.SignScheme
	hash   machine.Hash
	seq    uint32
	plain  []byte // the payloads before SIG, with room for it; then all of them, padded
	digest []byte
	signed bool
	hidden []int // where a value was taken out of plain
}

// Build encodes a message under kek, the current one, to be signed by kek.Public in the given form: RSA by
// machine.SignRSAPKCS1 (RFC 6407 §5.3.6.1), or machine.SignRSABare for members that know only the old form, ECDSA by
// machine.SignECDSAConcat. It keeps kek, but not m.
func Build(kek *Key, m *Message, form machine.SignScheme) (*Unsigned, error) {
	if form != kek.Public.Scheme(form) {
		return nil, fmt.Errorf("%w: %v does not sign in form %d", ErrMessage, kek.Public, form)
	}
	if m.Seq == 0 || m.Offer == nil && len(m.Deletes) == 0 {
		return nil, fmt.Errorf("%w: sequence number %d, nothing to install or delete", ErrMessage, m.Seq)
	}
	ps := []isakmp.Payload{isakmp.SEQ{Number: m.Seq}}
	for _, d := range m.Deletes {
		if err := checkDelete(d); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMessage, err)
		}
		ps = append(ps, d)
	}
	size := 1024
	if o := m.Offer; o != nil {
		if len(o.SIDs) > 0 {
			return nil, fmt.Errorf("%w: sender ids belong to one member alone (RFC 6407 §5.6.4)", ErrMessage)
		}
		sa, kd := o.SA(m.SendAccessList), o.KD(false)
		defer pull.WipeKD(kd)
		ps = append(ps, sa, kd)
		if err := isakmp.CheckSize(sa, kd); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMessage, err)
		}
		// One allocation that is large enough leaves no copies of keys behind.
		size += len(sa.AppendBody(nil)) + kdLen(kd)
	}
	u := &Unsigned{kek: kek, form: form, hash: kek.Public.Hash(kek.Hash), seq: m.Seq}
	// The last payload announces SIG, so a SIG of the right size is part of the chain that is encoded.
	sig := isakmp.Sig{Data: make([]byte, kek.Public.Len())}
	chain := isakmp.AppendChain(make([]byte, 0, size+kek.Public.Len()+suite.BlockLen), append(ps, sig)...)
	if isakmp.HeaderLen+len(chain)+suite.BlockLen > maxDatagram {
		clear(chain)
		return nil, fmt.Errorf("%w: %d octets do not fit into a datagram; summarise the access list", ErrMessage, len(chain))
	}
	u.plain = chain[:len(chain)-len(sig.Data)]
	signed := u.plain[:len(u.plain)-4] // without SIG's generic header
	u.digest = digest(u.hash, kek.header(), isakmp.HeaderLen+len(chain), signed)
	return u, nil
}

func kdLen(kd *isakmp.KD) int {
	n := 64
	for _, p := range kd.Packets {
		n += 64
		for _, a := range p.Attributes {
			n += 4 + len(a.Value)
		}
	}
	return n
}

// Seq is the sequence number of the message.
func (u *Unsigned) Seq() uint32 { return u.seq }

// Digest is what is to be signed.
func (u *Unsigned) Digest() []byte { return u.digest }

// Sign is the effect that asks the key custody for the signature.
func (u *Unsigned) Sign(id machine.OpID, key string) machine.Sign {
	return machine.Sign{ID: id, Key: key, Scheme: u.form, Hash: u.hash, Digest: u.digest}
}

// Finish adds the signature, encrypts, and returns the datagram; the plaintext is wiped. A signature that does not
// verify is an error: members would discard it, and the custody has the wrong key.
func (u *Unsigned) Finish(sig []byte) ([]byte, error) {
	if err := u.AddSignature(sig); err != nil {
		return nil, err
	}
	return u.Encrypt()
}

// Encrypt is the second half of Finish.
func (u *Unsigned) Encrypt() ([]byte, error) {
	defer u.Destroy()
	if !u.signed {
		return nil, fmt.Errorf("%w: it is not signed", ErrMessage)
	}
	body, err := suite.EncryptCBC(u.kek.Key.Bytes(), u.kek.IV.Bytes(), u.plain)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMessage, err)
	}
	return u.datagram(body), nil
}

// AddSignature is the first half of Finish, for a KEK that whoever finishes does not have: Plain is what its custody is to
// encrypt, and Datagram is made of the answer. After an error the plaintext is wiped.
func (u *Unsigned) AddSignature(sig []byte) error {
	if u.plain == nil || u.signed {
		return fmt.Errorf("%w: it was finished or destroyed before", ErrMessage)
	}
	if err := u.kek.Public.Verify(u.form, u.hash, u.digest, sig); err != nil {
		u.Destroy()
		return fmt.Errorf("%w: the key custody's signature: %w; check that the signing key belongs to the public key of the group", ErrMessage, err)
	}
	u.plain, u.signed = suite.Pad(append(u.plain, sig...)), true
	return nil
}

// Plain is a copy of the signed plaintext, whole blocks; it holds keys. Nil before AddSignature, and after Destroy.
func (u *Unsigned) Plain() []byte {
	if !u.signed {
		return nil
	}
	return bytes.Clone(u.plain)
}

// Hide takes a value out of the plaintext, wherever it is, until Show: a new KEK need not be here while the custody signs.
func (u *Unsigned) Hide(value []byte) {
	for at := bytes.Index(u.plain, value); at >= 0 && len(value) > 0; at = bytes.Index(u.plain, value) {
		u.hidden = append(u.hidden, at)
		clear(u.plain[at : at+len(value)])
	}
}

// Show puts the value back that Hide has taken out.
func (u *Unsigned) Show(value []byte) {
	for _, at := range u.hidden {
		copy(u.plain[at:], value)
	}
	u.hidden = nil
}

// Datagram makes the datagram of the ciphertext of Plain; the plaintext is wiped.
func (u *Unsigned) Datagram(ciphertext []byte) ([]byte, error) {
	defer u.Destroy()
	if !u.signed || len(ciphertext) == 0 || len(ciphertext) != len(u.plain) || bytes.Equal(ciphertext, u.plain) {
		return nil, fmt.Errorf("%w: the key custody made %d octets of ciphertext of %d octets", ErrMessage, len(ciphertext), len(u.plain))
	}
	return u.datagram(ciphertext), nil
}

func (u *Unsigned) datagram(body []byte) []byte {
	h := u.kek.header()
	h.Length = uint32(isakmp.HeaderLen + len(body))
	return append(h.AppendTo(make([]byte, 0, h.Length)), body...)
}

// Destroy wipes the plaintext.
func (u *Unsigned) Destroy() {
	if u == nil {
		return
	}
	clear(u.plain[:cap(u.plain)])
	u.plain = nil
}
