package push

import (
	"fmt"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Key is a rekey SA as PUSH messages use it: the KEK, and the public key that signs.
type Key struct {
	SPI     gdoi.KEKSPI
	Suite   suite.KEK
	Key, IV *machine.Secret
	// Hash is that of the SAK. Keys with a hash of their own (ECDSA) sign with that.
	Hash   machine.Hash
	Public *suite.SignatureKey
	// Trusted are keys that sign beside Public: other key servers of the group may have keys of their own.
	Trusted []*suite.SignatureKey
	// Strict refuses the bare-digest signatures that older key servers send (IKEv1 style, not RFC 6407 §5.3.6.1).
	Strict bool
	// Ack is how members are asked to acknowledge messages under this key; zero: not at all.
	Ack AckType
}

// KeyFromOffer copies the rekey SA of an offer; the copy has secrets of its own.
func KeyFromOffer(o *pull.KEKOffer) (*Key, error) {
	pub, err := suite.ParseSignatureKey(o.SigKeyDER)
	if err != nil {
		return nil, fmt.Errorf("push: public key of KEK %x: %w", o.SPI, err)
	}
	if o.Key.Len() != o.Suite.KeyLen() || o.IV.Len() != o.Suite.IVLen() {
		return nil, fmt.Errorf("push: KEK %x has a key of %d and an IV of %d octets, which %v cannot use", o.SPI, o.Key.Len(), o.IV.Len(), o.Suite)
	}
	return &Key{SPI: o.SPI, Suite: o.Suite, Key: o.Key.Clone(), IV: o.IV.Clone(), Hash: o.SigHash, Public: pub, Ack: AckType(o.Ack)}, nil
}

// Destroy wipes the secrets.
func (k *Key) Destroy() {
	if k != nil {
		k.Key.Destroy()
		k.IV.Destroy()
	}
}

// SPIOf returns the KEK's SPI that a PUSH datagram names, to find the Key for it.
func SPIOf(h isakmp.Header) (s gdoi.KEKSPI) {
	copy(s[:8], h.InitiatorCookie[:])
	copy(s[8:], h.ResponderCookie[:])
	return s
}

func (k *Key) header() isakmp.Header {
	h := isakmp.Header{
		NextPayload: isakmp.PayloadSEQ, Version: isakmp.Version10,
		Exchange: isakmp.ExchangeGroupkeyPush, Flags: isakmp.FlagEncrypted,
	}
	copy(h.InitiatorCookie[:], k.SPI[:8])
	copy(h.ResponderCookie[:], k.SPI[8:])
	return h
}

// digest is what SIG signs: RFC 6407 §4. length is the Length field of the header in it.
func digest(hash machine.Hash, h isakmp.Header, length int, payloads []byte) []byte {
	h.Length = uint32(length)
	return suite.Sum(hash, []byte(isakmp.PushSignaturePrefix), h.AppendTo(nil), payloads)
}
