package pull

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/policy"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestOfferRoundTrip(t *testing.T) {
	rules := func(lines string) policy.List {
		l, err := policy.ParseList(lines)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, c := range []struct {
		name string
		edit func(o *Offer)
	}{
		{"full", func(*Offer) {}},
		{"no KEK", func(o *Offer) { o.KEK, o.Seq = nil, 0 }},
		{"KEK alone", func(o *Offer) { o.TEKs, o.ATD, o.DTD, o.SIDs, o.SIDBits = nil, 0, 0, nil, 0 }},
		{"a path in the key tree", func(o *Offer) { o.LKH = &LKHOffer{Path: lkhPath()} }},
		{"a KEK by update arrays", func(o *Offer) {
			o.LKH = &LKHOffer{Updates: []isakmp.LKHUpdate{{ID: 3, Handle: 9, Keys: lkhPath().Keys}, {ID: 4, Handle: 8, Keys: lkhPath().Keys[1:]}}}
			o.KEK.Key, o.KEK.IV = nil, nil
		}},
		{"no access list", func(o *Offer) { o.AccessList = nil }},
		{"AES-128 KEK, SHA-512", func(o *Offer) {
			o.KEK.Suite, o.KEK.SigHash, o.KEK.Key = suite.KEKAES128CBC, machine.SHA512, o.KEK.IV.Clone()
		}},
		{"IPv6, hosts, protocols, ports", func(o *Offer) {
			o.AccessList = nil
			o.TEKs[0].Policy = rules("permit ip 2001:db8::/33 any\npermit udp host 2001:db8::1 eq 53 any6\npermit 89 any host 224.0.0.5\npermit ip 10.0.0.0/9 10.128.0.0/31")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOffer(t)
			c.edit(o)
			sa, err := isakmp.ParseSAGDOI(o.SA(true).AppendBody(nil))
			if err != nil {
				t.Fatal(err)
			}
			kd, err := isakmp.ParseKD(o.KD(true).AppendBody(nil))
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseOffer(sa, kd, &isakmp.SEQ{Number: o.Seq})
			if err != nil {
				t.Fatal(err)
			}
			if encoded(got) != encoded(o) {
				t.Errorf("got %+v", got)
			}
			for i := range o.TEKs {
				if !got.TEKs[i].Policy.Equal(o.TEKs[i].Policy) {
					t.Errorf("policy %v, want %v", got.TEKs[i].Policy, o.TEKs[i].Policy)
				}
			}
			if o.KEK != nil && (got.KEK.Src != o.KEK.Src || got.KEK.Dst != o.KEK.Dst || got.KEK.SigKeyBits != 2048) {
				t.Errorf("KEK %+v", got.KEK)
			}
		})
	}
}

func lkhPath() *isakmp.LKHDownload {
	return &isakmp.LKHDownload{Keys: []isakmp.LKHKey{
		{ID: 5, KeyType: 3, Handle: 1, Data: bytes.Repeat([]byte{0x55}, 48)}, {ID: 0xffff, KeyType: 3, Handle: 2, Data: bytes.Repeat([]byte{0x66}, 48)},
	}}
}

func lkhPacket() isakmp.KeyPacket {
	spi := gdoi.KEKSPI{1, 2, 3, 15: 16}
	return isakmp.KeyPacket{Type: isakmp.KDTypeLKH, SPI: spi[:], Attributes: []isakmp.Attribute{
		isakmp.LongAttr(isakmp.LKHAttrDownloadArray, lkhPath().AppendTo(nil)),
	}}
}

// TestSATsShareOneSPI: one SAT for each permit and SPI, one key packet for each SPI.
func TestSATsShareOneSPI(t *testing.T) {
	o := testOffer(t)
	sa, kd := o.SA(true), o.KD(false)
	if len(sa.SATs) != 6 || len(kd.Packets) != 3 {
		t.Errorf("%d SATs, %d key packets", len(sa.SATs), len(kd.Packets))
	}
	if sa.SATs[2].SPI != 0x1001 || sa.SATs[3].SPI != 0x1002 {
		t.Error("SATs are not grouped by epoch, oldest first")
	}
}

