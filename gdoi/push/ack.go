package push

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// AckType is the form of the acknowledgement that a key server requests with KEK_ACK_REQUESTED (RFC 8263 §2):
// isakmp.AckKEKSHA256 and its siblings. Zero requests none.
type AckType uint16

// String is "kek-sha256", or "none".
func (t AckType) String() string {
	if t == 0 {
		return "none"
	}
	return isakmp.AckName(uint16(t))
}

// prf is the hash of the type's PRF and L, its block size in bits (RFC 8263 §3.2); false for a type that we do not know.
func (t AckType) prf() (h machine.Hash, bits uint16, ok bool) {
	switch uint16(t) {
	case isakmp.AckKEKSHA256, isakmp.AckLKHSHA256:
		return machine.SHA256, isakmp.PushAckLengthSHA256, true
	case isakmp.AckKEKSHA512, isakmp.AckLKHSHA512:
		return machine.SHA512, isakmp.PushAckLengthSHA512, true
	}
	return 0, 0, false
}

// Known says whether we can answer the request. A member that cannot stays in the group without answering (RFC 8263 §4).
func (t AckType) Known() bool { _, _, ok := t.prf(); return ok }

// Leaf says that the base key is the member's own leaf of the key tree and not the KEK (types 2 and 4), so that no member
// can acknowledge for another.
func (t AckType) Leaf() bool {
	return uint16(t) == isakmp.AckLKHSHA256 || uint16(t) == isakmp.AckLKHSHA512
}

// WithLeaf is the form with the same hash whose base key is the member's leaf.
func (t AckType) WithLeaf() AckType {
	if t.Known() && !t.Leaf() {
		return t + 1
	}
	return t
}

// WithKEK is the form with the same hash whose base key is the KEK.
func (t AckType) WithKEK() AckType {
	if t.Leaf() {
		return t - 1
	}
	return t
}

// AckKey protects acknowledgements of the PUSH messages under one KEK.
type AckKey struct {
	spi  gdoi.KEKSPI
	hash machine.Hash
	key  *machine.Secret
}

// NewAckKey derives ack_key = prf(base, "GROUPKEY-PUSH ACK" | SPI | L) (RFC 8263 §3.2). base is what the type says: the
// KEK, or the member's leaf key, without its IV either way. spi is the KEK's. It does not keep base.
func NewAckKey(t AckType, base *machine.Secret, spi gdoi.KEKSPI) (*AckKey, error) {
	h, bits, ok := t.prf()
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: acknowledgement type %d", ErrUnsupported, t)
	case base.Len() == 0:
		return nil, fmt.Errorf("%w: acknowledgement type %v without a base key", ErrMessage, t)
	}
	key := suite.PRF(h, base.Bytes(), []byte(isakmp.PushAckLabel), spi[:], []byte{byte(bits >> 8), byte(bits)})
	return &AckKey{spi, h, machine.TakeSecret(key)}, nil
}

// AckKey derives the key for acknowledging messages under k; nil when none are requested, in a form that we know, or when
// the form takes a leaf key and leaf is nil.
func (k *Key) AckKey(leaf *machine.Secret) *AckKey {
	base := k.Key
	if k.Ack.Leaf() {
		base = leaf
	}
	a, err := NewAckKey(k.Ack, base, k.SPI)
	if err != nil {
		return nil
	}
	return a
}

// Destroy wipes the key.
func (k *AckKey) Destroy() {
	if k != nil {
		k.key.Destroy()
	}
}

// Ack is a GROUPKEY-PUSH acknowledgement (RFC 8263 §3): HDR, HASH, SEQ, ID.
type Ack struct {
	SPI gdoi.KEKSPI
	// Seq is that of the message which was accepted.
	Seq uint32
	// Member is the address from which the member registered last.
	Member netip.Addr

	hash   []byte
	signed []byte // SEQ | ID, as they arrived
}

// Build encodes the acknowledgement of message seq by the member that registered from addr.
func (k *AckKey) Build(seq uint32, addr netip.Addr) []byte {
	id := isakmp.ID{IDType: isakmp.IDIPv4Addr, Data: addr.Unmap().AsSlice()}
	if addr.Unmap().Is6() {
		id.IDType = isakmp.IDIPv6Addr
	}
	signed := isakmp.AppendChain(nil, isakmp.SEQ{Number: seq}, id)
	hash := isakmp.Hash{Data: suite.PRF(k.hash, k.key.Bytes(), signed)}
	h := isakmp.Header{Exchange: isakmp.ExchangeGroupkeyPushAck}
	copy(h.InitiatorCookie[:], k.spi[:8])
	copy(h.ResponderCookie[:], k.spi[8:])
	return isakmp.Message(h, hash, isakmp.SEQ{Number: seq}, id)
}

// ParseAck reads an acknowledgement; nothing of it is verified, and it aliases the datagram.
func ParseAck(datagram []byte) (*Ack, error) {
	h, err := isakmp.ParseHeader(datagram)
	switch {
	case err != nil:
		return nil, discard(false, err)
	case h.Exchange != isakmp.ExchangeGroupkeyPushAck, h.Flags != 0, h.MessageID != 0:
		return nil, discard(false, malformed("exchange %v with flags %v and message id %08x", h.Exchange, h.Flags, h.MessageID))
	}
	body := datagram[isakmp.HeaderLen:]
	chain, used, err := isakmp.ParseChain(h.NextPayload, body)
	switch {
	case err != nil:
		return nil, discard(false, err)
	case used != len(body):
		return nil, discard(false, malformed("%d octets after the last payload", len(body)-used))
	case len(chain) != 3 || chain[0].Type != isakmp.PayloadHASH || chain[1].Type != isakmp.PayloadSEQ || chain[2].Type != isakmp.PayloadID:
		return nil, discard(false, malformed("payloads are not HASH, SEQ, ID"))
	}
	hash, err1 := isakmp.ParseHash(chain[0].Body())
	seq, err2 := isakmp.ParseSEQ(chain[1].Body())
	id, err3 := isakmp.ParseID(chain[2].Body())
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, discard(false, err)
	}
	if id.Protocol != 0 || id.Port != 0 || id.IDType != isakmp.IDIPv4Addr && id.IDType != isakmp.IDIPv6Addr {
		return nil, discard(false, malformed("ID %v, protocol %d, port %d; an address with neither is wanted", id.IDType, id.Protocol, id.Port))
	}
	addr, _ := netip.AddrFromSlice(id.Data)
	if addr.Is4In6() {
		return nil, discard(false, malformed("ID %v: an IPv4 address has a type of its own", addr))
	}
	return &Ack{SPI: SPIOf(h), Seq: seq.Number, Member: addr, hash: hash.Data, signed: body[len(chain[0].Wire):]}, nil
}

// Verify says, in constant time, whether a holder of the key wrote the acknowledgement.
func (k *AckKey) Verify(a *Ack) error {
	if k == nil {
		return discard(false, ErrAckForged) // nobody was asked to answer with the KEK
	}
	if a.SPI != k.spi {
		return discard(false, ErrUnknownKEK)
	}
	if want := suite.PRF(k.hash, k.key.Bytes(), a.signed); subtle.ConstantTimeCompare(want, a.hash) != 1 {
		return discard(false, ErrAckForged)
	}
	return nil
}
