package pki

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// SpeaksFor tells whether the certificate has the identity that its holder claims (RFC 4945 §3.1): an address, a host
// name or a mail address as an alternative name, letter for letter apart from case, without wildcards; or the subject.
// The subject's common name is no host name.
func (p *Peer) SpeaksFor(id isakmp.ID) bool {
	switch id.IDType {
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		a, ok := netip.AddrFromSlice(id.Data)
		for _, ip := range p.Leaf.IPAddresses {
			if b, bok := netip.AddrFromSlice(ip); ok && bok && a.Unmap() == b.Unmap() {
				return true
			}
		}
		return false
	case isakmp.IDFQDN:
		return slices.ContainsFunc(p.Leaf.DNSNames, func(n string) bool { return strings.EqualFold(n, string(id.Data)) })
	case isakmp.IDUserFQDN:
		return slices.ContainsFunc(p.Leaf.EmailAddresses, func(n string) bool { return sameMail(n, string(id.Data)) })
	case isakmp.IDDERASN1DN:
		return bytes.Equal(p.Leaf.RawSubject, id.Data) && !bytes.Equal(id.Data, emptyName)
	default:
		return false
	}
}

// emptyName is the DER of a name without parts: it names nobody.
var emptyName = []byte{0x30, 0}

// sameMail: only the host part is without case (RFC 5280 §7.5).
func sameMail(a, b string) bool {
	au, ah, aok := strings.Cut(a, "@")
	bu, bh, bok := strings.Cut(b, "@")
	return aok && bok && au == bu && strings.EqualFold(ah, bh)
}
