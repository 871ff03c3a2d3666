package pull

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// GDOIPort is the UDP port of GDOI, RFC 6407 §2.2.
const GDOIPort = 848

const protoUDP = 17

// SA builds the SA payload: SAK, GAP, and one SAT for each permit of each TEK. sendAccessList says that every
// receiver knows the private attribute.
func (o *Offer) SA(sendAccessList bool) *isakmp.SAGDOI {
	sa := &isakmp.SAGDOI{DOI: isakmp.DOIGDOI, GAP: o.gap(sendAccessList)}
	if o.KEK != nil {
		sa.SAK = o.KEK.sak()
		if o.updates() {
			// Not in a PULL, RFC 6407 §5.3.
			sa.SAK.Attributes = append(sa.SAK.Attributes, isakmp.BasicAttr(isakmp.KEKAttrManagementAlgorithm, isakmp.KEKManagementLKH))
		}
	}
	for i := range o.TEKs {
		sa.SATs = append(sa.SATs, o.TEKs[i].sats(o.Mode)...)
	}
	return sa
}

func (k *KEKOffer) sak() *isakmp.SAK {
	s := &isakmp.SAK{
		Protocol: protoUDP,
		Src:      endpoint(k.Src, k.Dst),
		Dst:      endpoint(k.Dst, k.Src),
		SPI:      k.SPI,
		Attributes: []isakmp.Attribute{
			isakmp.BasicAttr(isakmp.KEKAttrAlgorithm, k.Suite.Algorithm()),
			isakmp.BasicAttr(isakmp.KEKAttrKeyLength, k.Suite.KeyBits()),
			isakmp.UintAttr(isakmp.KEKAttrKeyLifetime, uint64(k.Lifetime), 4),
		},
	}
	if _, implied := k.Signature.ImpliedHash(); !implied {
		s.Attributes = append(s.Attributes, isakmp.BasicAttr(isakmp.KEKAttrSigHashAlgorithm, suite.HashSig(k.SigHash)))
	}
	s.Attributes = append(s.Attributes,
		isakmp.BasicAttr(isakmp.KEKAttrSigAlgorithm, k.Signature.Algorithm()),
		isakmp.BasicAttr(isakmp.KEKAttrSigKeyLength, uint16(k.SigKeyBits)))
	if k.Ack != 0 {
		s.Attributes = append(s.Attributes, isakmp.BasicAttr(isakmp.KEKAttrAckRequested, k.Ack))
	}
	return s
}

// endpoint writes an address of the SAK; an unset one is the unspecified address of the other's family.
func endpoint(a, other netip.AddrPort) isakmp.TrafficID {
	addr := a.Addr().Unmap()
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
		if o := other.Addr().Unmap(); o.Is6() {
			addr = netip.IPv6Unspecified()
		}
	}
	id := isakmp.TrafficID{IDType: isakmp.IDIPv4Addr, Port: a.Port(), Data: addr.AsSlice()}
	if addr.Is6() {
		id.IDType = isakmp.IDIPv6Addr
	}
	if id.Port == 0 {
		id.Port = GDOIPort
	}
	return id
}

func (o *Offer) gap(sendAccessList bool) *isakmp.GAP {
	var as []isakmp.Attribute
	if o.ATD > 0 {
		as = append(as, isakmp.BasicAttr(isakmp.GAPActivationTimeDelay, seconds(o.ATD)))
	}
	if o.DTD > 0 {
		as = append(as, isakmp.BasicAttr(isakmp.GAPDeactivationTimeDelay, seconds(o.DTD)))
	}
	if sendAccessList && o.AccessList != nil {
		as = append(as, isakmp.LongAttr(isakmp.GAPGetVPNAccessList, []byte(o.AccessList.String())))
	}
	if sendAccessList && o.Mode != gdoi.ModeFull {
		as = append(as, isakmp.BasicAttr(isakmp.GAPGetVPNMode, uint16(o.Mode)))
	}
	if sendAccessList && o.Former != nil {
		f := o.Former
		as = append(as, isakmp.LongAttr(isakmp.GAPGetVPNFormer, fmt.Appendf(nil, "%v %d\n%v", f.Mode, seconds(f.For), f.AccessList)))
	}
	if sendAccessList && o.Time != nil {
		as = append(as, o.Time.attribute())
	}
	if sendAccessList && o.Trusted != nil {
		as = append(as, o.trusted())
	}
	if as == nil {
		return nil
	}
	return &isakmp.GAP{Attributes: as}
}

func seconds(d time.Duration) uint16 {
	s := (d + time.Second - 1) / time.Second
	return uint16(min(s, 65535))
}

// sats describes one SA by as many SATs as it has selectors, all with its SPI. RFC 6407 does not say that SATs may
// share an SPI; existing products do it.
func (t *TEKOffer) sats(m gdoi.Mode) []isakmp.SAT {
	permits := AsSATs(t.Policy)
	sats := make([]isakmp.SAT, len(permits))
	for i, r := range permits {
		sats[i] = t.sat(r, m)
	}
	return sats
}