func TestPortRangesWidenInSATs(t *testing.T) {
	o := testOffer(t)
	l, err := policy.ParseList("permit tcp any gt 1023 any range 80 90\npermit tcp any any eq 443\ndeny ip any any")
	if err != nil {
		t.Fatal(err)
	}
	o.TEKs[0].Policy, o.AccessList = l, nil
	p, err := ParsePolicy(o.SA(true))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.TEKs[0].Policy.String(); got != "permit tcp any any\npermit tcp any any eq 443" {
		t.Errorf("got %q", got)
	}
	p.TEKs = p.TEKs[:1]
	if got := p.Policy(l); !got.Equal(l) {
		t.Errorf("the current list was lost: %v", got)
	}
}

func TestParseOfferRefuses(t *testing.T) {
	setAttr := func(as *[]isakmp.Attribute, a isakmp.Attribute) {
		for i := range *as {
			if (*as)[i].Type == a.Type {
				(*as)[i] = a
				return
			}
		}
		*as = append(*as, a)
	}
	sat := func(a isakmp.Attribute) func(*isakmp.SAGDOI, *isakmp.KD) {
		return func(sa *isakmp.SAGDOI, _ *isakmp.KD) { setAttr(&sa.SATs[0].Attributes, a) }
	}
	sak := func(a isakmp.Attribute) func(*isakmp.SAGDOI, *isakmp.KD) {
		return func(sa *isakmp.SAGDOI, _ *isakmp.KD) { setAttr(&sa.SAK.Attributes, a) }
	}
	gap := func(a isakmp.Attribute) func(*isakmp.SAGDOI, *isakmp.KD) {
		return func(sa *isakmp.SAGDOI, _ *isakmp.KD) { setAttr(&sa.GAP.Attributes, a) }
	}
	// Key packets: 0 KEK, 1 and 2 TEKs, 3 SIDs.
	for _, c := range []struct {
		name string
		edit func(*isakmp.SAGDOI, *isakmp.KD)
		want error
		says string
	}{
		{"DOI", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.DOI = 1 }, ErrUnsupported, "DOI 1"},
		{"empty SA", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.SAK, sa.SATs = nil, nil }, ErrMalformed, "neither"},
		{"AH", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.SATs[0].ProtocolID = 2 }, ErrUnsupported, "ESP"},
		{"reserved SPI", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.SATs[0].SPI = 255 }, ErrMalformed, "reserved"},
		{"3DES", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.SATs[0].Transform = 3 }, ErrUnsupported, "transform 3"},
		{"GCM with 100 bits", sat(isakmp.BasicAttr(isakmp.SAAttrKeyLength, 100)), ErrUnsupported, "length 100"},
		{"kilobytes", sat(isakmp.BasicAttr(isakmp.SAAttrLifeType, 2)), ErrUnsupported, "life type"},
		{"lifetime 0", sat(isakmp.UintAttr(isakmp.SAAttrLifeDuration, 0, 4)), ErrMalformed, "lifetime 0"},
		{"lifetime too long", sat(isakmp.UintAttr(isakmp.SAAttrLifeDuration, 1<<32, 8)), ErrMalformed, "at most"},
		{"lifetimes differ", sat(isakmp.UintAttr(isakmp.SAAttrLifeDuration, 7, 4)), ErrMalformed, "disagree"},
		{"transport mode", sat(isakmp.BasicAttr(isakmp.SAAttrEncapsulationMode, 2)), ErrUnsupported, "tunnel"},
		{"no address preservation", sat(isakmp.BasicAttr(isakmp.SAAttrAddressPreservation, 1)), ErrUnsupported, "preservation"},
		{"sender-only", sat(isakmp.BasicAttr(isakmp.SAAttrDirection, 1)), ErrUnsupported, "direction"},
		{"ESN", sat(isakmp.BasicAttr(isakmp.SAAttrESN, 1)), ErrUnsupported, "attribute 11"},
		{"authentication with an AEAD", sat(isakmp.BasicAttr(isakmp.SAAttrAuthAlgorithm, 5)), ErrUnsupported, "authentication algorithm 5"},
		{"private SA attribute", sat(isakmp.BasicAttr(32001, 1)), ErrUnsupported, "32001"},
		{"attribute twice", func(sa *isakmp.SAGDOI, _ *isakmp.KD) {
			sa.SATs[0].Attributes = append(sa.SATs[0].Attributes, sa.SATs[0].Attributes[0])
		}, ErrMalformed, "twice"},
		{"identity type", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.SATs[0].Src.IDType = isakmp.IDFQDN }, ErrUnsupported, "type 2"},
		{"mask with holes", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.SATs[0].Src.Data = []byte{10, 0, 0, 0, 255, 0, 255, 0} }, ErrUnsupported, "holes"},
		{"ports of a protocol without", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.SATs[0].IPProtocol, sa.SATs[0].Src.Port = 50, 80 }, ErrUnsupported, "has no ports"},
		{"KEK lifetime 0", sak(isakmp.UintAttr(isakmp.KEKAttrKeyLifetime, 0, 4)), ErrMalformed, "lifetime 0"},
		{"KEK 3DES", sak(isakmp.BasicAttr(isakmp.KEKAttrAlgorithm, 2)), ErrUnsupported, "KEK_ALGORITHM 2"},
		{"signature DSS", sak(isakmp.BasicAttr(isakmp.KEKAttrSigAlgorithm, 2)), ErrUnsupported, "SIG_ALGORITHM 2"},
		{"signature hash MD5", sak(isakmp.BasicAttr(isakmp.KEKAttrSigHashAlgorithm, 1)), ErrUnsupported, "SIG_HASH"},
		{"signature key of another size", sak(isakmp.BasicAttr(isakmp.KEKAttrSigKeyLength, 3072)), ErrMalformed, "3072"},
		{"rekey over TCP", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.SAK.Protocol = 6 }, ErrUnsupported, "UDP"},
		{"sender id request in an SA", gap(isakmp.BasicAttr(isakmp.GAPSenderIDRequest, 1)), ErrUnsupported, "attribute 3"},
		{"private GAP attribute", gap(isakmp.BasicAttr(205, 1)), ErrUnsupported, "205"},
		{"group time of two octets", gap(isakmp.BasicAttr(isakmp.GAPGetVPNTime, 1)), ErrMalformed, "group time"},
		{"group time with half an SPI", gap(isakmp.LongAttr(isakmp.GAPGetVPNTime, make([]byte, 18))), ErrMalformed, "group time"},
		{"endless window", gap(isakmp.LongAttr(isakmp.GAPGetVPNTime, append([]byte{255, 255, 255, 255}, make([]byte, 12)...))), ErrUnsupported, "window"},
		{"time without end", gap(isakmp.LongAttr(isakmp.GAPGetVPNTime, append(make([]byte, 8), 255, 255, 255, 255, 255, 255, 255, 255))), ErrUnsupported, "group time"},
		{"bad access list", gap(isakmp.LongAttr(isakmp.GAPGetVPNAccessList, []byte("permit everything"))), ErrUnsupported, "access list"},
		{"access list of noise", gap(isakmp.LongAttr(isakmp.GAPGetVPNAccessList, []byte(strings.Repeat("x\n", 30000)))), ErrUnsupported, "access list"},
		{"no TEK key", func(_ *isakmp.SAGDOI, kd *isakmp.KD) { kd.Packets = append(kd.Packets[:1:1], kd.Packets[2:]...) }, ErrMalformed, "00001001 without"},
		{"no KEK key", func(_ *isakmp.SAGDOI, kd *isakmp.KD) { kd.Packets = kd.Packets[1:] }, ErrMalformed, "SAK"},
		{"TEK key twice", func(_ *isakmp.SAGDOI, kd *isakmp.KD) { kd.Packets = append(kd.Packets, kd.Packets[1]) }, ErrMalformed, "two key packets"},
		{"key of no SAT", func(_ *isakmp.SAGDOI, kd *isakmp.KD) { kd.Packets[1].SPI = []byte{9, 9, 9, 9} }, ErrMalformed, "no SAT"},
		{"key of no SAK", func(sa *isakmp.SAGDOI, _ *isakmp.KD) { sa.SAK = nil }, ErrMalformed, "no SAK"},
		{"short TEK key", func(_ *isakmp.SAGDOI, kd *isakmp.KD) {
			kd.Packets[1].Attributes[0].Value = kd.Packets[1].Attributes[0].Value[1:]
		}, ErrMalformed, "needs 36"},
		{"integrity key", func(_ *isakmp.SAGDOI, kd *isakmp.KD) {
			kd.Packets[1].Attributes = append(kd.Packets[1].Attributes, isakmp.LongAttr(isakmp.TEKAttrIntegrityKey, []byte{1}))
		}, ErrMalformed, "aes-256-gcm needs 0"},
		{"no signature key", func(_ *isakmp.SAGDOI, kd *isakmp.KD) { kd.Packets[0].Attributes = kd.Packets[0].Attributes[:1] }, ErrUnsupported, "SIG_ALGORITHM_KEY"},
		{"a KEK packet called LKH", func(_ *isakmp.SAGDOI, kd *isakmp.KD) { kd.Packets[0].Type = isakmp.KDTypeLKH }, ErrMalformed, "LKH version"},
		{"two LKH packets", func(_ *isakmp.SAGDOI, kd *isakmp.KD) { kd.Packets = append(kd.Packets, lkhPacket(), lkhPacket()) }, ErrMalformed, "two LKH"},
		{"LKH of no SAK", func(_ *isakmp.SAGDOI, kd *isakmp.KD) {
			p := lkhPacket()
			p.SPI = make([]byte, 16)
			kd.Packets = append(kd.Packets, p)
		}, ErrMalformed, "no SAK"},
		{"two paths", func(_ *isakmp.SAGDOI, kd *isakmp.KD) {
			p := lkhPacket()
			p.Attributes = append(p.Attributes, p.Attributes[0])
			kd.Packets = append(kd.Packets, p)
		}, ErrUnsupported, "LKH attribute 1"},
		{"update arrays and a KEK packet", func(_ *isakmp.SAGDOI, kd *isakmp.KD) {
			kd.Packets = append(kd.Packets, isakmp.KeyPacket{Type: isakmp.KDTypeLKH, SPI: kd.Packets[0].SPI, Attributes: []isakmp.Attribute{
				isakmp.LongAttr(isakmp.LKHAttrSigAlgorithmKey, []byte{1}),
			}})
		}, ErrUnsupported, "LKH attribute 3"},
		{"sender id too wide", func(_ *isakmp.SAGDOI, kd *isakmp.KD) {
			kd.Packets[3].Attributes[1] = isakmp.UintAttr(isakmp.SIDAttrValue, 1<<24, 4)
		}, ErrMalformed, "24 bits"},
		{"sender id twice", func(_ *isakmp.SAGDOI, kd *isakmp.KD) {
			kd.Packets[3].Attributes = append(kd.Packets[3].Attributes, kd.Packets[3].Attributes[1])
		}, ErrMalformed, "twice"},
		{"sender ids without a width", func(_ *isakmp.SAGDOI, kd *isakmp.KD) { kd.Packets[3].Attributes = kd.Packets[3].Attributes[1:] }, ErrMalformed, "0 bits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOffer(t)
			sa, kd := o.SA(true), o.KD(true)
			c.edit(sa, kd)
			_, err := ParseOffer(sa, kd, nil)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %v with %q", err, c.want, c.says)
			}
			if err != nil && len(err.Error()) > 16<<10 {
				t.Errorf("an error of %d octets", len(err.Error()))
			}
		})
	}
}

