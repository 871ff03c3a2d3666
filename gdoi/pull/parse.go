package pull

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// Lifetimes, in seconds, where the key server names none: of a TEK by RFC 2407 §4.5, of a KEK by our own choice.
const (
	defaultLifetime    = 28800
	defaultKEKLifetime = 86400
)

// ParseOffer turns payloads into an Offer: SA and KD belong together, seq may be nil. What it does not know makes it
// fail with ErrUnsupported (RFC 6407 §5.3.2, §5.4: abort), what is wrong with ErrMalformed. The offer aliases nothing.
func ParseOffer(sa *isakmp.SAGDOI, kd *isakmp.KD, seq *isakmp.SEQ) (*Offer, error) {
	o, err := ParsePolicy(sa)
	if err != nil {
		return nil, err
	}
	if err := o.addKeys(kd); err != nil {
		o.Destroy()
		return nil, err
	}
	if seq != nil {
		o.Seq = seq.Number
	}
	return o, nil
}

// ParsePolicy turns an SA payload into an Offer that has no keys yet: what message 2 of a PULL says.
func ParsePolicy(sa *isakmp.SAGDOI) (*Offer, error) {
	if sa.DOI != isakmp.DOIGDOI || sa.Situation != 0 {
		return nil, unsupported("SA with DOI %d and situation %d; GDOI has 2 and 0", sa.DOI, sa.Situation)
	}
	if sa.SAK == nil && len(sa.SATs) == 0 {
		return nil, malformed("SA has neither SAK nor SAT")
	}
	o := &Offer{}
	if sa.SAK != nil {
		k, err := parseSAK(sa.SAK)
		if err != nil {
			return nil, err
		}
		o.KEK = k
	}
	if sa.GAP != nil {
		if err := o.parseGAP(sa.GAP); err != nil {
			return nil, err
		}
	}
	for i := range sa.SATs {
		if err := o.addSAT(&sa.SATs[i]); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// once refuses an attribute that comes twice in one payload.
type once map[uint16]bool

func (o once) see(where string, t uint16) error {
	if o[t] {
		return malformed("attribute %d twice in one %s", t, where)
	}
	o[t] = true
	return nil
}

// number reads an attribute of at most limit.
func number(where string, a isakmp.Attribute, limit uint64) (uint64, error) {
	v, err := a.Uint()
	if err != nil {
		return 0, err
	}
	if v > limit {
		return 0, malformed("attribute %d of a %s is %d; at most %d", a.Type, where, v, limit)
	}
	return v, nil
}

func parseSAK(s *isakmp.SAK) (*KEKOffer, error) {
	if s.Protocol != protoUDP {
		return nil, unsupported("SAK for IP protocol %d; rekey messages are UDP", s.Protocol)
	}
	k := &KEKOffer{SPI: s.SPI, Lifetime: defaultKEKLifetime}
	var err error
	if k.Src, err = parseEndpoint(s.Src); err != nil {
		return nil, err
	}
	if k.Dst, err = parseEndpoint(s.Dst); err != nil {
		return nil, err
	}
	var alg, bits, sigHash, sigAlg, sigBits uint64
	seen := once{}
	for _, a := range s.Attributes {
		if err := seen.see("SAK", a.Type); err != nil {
			return nil, err
		}
		switch a.Type {
		case isakmp.KEKAttrManagementAlgorithm:
			// MUST be ignored in a PULL, §5.3; a PUSH with LKH is recognised by its key packets.
		case isakmp.KEKAttrAlgorithm:
			alg, err = number("SAK", a, 65535)
		case isakmp.KEKAttrKeyLength:
			bits, err = number("SAK", a, 65535)
		case isakmp.KEKAttrKeyLifetime:
			var v uint64
			if v, err = number("SAK", a, 1<<32-1); err == nil && v == 0 {
				err = malformed("KEK %x has lifetime 0", k.SPI)
			}
			k.Lifetime = uint32(v)
		case isakmp.KEKAttrSigHashAlgorithm:
			sigHash, err = number("SAK", a, 65535)
		case isakmp.KEKAttrSigAlgorithm:
			sigAlg, err = number("SAK", a, 65535)
		case isakmp.KEKAttrSigKeyLength:
			sigBits, err = number("SAK", a, 65535)
		case isakmp.KEKAttrAckRequested:
			// A value that we cannot answer is no reason to stay out of the group, RFC 8263 §4.
			var v uint64
			v, err = number("SAK", a, 65535)
			k.Ack = uint16(v)
		default:
			err = unsupported("KEK attribute %d", a.Type)
		}
		if err != nil {
			return nil, err
		}
	}
	if k.Suite, err = suite.KEKFromSAK(uint16(alg), uint16(bits)); err != nil {
		return nil, errors.Join(ErrUnsupported, err)
	}
	if k.Signature, k.SigHash, err = suite.SignatureFromSAK(uint16(sigAlg), uint16(sigHash)); err != nil {
		return nil, errors.Join(ErrUnsupported, err)
	}
	k.SigKeyBits = int(sigBits)
	return k, nil
}

func parseEndpoint(id isakmp.TrafficID) (netip.AddrPort, error) {
	if len(id.Data) == 0 {
		return netip.AddrPort{}, nil
	}
	a, ok := netip.AddrFromSlice(id.Data)
	if !ok || id.IDType != isakmp.IDIPv4Addr && id.IDType != isakmp.IDIPv6Addr || a.Is4() != (id.IDType == isakmp.IDIPv4Addr) {
		return netip.AddrPort{}, unsupported("SAK endpoint of identity type %d and %d octets", id.IDType, len(id.Data))
	}
	return netip.AddrPortFrom(a, id.Port), nil
}

func (o *Offer) parseGAP(g *isakmp.GAP) error {
	seen := once{}
	for _, a := range g.Attributes {
		if err := seen.see("GAP", a.Type); err != nil {
			return err
		}
		switch a.Type {
		case isakmp.GAPActivationTimeDelay, isakmp.GAPDeactivationTimeDelay:
			v, err := number("GAP", a, 65535)
			if err != nil {
				return err
			}
			d := time.Duration(v) * time.Second
			if a.Type == isakmp.GAPActivationTimeDelay {
				o.ATD = d
			} else {
				o.DTD = d
			}
		case isakmp.GAPGetVPNAccessList:
			l, err := parseList(string(a.Value))
			if err != nil {
				return err
			}
			o.AccessList = l
		case isakmp.GAPGetVPNFormer:
			f, err := parseFormer(string(a.Value))
			if err != nil {
				return err
			}
			o.Former = f
		case isakmp.GAPGetVPNTime:
			t, err := parseTime(a.Value)
			if err != nil {
				return err
			}
			o.Time = t
		case isakmp.GAPGetVPNTrusted:
			keys, err := parseTrusted(a.Value)
			if err != nil {
				return err
			}
			o.Trusted = keys
		case isakmp.GAPGetVPNMode:
			v, err := number("GAP", a, uint64(gdoi.ModeReceiveOnly))
			if err != nil {
				return err
			}
			o.Mode = gdoi.Mode(v)
		default:
			return unsupported("GAP attribute %d", a.Type)
		}
	}
	return nil
}

func parseFormer(text string) (*Former, error) {
	head, list, _ := strings.Cut(text, "\n")
	word, number, _ := strings.Cut(head, " ")
	mode, err := gdoi.ParseMode(word)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	left, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return nil, malformed("%q is no number of seconds", number)
	}
	l, err := parseList(list)
	if err != nil {
		return nil, err
	}
	return &Former{AccessList: l, Mode: mode, For: time.Duration(left) * time.Second}, nil
}

func parseList(text string) (policy.List, error) {
	l, err := policy.ParseList(text)
	if err == nil {
		err = l.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: access list: %w", ErrUnsupported, err)
	}
	return l, nil
}

// addSAT adds one selector, to the TEK of its SPI.
func (o *Offer) addSAT(s *isakmp.SAT) error {
	t, receiveOnly, err := parseSAT(s)
	if err != nil {
		return err
	}
	if len(o.TEKs) > 0 && receiveOnly != (o.Mode == gdoi.ModeReceiveOnly) {
		return unsupported("SPI %08x has another SA direction than those before; a group has one", s.SPI)
	}
	if receiveOnly {
		o.Mode = gdoi.ModeReceiveOnly
	} else if o.Mode == gdoi.ModeReceiveOnly {
		return malformed("SPI %08x is symmetric in a group that is receive-only", s.SPI)
	}
	for i := range o.TEKs {
		e := &o.TEKs[i]
		if e.SPI != t.SPI {
			continue
		}
		if e.Suite != t.Suite || e.Lifetime != t.Lifetime || e.DestinationOnly != t.DestinationOnly {
			return malformed("SATs of SPI %08x disagree about cipher or lifetime", s.SPI)
		}
		e.Policy = append(e.Policy, t.Policy...)
		return nil
	}
	o.TEKs = append(o.TEKs, t)
	return nil
}

func parseSAT(s *isakmp.SAT) (t TEKOffer, receiveOnly bool, err error) {
	if s.ProtocolID != isakmp.ProtocolESP {
		return t, false, unsupported("SAT with security protocol %d; only 1 (ESP)", s.ProtocolID)
	}
	// RFC 4303 §2.1: 0 is for local use and 1 to 255 are reserved.
	if s.SPI < 256 {
		return t, false, malformed("SPI %08x is reserved", s.SPI)
	}
	rules, err := rulesOf(s)
	if err != nil {
		return t, false, err
	}
	t = TEKOffer{SPI: gdoi.SPI(s.SPI), Lifetime: defaultLifetime, Policy: rules}
	var keyBits, auth uint64
	seen := once{}
	for _, a := range s.Attributes {
		if err := seen.see("SAT", a.Type); err != nil {
			return t, false, err
		}
		switch a.Type {
		case isakmp.SAAttrLifeType:
			err = only(a, "life type (seconds)", uint64(isakmp.LifeSeconds))
		case isakmp.SAAttrLifeDuration:
			var v uint64
			if v, err = number("SAT", a, 1<<32-1); err == nil && v == 0 {
				err = malformed("SPI %08x has lifetime 0", s.SPI)
			}
			t.Lifetime = uint32(v)
		case isakmp.SAAttrGroupDescription:
			// MUST NOT be sent, is ignored: §5.5.1.
		case isakmp.SAAttrEncapsulationMode:
			err = only(a, "encapsulation mode (tunnel)", uint64(isakmp.EncapsulationTunnel))
		case isakmp.SAAttrKeyLength:
			keyBits, err = number("SAT", a, 65535)
		case isakmp.SAAttrAuthAlgorithm:
			auth, err = number("SAT", a, 65535)
		case isakmp.SAAttrAddressPreservation:
			t.DestinationOnly, err = preservation(a)
		case isakmp.SAAttrDirection:
			receiveOnly, err = direction(a)
		default:
			err = unsupported("SA attribute %d", a.Type)
		}
		if err != nil {
			return t, false, err
		}
	}
	if t.Suite, err = suite.ESPFromSAT(s.Transform, uint16(keyBits), uint16(auth)); err != nil {
		return t, false, errors.Join(ErrUnsupported, err)
	}
	return t, receiveOnly, nil
}

// preservation reads the attribute Address Preservation: both addresses, or the destination alone, which the reference
// program of 2011 sends and a member may refuse.
func preservation(a isakmp.Attribute) (destinationOnly bool, err error) {
	v, err := a.Uint()
	switch {
	case err != nil:
		return false, err
	case v == isakmp.PreserveBoth, v == isakmp.PreserveDestination:
		return v == isakmp.PreserveDestination, nil
	}
	return false, unsupported("address preservation %d; only source and destination (4) and destination only (3)", v)
}

// direction reads the SA Direction (RFC 6407 §5.5.1.1.2): symmetric, or receiver only.
func direction(a isakmp.Attribute) (receiveOnly bool, err error) {
	v, err := a.Uint()
	switch {
	case err != nil:
		return false, err
	case v == isakmp.DirectionSymmetric, v == isakmp.DirectionReceiver:
		return v == isakmp.DirectionReceiver, nil
	}
	return false, unsupported("SA direction %d; only symmetric (3) and receiver only (2)", v)
}

// only refuses every value but one.
func only(a isakmp.Attribute, what string, want uint64) error {
	v, err := a.Uint()
	if err != nil {
		return err
	}
	if v != want {
		return unsupported("%s: value %d; only %d", what, v, want)
	}
	return nil
}

func spiOf(b []byte) gdoi.SPI { return gdoi.SPI(binary.BigEndian.Uint32(b)) }
