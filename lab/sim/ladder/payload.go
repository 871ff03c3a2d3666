package ladder

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/coop/link"
	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// context is the message that a payload is in.
type context struct {
	m        *Message
	d        *decoder
	sa       *sa
	exchange isakmp.ExchangeType
}

// payload is a line about one. What has key material in it is named by its length.
func (x *context) payload(p isakmp.Raw) string {
	name := p.Type.String()
	if p.Type == isakmp.PayloadCoop {
		name = "COOP"
	}
	text, err := x.body(p)
	if err != nil {
		return fmt.Sprintf("%s cannot be read: %v", name, err)
	}
	return strings.TrimSpace(name + " " + text)
}

func (x *context) body(p isakmp.Raw) (string, error) {
	b := p.Body()
	switch p.Type {
	case isakmp.PayloadSA:
		if x.exchange == isakmp.ExchangeMainMode {
			return proposals(b)
		}
		return policy(b)
	case isakmp.PayloadKE, isakmp.PayloadNONCE, isakmp.PayloadHASH, isakmp.PayloadSIG:
		return fmt.Sprintf("%d octets", len(b)), nil
	case isakmp.PayloadID:
		return identity(b, x.exchange)
	case isakmp.PayloadVID:
		return vendor(b), nil
	case isakmp.PayloadNOTIFY:
		n, err := isakmp.ParseNotify(b)
		return n.MsgType.String(), err
	case isakmp.PayloadDELETE:
		return deletion(b)
	case isakmp.PayloadSEQ:
		s, err := isakmp.ParseSEQ(b)
		if x.exchange == isakmp.ExchangeGroupkeyPush {
			x.m.Title += fmt.Sprintf(" seq %d", s.Number)
		}
		return fmt.Sprint(s.Number), err
	case isakmp.PayloadGAP:
		g, err := isakmp.ParseGAP(b)
		return gap(g.Attributes), err
	case isakmp.PayloadKD:
		return keys(b)
	case isakmp.PayloadCoop:
		return x.coop(b)
	}
	return fmt.Sprintf("%d octets", len(b)), nil
}

// proposals of phase 1.
func proposals(b []byte) (string, error) {
	s, err := isakmp.ParseSAPhase1(b)
	if err != nil {
		return "", err
	}
	var out []string
	for _, p := range s.Proposals {
		for _, t := range p.Transforms {
			out = append(out, transform(t))
		}
	}
	return strings.Join(out, " | "), nil
}

func transform(t isakmp.Transform) string {
	var words []string
	for _, a := range t.Attributes {
		v, err := a.Uint()
		if err != nil {
			continue
		}
		n := uint16(v) //nolint:gosec // a name is looked up
		switch a.Type {
		case isakmp.Phase1Encryption:
			words = append(words, isakmp.IKEEncryptionName(n))
		case isakmp.Phase1KeyLength:
			words = append(words, fmt.Sprint(v))
		case isakmp.Phase1Hash:
			words = append(words, isakmp.IKEHashName(n))
		case isakmp.Phase1AuthMethod:
			words = append(words, isakmp.IKEAuthName(n))
		case isakmp.Phase1Group:
			words = append(words, isakmp.IKEGroupName(n))
		case isakmp.Phase1LifeDuration:
			words = append(words, (time.Duration(v) * time.Second).String()) //nolint:gosec // a few days
		}
	}
	return strings.Join(words, " ")
}

// policy is the SA of GDOI: SAK, GAP and SATs.
func policy(b []byte) (string, error) {
	s, err := isakmp.ParseSAGDOI(b)
	if err != nil {
		return "", err
	}
	var out []string
	if k := s.SAK; k != nil {
		text := fmt.Sprintf("SAK KEK %x", k.SPI)
		for _, a := range k.Attributes {
			if v, err := a.Uint(); err == nil {
				text += kekAttribute(a.Type, v)
			}
		}
		out = append(out, text)
	}
	if s.GAP != nil {
		out = append(out, "GAP "+gap(s.GAP.Attributes))
	}
	for i := range s.SATs {
		out = append(out, sat(&s.SATs[i]))
	}
	return strings.Join(out, "; "), nil
}