func TestDefaultsAndWhatIsIgnored(t *testing.T) {
	o := testOffer(t)
	sa := o.SA(false)
	sa.SATs = sa.SATs[:1]
	sa.SATs[0].Attributes = []isakmp.Attribute{
		isakmp.BasicAttr(isakmp.SAAttrKeyLength, 256),
		isakmp.BasicAttr(isakmp.SAAttrGroupDescription, 2),
	}
	sa.SATs[0].Src = isakmp.TrafficID{}
	sa.SAK.Attributes = append(sa.SAK.Attributes[:2:2], sa.SAK.Attributes[3], sa.SAK.Attributes[4],
		isakmp.BasicAttr(isakmp.KEKAttrManagementAlgorithm, isakmp.KEKManagementLKH))
	p, err := ParsePolicy(sa)
	if err != nil {
		t.Fatal(err)
	}
	if p.TEKs[0].Lifetime != 28800 || p.KEK.Lifetime != 86400 {
		t.Errorf("lifetimes %d, %d", p.TEKs[0].Lifetime, p.KEK.Lifetime)
	}
	if got := p.TEKs[0].Policy.String(); got != "permit ip any 10.0.0.0/8" {
		t.Errorf("an empty source is %q", got)
	}
}

func TestSecretsAreWiped(t *testing.T) {
	o := testOffer(t)
	kept := [][]byte{o.KEK.Key.Bytes(), o.KEK.IV.Bytes(), o.TEKs[0].Key.Bytes(), o.TEKs[1].Key.Bytes()}
	kd := o.KD(true)
	key := kd.Packets[1].Attributes[0].Value
	if &key[0] == &kept[2][0] {
		t.Error("KD aliases the offer's secret, so WipeKD would destroy it")
	}
	WipeKD(kd)
	if !zero(key) || zero(kept[2]) {
		t.Error("WipeKD")
	}
	o.Destroy()
	for i, b := range kept {
		if !zero(b) {
			t.Errorf("secret %d is still there", i)
		}
	}
	// An offer that fails half way destroys what it has taken: the second TEK is short.
	o = testOffer(t)
	kd = o.KD(true)
	kd.Packets[2].Attributes[0].Value = []byte{1}
	p, err := ParsePolicy(o.SA(true))
	if err != nil {
		t.Fatal(err)
	}
	i := &Initiator{offer: p, state: initSent3}
	if err := p.addKeys(kd); err == nil {
		t.Fatal("accepted")
	}
	taken := p.TEKs[0].Key.Bytes()
	i.Destroy()
	if !zero(taken) || i.offer != nil {
		t.Error("a failed exchange keeps keys")
	}
}

