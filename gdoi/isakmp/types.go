package isakmp

import (
	"strconv"
	"strings"
)

// PayloadType is the registry "ISAKMP Next Payload Types".
type PayloadType uint8

// Payload types: RFC 2408 §3.1, RFC 6407 §5, RFC 3947 §6. 19 was POP of RFC 3547 and is gone.
const (
	PayloadNone      PayloadType = 0
	PayloadSA        PayloadType = 1
	PayloadProposal  PayloadType = 2
	PayloadTransform PayloadType = 3
	PayloadKE        PayloadType = 4
	PayloadID        PayloadType = 5
	PayloadCERT      PayloadType = 6
	PayloadCERTREQ   PayloadType = 7
	PayloadHASH      PayloadType = 8
	PayloadSIG       PayloadType = 9
	PayloadNONCE     PayloadType = 10
	PayloadNOTIFY    PayloadType = 11
	PayloadDELETE    PayloadType = 12
	PayloadVID       PayloadType = 13
	PayloadSAK       PayloadType = 15
	PayloadSAT       PayloadType = 16
	PayloadKD        PayloadType = 17
	PayloadSEQ       PayloadType = 18
	PayloadNATD      PayloadType = 20
	PayloadNATOA     PayloadType = 21
	PayloadGAP       PayloadType = 22
	// PayloadPrivate is the first type for private use; a receiver skips what it does not know there.
	PayloadPrivate PayloadType = 128
	// PayloadFragment is in no registry: products use it for fragments of IKE messages.
	PayloadFragment PayloadType = 132
	// PayloadCoop is ours.
	PayloadCoop PayloadType = 240
)

var payloadNames = [...]string{
	0: "none", 1: "SA", 2: "P", 3: "T", 4: "KE", 5: "ID", 6: "CERT", 7: "CERTREQ", 8: "HASH", 9: "SIG", 10: "NONCE",
	11: "N", 12: "D", 13: "VID", 15: "SAK", 16: "SAT", 17: "KD", 18: "SEQ", 20: "NAT-D", 21: "NAT-OA", 22: "GAP",
}

// String is the RFC's short name.
func (t PayloadType) String() string { return name(payloadNames[:], uint64(t)) }

// ExchangeType is the registry "ISAKMP Exchange Types".
type ExchangeType uint8

// Exchange types: RFC 2408 §3.1, RFC 6407 §8, RFC 8263 §8. IANA marks 34 as in unregistered use; those from 240 are private.
const (
	ExchangeMainMode        ExchangeType = 2
	ExchangeAggressive      ExchangeType = 4
	ExchangeInformational   ExchangeType = 5
	ExchangeGroupkeyPull    ExchangeType = 32
	ExchangeGroupkeyPush    ExchangeType = 33
	ExchangeGroupkeyPushAck ExchangeType = 35
	ExchangeCoop            ExchangeType = 240 // ours: key servers among themselves
)

var exchangeNames = [...]string{
	2: "main-mode", 4: "aggressive-mode", 5: "informational", 32: "groupkey-pull", 33: "groupkey-push",
	35: "groupkey-push-ack", 240: "coop",
}

// String is the name that journals show.
func (t ExchangeType) String() string { return name(exchangeNames[:], uint64(t)) }

// Flags of the header.
type Flags uint8

// Header flags, RFC 2408 §3.1.
const (
	FlagEncrypted Flags = 1
	FlagCommit    Flags = 2
	FlagAuthOnly  Flags = 4
)

// String is the letters of the set flags, "E", or "-".
func (f Flags) String() string {
	var s strings.Builder
	for i, l := range "ECA" {
		if f&(1<<i) != 0 {
			s.WriteRune(l)
		}
	}
	if r := f &^ 7; r != 0 {
		s.WriteString("+0x" + strconv.FormatUint(uint64(r), 16))
	}
	if s.Len() == 0 {
		return "-"
	}
	return s.String()
}

// name looks v up in a table whose gaps are empty strings.
func name(table []string, v uint64) string {
	if v < uint64(len(table)) && table[v] != "" {
		return table[v]
	}
	return "unknown(" + strconv.FormatUint(v, 10) + ")"
}