func kekAttribute(t uint16, v uint64) string {
	n := uint16(v) //nolint:gosec // a name is looked up
	switch t {
	case isakmp.KEKAttrAlgorithm:
		return " " + isakmp.KEKAlgorithmName(n)
	case isakmp.KEKAttrKeyLength:
		return fmt.Sprintf(" %d bits", v)
	case isakmp.KEKAttrKeyLifetime:
		return fmt.Sprintf(", %d s", v)
	case isakmp.KEKAttrSigHashAlgorithm:
		return ", " + isakmp.SigHashName(n)
	case isakmp.KEKAttrSigAlgorithm:
		return ", " + isakmp.SigAlgorithmName(n)
	case isakmp.KEKAttrManagementAlgorithm:
		return ", key tree"
	case isakmp.KEKAttrAckRequested:
		return ", wants " + isakmp.AckName(n)
	}
	return ""
}

func sat(s *isakmp.SAT) string {
	text := fmt.Sprintf("SAT %s %08x %s %s > %s", isakmp.ProtocolName(s.ProtocolID), s.SPI, isakmp.ESPTransformName(s.Transform), subnet(s.Src), subnet(s.Dst))
	for _, a := range s.Attributes {
		v, err := a.Uint()
		if err != nil {
			continue
		}
		switch a.Type {
		case isakmp.SAAttrLifeDuration:
			text += fmt.Sprintf(", %d s", v)
		case isakmp.SAAttrKeyLength:
			text += fmt.Sprintf(", %d bits", v)
		}
	}
	return text
}

func subnet(t isakmp.TrafficID) string {
	half := len(t.Data) / 2
	switch t.IDType {
	case isakmp.IDIPv4Subnet, isakmp.IDIPv6Subnet:
		a, _ := netip.AddrFromSlice(t.Data[:half])
		ones := 0
		for _, o := range t.Data[half:] {
			for ; o&0x80 != 0; o <<= 1 {
				ones++
			}
		}
		return fmt.Sprintf("%v/%d", a, ones)
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		a, _ := netip.AddrFromSlice(t.Data)
		return a.String()
	}
	return fmt.Sprintf("%v %x", t.IDType, t.Data)
}