func (t *TEKOffer) sat(r policy.Rule, m gdoi.Mode) isakmp.SAT {
	direction := uint16(isakmp.DirectionSymmetric)
	if m == gdoi.ModeReceiveOnly {
		direction = isakmp.DirectionReceiver
	}
	preserve := uint16(isakmp.PreserveBoth)
	if t.DestinationOnly {
		preserve = isakmp.PreserveDestination
	}
	attributes := []isakmp.Attribute{
		isakmp.BasicAttr(isakmp.SAAttrLifeType, isakmp.LifeSeconds),
		isakmp.UintAttr(isakmp.SAAttrLifeDuration, uint64(t.Lifetime), 4),
		isakmp.BasicAttr(isakmp.SAAttrEncapsulationMode, isakmp.EncapsulationTunnel),
	}
	if auth := t.Suite.Auth(); auth != 0 {
		attributes = append(attributes, isakmp.BasicAttr(isakmp.SAAttrAuthAlgorithm, auth))
	}
	if bits := t.Suite.KeyBits(); bits != 0 {
		attributes = append(attributes, isakmp.BasicAttr(isakmp.SAAttrKeyLength, bits))
	}
	return isakmp.SAT{
		ProtocolID: isakmp.ProtocolESP,
		IPProtocol: r.Proto,
		Src:        trafficID(r.Src, r.SrcPorts),
		Dst:        trafficID(r.Dst, r.DstPorts),
		Transform:  t.Suite.TransformID(),
		SPI:        uint32(t.SPI),
		Attributes: append(attributes,
			isakmp.BasicAttr(isakmp.SAAttrAddressPreservation, preserve),
			isakmp.BasicAttr(isakmp.SAAttrDirection, direction)),
	}
}

// keys splits the keying material into the attributes of a TEK key packet (RFC 6407 §5.6.1): a suite without a cipher has
// no TEK_ALGORITHM_KEY, an AEAD one no TEK_INTEGRITY_KEY.
func (t *TEKOffer) keys() []isakmp.Attribute {
	key := append(make([]byte, 0, t.Key.Len()), t.Key.Bytes()...)
	n := min(t.Suite.AlgorithmKeyLen(), len(key))
	var as []isakmp.Attribute
	if n > 0 {
		as = append(as, isakmp.LongAttr(isakmp.TEKAttrAlgorithmKey, key[:n]))
	}
	if n < len(key) {
		as = append(as, isakmp.LongAttr(isakmp.TEKAttrIntegrityKey, key[n:]))
	}
	return as
}

// KD builds the key download: one TEK packet for each SPI, the KEK packet, and with withSID the SID packet. Its
// attributes hold secrets in clear: WipeKD when it has been encoded.
func (o *Offer) KD(withSID bool) *isakmp.KD {
	kd := &isakmp.KD{}
	if k := o.KEK; k != nil && !o.updates() {
		ivKey := append(append(make([]byte, 0, k.IV.Len()+k.Key.Len()), k.IV.Bytes()...), k.Key.Bytes()...)
		kd.Packets = append(kd.Packets, isakmp.KeyPacket{Type: isakmp.KDTypeKEK, SPI: k.SPI[:], Attributes: []isakmp.Attribute{
			isakmp.LongAttr(isakmp.KEKKeyAttrAlgorithmKey, ivKey),
			isakmp.LongAttr(isakmp.KEKKeyAttrSigAlgorithmKey, k.SigKeyDER),
		}})
	}
	if o.LKH != nil && o.KEK != nil {
		kd.Packets = append(kd.Packets, o.LKH.packet(o.KEK))
	}
	for i := range o.TEKs {
		t := &o.TEKs[i]
		kd.Packets = append(kd.Packets, isakmp.KeyPacket{Type: isakmp.KDTypeTEK, SPI: spiOctets(t.SPI), Attributes: t.keys()})
	}
	if withSID && len(o.SIDs) > 0 {
		as := []isakmp.Attribute{isakmp.BasicAttr(isakmp.SIDAttrNumberOfBits, uint16(o.SIDBits))}
		for _, s := range o.SIDs {
			as = append(as, isakmp.UintAttr(isakmp.SIDAttrValue, uint64(s), 4))
		}
		kd.Packets = append(kd.Packets, isakmp.KeyPacket{Type: isakmp.KDTypeSID, Attributes: as})
	}
	return kd
}

// WipeKD clears the key material in the attributes of kd, or in the buffer that they alias.
func WipeKD(kd *isakmp.KD) {
	for _, p := range kd.Packets {
		for _, a := range p.Attributes {
			secret := p.Type == isakmp.KDTypeTEK || p.Type == isakmp.KDTypeKEK && a.Type == isakmp.KEKKeyAttrAlgorithmKey ||
				p.Type == isakmp.KDTypeLKH && a.Type == isakmp.LKHAttrDownloadArray
			if secret {
				clear(a.Value)
			}
		}
	}
}

func spiOctets(s gdoi.SPI) []byte { return []byte{byte(s >> 24), byte(s >> 16), byte(s >> 8), byte(s)} }
