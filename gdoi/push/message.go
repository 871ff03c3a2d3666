package push

import (
	"encoding/binary"
	"slices"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/pull"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Message is the content of a GROUPKEY-PUSH.
type Message struct {
	// Seq is one more than that of the last message under this KEK; 1 for the first.
	Seq     uint32
	Deletes []isakmp.Delete
	// Offer is the new policy and keys; nil when the message only deletes. It never has sender ids.
	Offer *pull.Offer
	// SendAccessList puts Offer.AccessList into the message: right only if every member of the group knows the
	// private attribute (isakmp.GAPGetVPNAccessList), since all get the same octets.
	SendAccessList bool
	// Signer is the key that a message which was opened is signed with.
	Signer *suite.SignatureKey
}

// DeleteTEKs withdraws TEKs, RFC 6407 §5.9. Without an SPI it withdraws all.
func DeleteTEKs(spis ...gdoi.SPI) isakmp.Delete {
	d := isakmp.Delete{DOI: isakmp.DOIGDOI, Protocol: isakmp.ProtocolESP, SPISize: 4}
	if len(spis) == 0 {
		spis = []gdoi.SPI{0}
	}
	for _, s := range spis {
		d.SPIs = append(d.SPIs, binary.BigEndian.AppendUint32(nil, uint32(s)))
	}
	return d
}

// DeleteKEK withdraws a KEK; the zero SPI withdraws all. The RFC leaves the size of that zero open; 16 octets, as of
// every other, is our choice.
func DeleteKEK(spi gdoi.KEKSPI) isakmp.Delete {
	return isakmp.Delete{DOI: isakmp.DOIGDOI, Protocol: isakmp.ProtocolKEK, SPISize: 16, SPIs: [][]byte{spi[:]}}
}

// DeletesTEK says whether the message withdraws this TEK, by name or with all others.
func (m *Message) DeletesTEK(spi gdoi.SPI) bool {
	want := binary.BigEndian.AppendUint32(nil, uint32(spi))
	return m.deletes(isakmp.ProtocolESP, want)
}

// DeletesKEK says whether the message withdraws this KEK, by name or with all others.
func (m *Message) DeletesKEK(spi gdoi.KEKSPI) bool { return m.deletes(isakmp.ProtocolKEK, spi[:]) }

func (m *Message) deletes(protocol uint8, want []byte) bool {
	for _, d := range m.Deletes {
		if d.Protocol != protocol {
			continue
		}
		for _, s := range d.SPIs {
			if allZero(s) || slices.Equal(s, want) {
				return true
			}
		}
	}
	return false
}

func allZero(b []byte) bool {
	for _, o := range b {
		if o != 0 {
			return false
		}
	}
	return true
}

// checkDelete applies RFC 6407 §5.9. The 4-octet form of the zero KEK SPI is accepted.
func checkDelete(d isakmp.Delete) error {
	switch {
	case d.DOI != isakmp.DOIGDOI:
		return malformed("DELETE with DOI %d", d.DOI)
	case len(d.SPIs) == 0:
		return malformed("DELETE without an SPI")
	case d.Protocol == isakmp.ProtocolESP && d.SPISize == 4, d.Protocol == isakmp.ProtocolAH && d.SPISize == 4:
		return nil
	case d.Protocol == isakmp.ProtocolKEK && d.SPISize == 16:
		return nil
	case d.Protocol == isakmp.ProtocolKEK && d.SPISize == 4 && len(d.SPIs) == 1 && allZero(d.SPIs[0]):
		return nil
	}
	return malformed("DELETE of protocol %d with SPIs of %d octets", d.Protocol, d.SPISize)
}

// clone copies what a parser has aliased.
func clone(d isakmp.Delete) isakmp.Delete {
	spis := make([][]byte, len(d.SPIs))
	for i, s := range d.SPIs {
		spis[i] = append([]byte{}, s...)
	}
	d.SPIs = spis
	return d
}