func zero(b []byte) bool { return len(bytes.Trim(b, "\x00")) == 0 }

func TestReferenceSession(t *testing.T) {
	ref := fixture(t, "testdata/reference.txt")
	sa, err := isakmp.ParseSAGDOI(ref["sa"])
	if err != nil {
		t.Fatal(err)
	}
	kd, err := isakmp.ParseKD(ref["kd"])
	if err != nil {
		t.Fatal(err)
	}
	o, err := ParseOffer(sa, kd, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Old as it is, what it says is clear: whether it is wanted is for the member to say.
	if n := len(o.TEKs); n != 1 || o.TEKs[0].Suite != suite.ESP3DESCBCSHA1 || !o.TEKs[0].DestinationOnly || o.Mode != gdoi.ModeReceiveOnly ||
		o.TEKs[0].Policy[0].SrcPorts != policy.AnyPort {
		t.Errorf("%+v, mode %v", o.TEKs, o.Mode)
	}
	if o.KEK.SPI.String() != "b072bcacff05a3a46670ad3d2b57b834" || o.KEK.Suite != suite.KEKAES128CBC || o.KEK.Lifetime != 25 ||
		o.KEK.Dst.Addr().String() != "239.11.1.1" || !bytes.Equal(o.KEK.SigKeyDER, ref["spki"]) {
		t.Errorf("%+v", o.KEK)
	}
}

func TestMessageIDs(t *testing.T) {
	var m MessageIDs
	if m.Add(0) || !m.Add(7) || m.Add(7) {
		t.Error("0 or 7")
	}
	for i := range uint32(rememberedIDs) {
		if !m.Add(100 + i) {
			t.Error(i)
		}
	}
	if !m.Add(7) {
		t.Error("the ring does not forget")
	}
}
