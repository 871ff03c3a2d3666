package pull

import (
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// maxSIDs bounds what a member takes; far more than it ever asks for.
const maxSIDs = 1024

// addKeys matches the key packets with the SAs that the policy announced: exactly one for each.
func (o *Offer) addKeys(kd *isakmp.KD) error {
	for _, p := range kd.Packets {
		var err error
		switch p.Type {
		case isakmp.KDTypeTEK:
			err = o.addTEK(p)
		case isakmp.KDTypeKEK:
			err = o.addKEK(p)
		case isakmp.KDTypeSID:
			err = o.addSIDs(p)
		case isakmp.KDTypeLKH:
			err = o.addLKH(p)
		default:
			err = unsupported("key packet of type %d", p.Type)
		}
		if err != nil {
			return err
		}
	}
	if k := o.KEK; k != nil {
		if k.Key == nil && !o.updates() {
			return malformed("SAK %x without a key packet", k.SPI)
		}
		if err := k.checkSigKey(); err != nil {
			return err
		}
	}
	for i := range o.TEKs {
		if o.TEKs[i].Key == nil {
			return malformed("SAT with SPI %08x without a key packet", uint32(o.TEKs[i].SPI))
		}
	}
	return nil
}

func (o *Offer) addTEK(p isakmp.KeyPacket) error {
	if len(p.SPI) != 4 {
		return malformed("TEK key packet with an SPI of %d octets", len(p.SPI))
	}
	spi := spiOf(p.SPI)
	for i := range o.TEKs {
		t := &o.TEKs[i]
		if t.SPI != spi {
			continue
		}
		if t.Key != nil {
			return malformed("two key packets for SPI %08x", uint32(spi))
		}
		return t.takeKeys(p.Attributes)
	}
	return malformed("key packet for SPI %08x, which no SAT announced", uint32(spi))
}

// takeKeys joins the keys of a TEK key packet (RFC 6407 §5.6.1), which come in any order: those that the suite has, of
// the lengths that it has, and no others.
func (t *TEKOffer) takeKeys(attributes []isakmp.Attribute) error {
	var algorithm, integrity []byte
	seen := once{}
	for _, a := range attributes {
		if err := seen.see("TEK key packet", a.Type); err != nil {
			return err
		}
		switch a.Type {
		case isakmp.TEKAttrAlgorithmKey:
			algorithm = a.Value
		case isakmp.TEKAttrIntegrityKey:
			integrity = a.Value
		default:
			return unsupported("TEK key attribute %d", a.Type)
		}
	}
	if len(algorithm) == 0 && t.Suite.TransformID() == isakmp.ESPNullAuthAESGMAC {
		// §5.6.1.2 can be read as if the key of a suite that only authenticates were an integrity key.
		algorithm, integrity = integrity, nil
	}
	if n := t.Suite.AlgorithmKeyLen(); len(algorithm) != n {
		return malformed("TEK_ALGORITHM_KEY of SPI %v has %d octets; %v needs %d", t.SPI, len(algorithm), t.Suite, n)
	}
	if n := t.Suite.IntegrityKeyLen(); len(integrity) != n {
		return malformed("TEK_INTEGRITY_KEY of SPI %v has %d octets; %v needs %d", t.SPI, len(integrity), t.Suite, n)
	}
	key := append(append(make([]byte, 0, len(algorithm)+len(integrity)), algorithm...), integrity...)
	t.Key = machine.TakeSecret(key)
	return nil
}

func (o *Offer) addKEK(p isakmp.KeyPacket) error {
	k := o.KEK
	if k == nil || string(p.SPI) != string(k.SPI[:]) {
		return malformed("key packet for KEK %x, which no SAK announced", p.SPI)
	}
	if k.Key != nil {
		return malformed("two KEK key packets")
	}
	for _, a := range p.Attributes {
		switch {
		case a.Type == isakmp.KEKKeyAttrAlgorithmKey && k.Key == nil:
			n := k.Suite.IVLen()
			if len(a.Value) != n+k.Suite.KeyLen() {
				return malformed("KEK_ALGORITHM_KEY has %d octets; %v needs %d", len(a.Value), k.Suite, n+k.Suite.KeyLen())
			}
			k.IV, k.Key = machine.NewSecret(a.Value[:n]), machine.NewSecret(a.Value[n:])
		case a.Type == isakmp.KEKKeyAttrSigAlgorithmKey && k.SigKeyDER == nil:
			k.SigKeyDER = append([]byte{}, a.Value...)
		default:
			return unsupported("KEK key attribute %d", a.Type)
		}
	}
	return nil
}

func (o *Offer) addSIDs(p isakmp.KeyPacket) error {
	if len(p.SPI) != 0 || o.SIDs != nil {
		return malformed("second SID key packet, or one with an SPI")
	}
	for _, a := range p.Attributes {
		switch {
		case a.Type == isakmp.SIDAttrNumberOfBits && o.SIDBits == 0:
			bits, err := number("SID packet", a, 32)
			if err != nil {
				return err
			}
			o.SIDBits = int(bits)
		case a.Type == isakmp.SIDAttrValue:
			v, err := number("SID packet", a, 1<<32-1)
			if err != nil {
				return err
			}
			o.SIDs = append(o.SIDs, gdoi.SID(v))
		default:
			return unsupported("SID attribute %d", a.Type)
		}
	}
	if o.SIDBits == 0 || len(o.SIDs) == 0 || len(o.SIDs) > maxSIDs {
		return malformed("SID key packet with %d bits and %d values", o.SIDBits, len(o.SIDs))
	}
	used := make(map[gdoi.SID]bool, len(o.SIDs))
	for _, s := range o.SIDs {
		if uint64(s)>>o.SIDBits != 0 || used[s] {
			return malformed("sender id %d comes twice or does not fit into %d bits", s, o.SIDBits)
		}
		used[s] = true
	}
	return nil
}
