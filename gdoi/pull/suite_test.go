package pull

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// suiteOffer is an offer with one TEK of a suite.
func suiteOffer(t *testing.T, e suite.ESP) *Offer {
	o := testOffer(t)
	key := make([]byte, e.KeymatLen())
	for i := range key {
		key[i] = byte(i)
	}
	o.TEKs = o.TEKs[:1]
	o.TEKs[0].Suite, o.TEKs[0].Key = e, machine.TakeSecret(key)
	return o
}

func reparse(t *testing.T, o *Offer, edit func(sat *isakmp.SAT, key *isakmp.KeyPacket)) (*Offer, error) {
	t.Helper()
	sa, err := isakmp.ParseSAGDOI(o.SA(true).AppendBody(nil))
	if err != nil {
		t.Fatal(err)
	}
	kd, err := isakmp.ParseKD(o.KD(true).AppendBody(nil))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sa.SATs {
		edit(&sa.SATs[i], &kd.Packets[1])
	}
	return ParseOffer(sa, kd, nil)
}

// TestSuitesOnTheWire: every suite comes back from SAT and key packet, whatever the order of the attributes.
func TestSuitesOnTheWire(t *testing.T) {
	for _, e := range suite.AllESP() {
		t.Run(e.String(), func(t *testing.T) {
			o := suiteOffer(t, e)
			got, err := reparse(t, o, func(sat *isakmp.SAT, key *isakmp.KeyPacket) {
				if sat.Transform != e.TransformID() {
					t.Error("transform", sat.Transform)
				}
				slices.Reverse(sat.Attributes)
				slices.SortFunc(key.Attributes, func(a, b isakmp.Attribute) int { return int(b.Type) - int(a.Type) })
				for _, a := range key.Attributes {
					want := map[uint16]int{isakmp.TEKAttrAlgorithmKey: e.AlgorithmKeyLen(), isakmp.TEKAttrIntegrityKey: e.IntegrityKeyLen()}
					if len(a.Value) == 0 || len(a.Value) != want[a.Type] {
						t.Errorf("key attribute %d has %d octets", a.Type, len(a.Value))
					}
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if tek := got.TEKs[0]; tek.Suite != e || !bytes.Equal(tek.Key.Bytes(), o.TEKs[0].Key.Bytes()) {
				t.Errorf("%v, key of %d octets", tek.Suite, tek.Key.Len())
			}
			if got.CounterMode() != e.Counter() {
				t.Error("counter mode")
			}
		})
	}
}

func TestSuiteKeys(t *testing.T) {
	set := func(as ...isakmp.Attribute) func(*isakmp.SAT, *isakmp.KeyPacket) {
		return func(_ *isakmp.SAT, key *isakmp.KeyPacket) { key.Attributes = as }
	}
	algorithm := func(n int) isakmp.Attribute { return isakmp.LongAttr(isakmp.TEKAttrAlgorithmKey, make([]byte, n)) }
	integrity := func(n int) isakmp.Attribute { return isakmp.LongAttr(isakmp.TEKAttrIntegrityKey, make([]byte, n)) }
	for _, row := range []struct {
		name  string
		suite suite.ESP
		edit  func(*isakmp.SAT, *isakmp.KeyPacket)
		want  error
	}{
		{"CBC", suite.ESPAES128CBCSHA256, set(integrity(32), algorithm(16)), nil},
		{"CBC without integrity key", suite.ESPAES128CBCSHA256, set(algorithm(16)), ErrMalformed},
		{"CBC without cipher key", suite.ESPAES128CBCSHA256, set(integrity(32)), ErrMalformed},
		{"CBC, one key twice", suite.ESPAES128CBCSHA256, set(algorithm(16), integrity(32), integrity(32)), ErrMalformed},
		{"CBC, all in one", suite.ESPAES128CBCSHA256, set(algorithm(48)), ErrMalformed},
		{"CTR without salt", suite.ESPAES128CTRSHA256, set(algorithm(16), integrity(32)), ErrMalformed},
		{"GCM with integrity key", suite.ESPAES128GCM16, set(algorithm(20), integrity(32)), ErrMalformed},
		{"GCM in the integrity key", suite.ESPAES128GCM16, set(integrity(20)), ErrMalformed},
		{"GMAC in the integrity key", suite.ESPAES128GMAC, set(integrity(20)), nil},
		{"GMAC in both", suite.ESPAES128GMAC, set(algorithm(20), integrity(20)), ErrMalformed},
		{"NULL", suite.ESPNullSHA256, set(integrity(32)), nil},
		{"NULL with an empty cipher key", suite.ESPNullSHA256, set(algorithm(0), integrity(32)), nil},
		{"NULL with a cipher key", suite.ESPNullSHA256, set(algorithm(16), integrity(32)), ErrMalformed},
		{"no key at all", suite.ESPNullSHA256, set(), ErrMalformed},
		{"3DES", suite.ESP3DESCBCSHA1, set(algorithm(24), integrity(20)), nil},
		{"source authentication", suite.ESP3DESCBCSHA1, set(algorithm(24), integrity(20), isakmp.LongAttr(isakmp.TEKAttrSourceAuthKey, []byte{1})), ErrUnsupported},
		{"3DES with its key length", suite.ESP3DESCBCSHA1, func(sat *isakmp.SAT, _ *isakmp.KeyPacket) {
			sat.Attributes = append(sat.Attributes, isakmp.BasicAttr(isakmp.SAAttrKeyLength, 192))
		}, nil},
		{"NULL with a key length", suite.ESPNullSHA256, func(sat *isakmp.SAT, _ *isakmp.KeyPacket) {
			sat.Attributes = append(sat.Attributes, isakmp.BasicAttr(isakmp.SAAttrKeyLength, 128))
		}, ErrUnsupported},
		{"HMAC-MD5", suite.ESP3DESCBCSHA1, func(sat *isakmp.SAT, _ *isakmp.KeyPacket) {
			for i := range sat.Attributes {
				if sat.Attributes[i].Type == isakmp.SAAttrAuthAlgorithm {
					sat.Attributes[i] = isakmp.BasicAttr(isakmp.SAAttrAuthAlgorithm, isakmp.AuthHMACMD5)
				}
			}
		}, ErrUnsupported},
	} {
		o, err := reparse(t, suiteOffer(t, row.suite), row.edit)
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		if err == nil && o.TEKs[0].Key.Len() != row.suite.KeymatLen() {
			t.Errorf("%s: %d octets", row.name, o.TEKs[0].Key.Len())
		}
	}
}
