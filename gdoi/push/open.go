package push

import (
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Open reads a datagram under kek: form, SEQ greater than last, signature, then content. An error is an *Error;
// where it is Genuine, the Message is not nil and holds Seq, which is used up. It keeps nothing; a Receiver does.
func Open(kek *Key, last uint32, datagram []byte) (*Message, error) {
	plain, f, err := kek.open(last, datagram)
	if err != nil {
		return nil, discard(false, err)
	}
	defer clear(plain)
	m := &Message{Seq: f.seq, Signer: f.signer}
	if err := m.parse(f); err != nil {
		return &Message{Seq: f.seq, Signer: f.signer}, discard(true, err)
	}
	return m, nil
}

// form holds the payloads of a message whose form is right.
type form struct {
	seq     uint32
	deletes []isakmp.Delete
	sa, kd  *isakmp.Raw
	sig     []byte
	signed  []byte // the octets before SIG
	used    int    // octets without padding
	signer  *suite.SignatureKey
}

// open goes as far as the signature. The plaintext is the caller's to wipe.
func (k *Key) open(last uint32, datagram []byte) (plain []byte, f *form, err error) {
	h, err := k.checkHeader(datagram)
	if err != nil {
		return nil, nil, err
	}
	plain, err = suite.DecryptCBC(k.Key.Bytes(), k.IV.Bytes(), datagram[isakmp.HeaderLen:])
	if err != nil {
		return nil, nil, malformed("%w", err)
	}
	f, err = split(h.NextPayload, plain)
	if err == nil && f.seq <= last {
		err = ErrReplay
	}
	if err == nil {
		err = k.verify(h, f)
	}
	if err != nil {
		clear(plain)
		return nil, nil, err
	}
	return plain, f, nil
}

// checkHeader applies RFC 6407 §4.2.
func (k *Key) checkHeader(datagram []byte) (isakmp.Header, error) {
	h, err := isakmp.ParseHeader(datagram)
	switch {
	case err != nil:
		return h, err
	case h.Exchange != isakmp.ExchangeGroupkeyPush:
		return h, malformed("exchange type %v", h.Exchange)
	case h.Flags != isakmp.FlagEncrypted:
		return h, malformed("flags %v; a PUSH has exactly E", h.Flags)
	case h.MessageID != 0:
		return h, malformed("message id %08x; a PUSH has zero", h.MessageID)
	case SPIOf(h) != k.SPI:
		return h, ErrUnknownKEK
	}
	return h, nil
}

// split checks the form HDR*, SEQ, [D,]* [SA, KD,] SIG.
func split(first isakmp.PayloadType, plain []byte) (*form, error) {
	chain, used, err := isakmp.ParseChain(first, plain)
	if err != nil {
		return nil, err
	}
	n := len(chain)
	if n < 3 || chain[0].Type != isakmp.PayloadSEQ || chain[n-1].Type != isakmp.PayloadSIG {
		return nil, malformed("payloads are not SEQ, [D,]* [SA, KD,] SIG")
	}
	if len(plain)-used >= suite.BlockLen || !allZero(plain[used:]) {
		return nil, malformed("padding is a block or more, or not zero")
	}
	seq, err := isakmp.ParseSEQ(chain[0].Body())
	if err != nil {
		return nil, err
	}
	f := &form{seq: seq.Number, sig: chain[n-1].Body(), signed: plain[:used-len(chain[n-1].Wire)], used: used}
	rest := chain[1 : n-1]
	for len(rest) > 0 && rest[0].Type == isakmp.PayloadDELETE {
		d, err := isakmp.ParseDelete(rest[0].Body())
		if err == nil {
			err = checkDelete(d)
		}
		if err != nil {
			return nil, err
		}
		f.deletes = append(f.deletes, clone(d))
		rest = rest[1:]
	}
	switch {
	case len(rest) == 0 && len(f.deletes) > 0:
	case len(rest) == 2 && rest[0].Type == isakmp.PayloadSA && rest[1].Type == isakmp.PayloadKD:
		f.sa, f.kd = &rest[0], &rest[1]
	default:
		return nil, malformed("payloads are not SEQ, [D,]* [SA, KD,] SIG")
	}
	return f, nil
}

// verify finds the key that signed. It tries the length without padding and then, if that is another, the transmitted one.
func (k *Key) verify(h isakmp.Header, f *form) error {
	unpadded := isakmp.HeaderLen + f.used
	lengths := []int{unpadded}
	if int(h.Length) != unpadded {
		lengths = append(lengths, int(h.Length))
	}
	for _, n := range lengths {
		digests := map[machine.Hash][]byte{}
		for _, p := range append([]*suite.SignatureKey{k.Public}, k.Trusted...) {
			for _, hash := range k.hashes(p) {
				if digests[hash] == nil {
					digests[hash] = digest(hash, h, n, f.signed)
				}
				if k.accepts(p, hash, digests[hash], f.sig) {
					f.signer = p
					return nil
				}
			}
		}
	}
	return ErrSignature
}

// anyHash are the hashes of RSA signatures under a KEK that came with an ECDSA key, whose SAK says none for them.
var anyHash = []machine.Hash{machine.SHA256, machine.SHA384, machine.SHA512}

// hashes are those that p may sign with under this KEK. While the key servers of a group change from RSA to ECDSA, one after
// the other, there are keys of both; what an RSA signature is of is part of the signature, so that trying loses nothing.
func (k *Key) hashes(p *suite.SignatureKey) []machine.Hash {
	if p.Signature() == suite.SignatureRSA && k.Public.Signature() != suite.SignatureRSA {
		return anyHash
	}
	return []machine.Hash{p.Hash(k.Hash)}
}

func (k *Key) accepts(p *suite.SignatureKey, h machine.Hash, digest, sig []byte) bool {
	if len(sig) != p.Len() {
		return false
	}
	if k.Strict {
		return p.Verify(p.Scheme(0), h, digest, sig) == nil
	}
	_, err := p.VerifyPush(h, digest, sig)
	return err == nil
}

// parse reads the content of a genuine message.
func (m *Message) parse(f *form) error {
	m.Deletes = f.deletes
	if f.sa == nil {
		return nil
	}
	sa, err := isakmp.ParseSAGDOI(f.sa.Body())
	if err != nil {
		return err
	}
	kd, err := isakmp.ParseKD(f.kd.Body())
	if err != nil {
		return err
	}
	for _, p := range kd.Packets {
		if p.Type == isakmp.KDTypeSID {
			return malformed("sender ids in a PUSH (RFC 6407 §5.6.4)")
		}
	}
	if m.Offer, err = pull.ParseOffer(sa, kd, nil); err != nil {
		return err
	}
	if l := m.Offer.LKH; l != nil && l.Path != nil {
		m.Offer.Destroy()
		return malformed("the path of one member in a PUSH (RFC 6407 §5.6.3.1)")
	}
	m.SendAccessList = m.Offer.AccessList != nil
	return nil
}
