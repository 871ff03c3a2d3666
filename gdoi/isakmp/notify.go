package isakmp

// NotifyType is the registry of notify message types: errors below 16384, status from there.
type NotifyType uint16

// Notify message types: RFC 2408 §3.14.1, RFC 2407 §4.6.3, RFC 3706 §5.
const (
	InvalidPayloadType      NotifyType = 1
	DOINotSupported         NotifyType = 2
	SituationNotSupported   NotifyType = 3
	InvalidCookie           NotifyType = 4
	InvalidMajorVersion     NotifyType = 5
	InvalidMinorVersion     NotifyType = 6
	InvalidExchangeType     NotifyType = 7
	InvalidFlags            NotifyType = 8
	InvalidMessageID        NotifyType = 9
	InvalidProtocolID       NotifyType = 10
	InvalidSPI              NotifyType = 11
	InvalidTransformID      NotifyType = 12
	AttributesNotSupported  NotifyType = 13
	NoProposalChosen        NotifyType = 14
	BadProposalSyntax       NotifyType = 15
	PayloadMalformed        NotifyType = 16
	InvalidKeyInformation   NotifyType = 17
	InvalidIDInformation    NotifyType = 18
	InvalidCertEncoding     NotifyType = 19
	InvalidCertificate      NotifyType = 20
	CertTypeUnsupported     NotifyType = 21
	InvalidCertAuthority    NotifyType = 22
	InvalidHashInformation  NotifyType = 23
	AuthenticationFailed    NotifyType = 24
	InvalidSignature        NotifyType = 25
	AddressNotification     NotifyType = 26
	NotifySALifetime        NotifyType = 27
	CertificateUnavailable  NotifyType = 28
	UnsupportedExchangeType NotifyType = 29
	UnequalPayloadLengths   NotifyType = 30
	// TryLater is ours, of the private error types (RFC 2408 §3.14.1): the request is right, but comes too often, or too early.
	TryLater          NotifyType = 8192 + 848
	Connected         NotifyType = 16384
	ResponderLifetime NotifyType = 24576
	ReplayStatus      NotifyType = 24577
	InitialContact    NotifyType = 24578
	RUThere           NotifyType = 36136
	RUThereAck        NotifyType = 36137
)

var notifyErrors = [...]string{
	1: "INVALID-PAYLOAD-TYPE", 2: "DOI-NOT-SUPPORTED", 3: "SITUATION-NOT-SUPPORTED", 4: "INVALID-COOKIE",
	5: "INVALID-MAJOR-VERSION", 6: "INVALID-MINOR-VERSION", 7: "INVALID-EXCHANGE-TYPE", 8: "INVALID-FLAGS",
	9: "INVALID-MESSAGE-ID", 10: "INVALID-PROTOCOL-ID", 11: "INVALID-SPI", 12: "INVALID-TRANSFORM-ID",
	13: "ATTRIBUTES-NOT-SUPPORTED", 14: "NO-PROPOSAL-CHOSEN", 15: "BAD-PROPOSAL-SYNTAX", 16: "PAYLOAD-MALFORMED",
	17: "INVALID-KEY-INFORMATION", 18: "INVALID-ID-INFORMATION", 19: "INVALID-CERT-ENCODING", 20: "INVALID-CERTIFICATE",
	21: "CERT-TYPE-UNSUPPORTED", 22: "INVALID-CERT-AUTHORITY", 23: "INVALID-HASH-INFORMATION",
	24: "AUTHENTICATION-FAILED", 25: "INVALID-SIGNATURE", 26: "ADDRESS-NOTIFICATION", 27: "NOTIFY-SA-LIFETIME",
	28: "CERTIFICATE-UNAVAILABLE", 29: "UNSUPPORTED-EXCHANGE-TYPE", 30: "UNEQUAL-PAYLOAD-LENGTHS",
}

// String is the RFC's name.
func (t NotifyType) String() string {
	switch t {
	case TryLater:
		return "TRY-LATER"
	case Connected:
		return "CONNECTED"
	case ResponderLifetime:
		return "RESPONDER-LIFETIME"
	case ReplayStatus:
		return "REPLAY-STATUS"
	case InitialContact:
		return "INITIAL-CONTACT"
	case RUThere:
		return "R-U-THERE"
	case RUThereAck:
		return "R-U-THERE-ACK"
	}
	return name(notifyErrors[:], uint64(t))
}

// IsError tells error types from status types (RFC 2408 §3.14.1).
func (t NotifyType) IsError() bool { return t < Connected }

// Notify is the NOTIFY payload, RFC 2408 §3.14:
//
//	+---------------+---------------+-------------------------------+
//	| Next Payload  |   RESERVED    |         Payload Length        |
//	+---------------+---------------+-------------------------------+
//	|                 Domain of Interpretation (DOI)                |
//	+---------------+---------------+-------------------------------+
//	|  Protocol-ID  |   SPI Size    |      Notify Message Type      |
//	+---------------+---------------+-------------------------------+
//	~                Security Parameter Index (SPI)                 ~
//	+---------------------------------------------------------------+
//	~                       Notification Data                       ~
//	+---------------------------------------------------------------+
type Notify struct {
	DOI      uint32
	Protocol uint8
	SPI      []byte
	MsgType  NotifyType
	Data     []byte
}

// ParseNotify reads the body of a NOTIFY payload; SPI and Data alias it.
func ParseNotify(body []byte) (Notify, error) {
	c := read("NOTIFY", body)
	p := Notify{DOI: c.u32("DOI"), Protocol: c.u8("protocol")}
	size := int(c.u8("SPI size"))
	p.MsgType = NotifyType(c.u16("message type"))
	p.SPI = c.take(size, "SPI")
	p.Data = c.rest()
	return p, c.done()
}

// Type is PayloadNOTIFY.
func (Notify) Type() PayloadType { return PayloadNOTIFY }

// AppendBody appends the body.
func (p Notify) AppendBody(b []byte) []byte {
	b = append(put32(b, p.DOI), p.Protocol, byte(len(p.SPI)))
	b = put16(b, int(p.MsgType))
	return append(append(b, p.SPI...), p.Data...)
}