// gap shows group associated policy.
func gap(list []isakmp.Attribute) string {
	var out []string
	for _, a := range list {
		v, err := a.Uint()
		switch a.Type {
		case isakmp.GAPActivationTimeDelay:
			out = append(out, fmt.Sprintf("ATD %d s", v))
		case isakmp.GAPDeactivationTimeDelay:
			out = append(out, fmt.Sprintf("DTD %d s", v))
		case isakmp.GAPSenderIDRequest:
			out = append(out, fmt.Sprintf("wants %d sender ids", v))
		case isakmp.GAPGetVPNAccessList:
			out = append(out, fmt.Sprintf("access list of %d lines", 1+strings.Count(string(a.Value), "\n")))
		case isakmp.GAPGetVPNMode:
			out = append(out, fmt.Sprintf("mode %d", v))
		case isakmp.GAPGetVPNFormer:
			out = append(out, "the former policy")
		case isakmp.GAPGetVPNTime:
			out = append(out, "the group's time")
		case isakmp.GAPGetVPNTrusted:
			out = append(out, "public keys of other key servers")
		default:
			text := fmt.Sprintf("attribute %d", a.Type)
			if err == nil {
				text += fmt.Sprintf(" = %d", v)
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

// keys names the key packets, and never shows what is in them.
func keys(b []byte) (string, error) {
	kd, err := isakmp.ParseKD(b)
	if err != nil {
		return "", err
	}
	var out []string
	for _, k := range kd.Packets {
		text := isakmp.KDTypeName(k.Type)
		if len(k.SPI) > 0 {
			text += " " + hex.EncodeToString(k.SPI)
		}
		if k.Type == isakmp.KDTypeSID {
			text += fmt.Sprintf(" %d attributes", len(k.Attributes))
			out = append(out, text)
			continue
		}
		for _, a := range k.Attributes {
			if k.Type != isakmp.KDTypeTEK && (a.Type == isakmp.KEKKeyAttrSigAlgorithmKey && k.Type == isakmp.KDTypeKEK || a.Type == isakmp.LKHAttrSigAlgorithmKey && k.Type == isakmp.KDTypeLKH) {
				text += fmt.Sprintf(" public key, %d octets", len(a.Value))
				continue
			}
			text += fmt.Sprintf(" [secret, %d octets]", len(a.Value))
		}
		out = append(out, text)
	}
	return strings.Join(out, "; "), nil
}

func identity(b []byte, e isakmp.ExchangeType) (string, error) {
	id, err := isakmp.ParseID(b)
	if err != nil {
		return "", err
	}
	switch id.IDType {
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		a, _ := netip.AddrFromSlice(id.Data)
		return a.String(), nil
	case isakmp.IDKeyID:
		if e == isakmp.ExchangeGroupkeyPull {
			return "group " + hex.EncodeToString(id.Data), nil
		}
		return "key id " + hex.EncodeToString(id.Data), nil
	}
	return fmt.Sprintf("%v %q", id.IDType, id.Data), nil
}

func vendor(b []byte) string {
	for name, v := range map[string][]byte{"DPD": isakmp.VendorIDDPD, "GetVPN": isakmp.VendorIDGetVPN, "fragmentation": isakmp.VendorIDFragmentation} {
		if string(v) == string(b) {
			return name
		}
	}
	return hex.EncodeToString(b[:min(8, len(b))])
}

func deletion(b []byte) (string, error) {
	d, err := isakmp.ParseDelete(b)
	if err != nil {
		return "", err
	}
	var spis []string
	for _, s := range d.SPIs {
		if strings.Trim(string(s), "\x00") == "" {
			spis = append(spis, "all")
		} else {
			spis = append(spis, hex.EncodeToString(s[:min(8, len(s))]))
		}
	}
	what := isakmp.ProtocolName(d.Protocol)
	if len(d.SPIs) > 0 && len(d.SPIs[0]) == 16 && d.Protocol == isakmp.ProtoISAKMP {
		what = "isakmp"
	}
	return what + " " + strings.Join(spis, " "), nil
}

// coop shows a frame between key servers, and the message in it.
func (x *context) coop(b []byte) (string, error) {
	f, err := link.Look(b)
	if err != nil {
		return "", err
	}
	switch f.Kind {
	case link.LookAck:
		x.m.Title = "COOP ack"
		return fmt.Sprintf("frame %d, acknowledges up to %d", f.Seq, f.Ack-1), nil
	case link.LookAnnounce:
		x.m.Title = "COOP announcement"
		return fmt.Sprintf("frame %d, %s", f.Seq, said(x.m, f.Body, true)), nil
	}
	text := fmt.Sprintf("frame %d, segment %d", f.Seq, f.Segment)
	if x.sa != nil && f.Segment > 1 && !x.sa.ended[f.Segment-1] { // it goes on with a message
		x.m.Title = "COOP segment"
		if f.Last && x.sa != nil {
			x.sa.ended[f.Segment] = true
		}
		return text + fmt.Sprintf(" of a message, %d octets", len(f.Body)), nil
	}
	if f.Last && x.sa != nil {
		x.sa.ended[f.Segment] = true
	}
	return text + ", " + said(x.m, f.Body, f.Last), nil
}

// said names a message between key servers. One that goes on in other segments is known by its first octets.
func said(m *Message, b []byte, whole bool) string {
	name := coop.KindOf(b)
	if !whole {
		m.Title = "COOP " + name + " (begins)"
		return fmt.Sprintf("%s, the first %d octets", name, len(b))
	}
	group, msg, err := coop.Decode(b)
	if err != nil {
		return err.Error()
	}
	m.Title = "COOP " + name
	if strings.ContainsFunc(group, func(r rune) bool { return r < ' ' || r > '~' }) {
		group = hex.EncodeToString([]byte(group))
	}
	text := name + " about group " + group
	switch c := msg.(type) {
	case *coop.Status:
		text += fmt.Sprintf(": %d is %v, follows %d in term %d, has %d/%d, hears %v, epoch %d, %d members", c.From, c.Role, c.Primary, c.Term, c.Has.Term, c.Has.N, c.Sees.IDs(), c.Epoch, c.Members)
	case *coop.State:
		all := "changes"
		if c.Full {
			all = "everything"
		}
		text += fmt.Sprintf(": %s %d..%d of term %d, %d records [secret]", all, c.From, c.To, c.Term, len(c.Records))
		coop.WipeRecords(c.Records)
	case *coop.Join:
		text += fmt.Sprintf(": term %d, has %d/%d, %d records [secret]", c.Term, c.Have.Term, c.Have.N, len(c.Records))
		coop.WipeRecords(c.Records)
	case *coop.Report:
		text += fmt.Sprintf(": %d of term %d, %d records [secret]", c.N, c.Term, len(c.Records))
		coop.WipeRecords(c.Records)
	case *coop.Have:
		text += fmt.Sprintf(": %d/%d", c.Version.Term, c.Version.N)
	case *coop.Handover:
		text += fmt.Sprintf(": term %d", c.Term)
	}
	return text
}
