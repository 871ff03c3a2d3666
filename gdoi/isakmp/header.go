package isakmp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// HeaderLen is the size of the ISAKMP header.
const HeaderLen = 28

// Version10 is the only version of ISAKMP. IKEv2 puts 0x20 at the same octet, which tells them apart on one port.
const Version10 = 0x10

// ErrVersion is wrapped, with ErrMalformed, when the version is not 1.0.
var ErrVersion = fmt.Errorf("not ISAKMP version 1.0: %w", ErrMalformed)

// ErrLength is wrapped, with ErrMalformed, when the header's Length is not the length of the datagram.
var ErrLength = fmt.Errorf("length of header and datagram differ: %w", ErrMalformed)

// Cookie is one half of the ISAKMP SPI. In a GROUPKEY-PUSH the two together are the SPI of the KEK (RFC 6407 §4.2).
type Cookie [8]byte

// String is the hexadecimal form.
func (c Cookie) String() string { return hex.EncodeToString(c[:]) }

// IsZero tells the responder cookie of a first message.
func (c Cookie) IsZero() bool { return c == Cookie{} }

// Header is the ISAKMP header, RFC 2408 §3.1:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------------------------------------------------------+
//	|                      Initiator Cookie (8)                     |
//	+---------------------------------------------------------------+
//	|                      Responder Cookie (8)                     |
//	+---------------+-------+-------+---------------+---------------+
//	| Next Payload  | MjVer | MnVer | Exchange Type |     Flags     |
//	+---------------+-------+-------+---------------+---------------+
//	|                          Message ID                           |
//	+---------------------------------------------------------------+
//	|                            Length                             |
//	+---------------------------------------------------------------+
type Header struct {
	InitiatorCookie, ResponderCookie Cookie
	NextPayload                      PayloadType
	Version                          uint8
	Exchange                         ExchangeType
	Flags                            Flags
	MessageID                        uint32
	Length                           uint32
}

// ParseHeader reads the header of the datagram b. RFC 2408 §5.1 and §5.2: the version must be 1.0, unknown flags must
// be zero, and Length must be the length of the datagram.
func ParseHeader(b []byte) (Header, error) {
	var h Header
	c := read("header", b)
	copy(h.InitiatorCookie[:], c.take(8, "initiator cookie"))
	copy(h.ResponderCookie[:], c.take(8, "responder cookie"))
	h.NextPayload = PayloadType(c.u8("next payload"))
	h.Version = c.u8("version")
	h.Exchange = ExchangeType(c.u8("exchange type"))
	h.Flags = Flags(c.u8("flags"))
	h.MessageID = c.u32("message id")
	h.Length = c.u32("length")
	switch {
	case c.err != nil:
		return Header{}, c.err
	case h.Version != Version10:
		return Header{}, fmt.Errorf("isakmp: header: version 0x%02x: %w", h.Version, ErrVersion)
	case h.Flags&^(FlagEncrypted|FlagCommit|FlagAuthOnly) != 0:
		c.fail("unknown flags 0x%02x", uint8(h.Flags))
		return Header{}, c.err
	case uint64(h.Length) != uint64(len(b)):
		return Header{}, fmt.Errorf("isakmp: header: length %d in a datagram of %d: %w", h.Length, len(b), ErrLength)
	}
	return h, nil
}

// AppendTo appends the 28 octets, fields as they are.
func (h Header) AppendTo(b []byte) []byte {
	b = append(b, h.InitiatorCookie[:]...)
	b = append(b, h.ResponderCookie[:]...)
	b = append(b, byte(h.NextPayload), h.Version, byte(h.Exchange), byte(h.Flags))
	b = put32(b, h.MessageID)
	return put32(b, h.Length)
}

// Message returns a whole message in clear: h with Version, NextPayload and Length filled in, then the chain.
func Message(h Header, ps ...Payload) []byte {
	h.Version, h.NextPayload = Version10, FirstType(ps...)
	b := AppendChain(h.AppendTo(make([]byte, 0, 512)), ps...)
	SetLength(b)
	return b
}

// SetLength writes len(msg) into the Length field of the header that msg starts with: after padding, for example.
func SetLength(msg []byte) { binary.BigEndian.PutUint32(msg[HeaderLen-4:HeaderLen], uint32(len(msg))) }
