package pull

import (
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// maxUpdateArrays is what a member reads of one message; more do not fit into a datagram.
const maxUpdateArrays = 2048

// packet is the LKH key packet. Where it replaces the KEK it brings the key that signs under the new one, too.
func (l *LKHOffer) packet(k *KEKOffer) isakmp.KeyPacket {
	p := isakmp.KeyPacket{Type: isakmp.KDTypeLKH, SPI: k.SPI[:]}
	if l.Path != nil {
		p.Attributes = append(p.Attributes, isakmp.LongAttr(isakmp.LKHAttrDownloadArray, l.Path.AppendTo(make([]byte, 0, l.Path.Len()))))
	}
	for _, u := range l.Updates {
		p.Attributes = append(p.Attributes, isakmp.LongAttr(isakmp.LKHAttrUpdateArray, u.AppendTo(make([]byte, 0, u.Len()))))
	}
	if len(l.Updates) > 0 {
		p.Attributes = append(p.Attributes, isakmp.LongAttr(isakmp.LKHAttrSigAlgorithmKey, k.SigKeyDER))
	}
	return p
}

// updates says whether the KEK comes by update arrays.
func (o *Offer) updates() bool { return o.LKH != nil && len(o.LKH.Updates) > 0 }

func (o *Offer) addLKH(p isakmp.KeyPacket) error {
	k := o.KEK
	if k == nil || string(p.SPI) != string(k.SPI[:]) {
		return malformed("LKH key packet for KEK %x, which no SAK announced", p.SPI)
	}
	if o.LKH != nil {
		return malformed("two LKH key packets")
	}
	o.LKH = &LKHOffer{}
	for _, a := range p.Attributes {
		switch {
		case a.Type == isakmp.LKHAttrDownloadArray && o.LKH.Path == nil:
			d, err := isakmp.ParseLKHDownload(a.Value)
			if err != nil {
				return err
			}
			for i := range d.Keys {
				d.Keys[i].Data = machine.NewSecret(d.Keys[i].Data).Bytes()
			}
			o.LKH.Path = &d
		case a.Type == isakmp.LKHAttrUpdateArray && len(o.LKH.Updates) < maxUpdateArrays:
			u, err := isakmp.ParseLKHUpdate(a.Value)
			if err != nil {
				return err
			}
			for i := range u.Keys {
				u.Keys[i].Data = append([]byte{}, u.Keys[i].Data...)
			}
			o.LKH.Updates = append(o.LKH.Updates, u)
		case a.Type == isakmp.LKHAttrSigAlgorithmKey && k.SigKeyDER == nil:
			k.SigKeyDER = append([]byte{}, a.Value...)
		default:
			return unsupported("LKH attribute %d", a.Type)
		}
	}
	return nil
}

// checkSigKey judges the key that signs under the KEK, whichever packet brought it.
func (k *KEKOffer) checkSigKey() error {
	pub, err := suite.ParseSignatureKey(k.SigKeyDER)
	if err != nil {
		return unsupported("SIG_ALGORITHM_KEY: %w", err)
	}
	if pub.Signature() != k.Signature {
		return malformed("SIG_ALGORITHM_KEY is %s; the SAK said %s", pub, k.Signature)
	}
	if bits := pub.Bits(); k.SigKeyBits == 0 {
		k.SigKeyBits = bits // SIG_KEY_LENGTH is optional, §5.3
	} else if k.SigKeyBits != bits {
		return malformed("SIG_ALGORITHM_KEY has %d bits; the SAK said %d", bits, k.SigKeyBits)
	}
	return nil
}
