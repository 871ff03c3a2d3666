package pull

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// TestModeOnTheWire: our own peers hear of every mode, and of the policy before; others of receive-only, as SA Direction.
func TestModeOnTheWire(t *testing.T) {
	for _, c := range []struct {
		mode    gdoi.Mode
		private bool
		want    gdoi.Mode
	}{
		{gdoi.ModeFull, true, gdoi.ModeFull},
		{gdoi.ModePassive, true, gdoi.ModePassive},
		{gdoi.ModeReceiveOnly, true, gdoi.ModeReceiveOnly},
		{gdoi.ModeFull, false, gdoi.ModeFull},
		{gdoi.ModePassive, false, gdoi.ModeFull},
		{gdoi.ModeReceiveOnly, false, gdoi.ModeReceiveOnly},
	} {
		o := testOffer(t)
		o.Mode = c.mode
		o.Former = &Former{AccessList: o.AccessList[:1:1], Mode: gdoi.ModePassive, For: 7 * time.Second}
		if o.Former.AccessList.Validate() != nil {
			o.Former.AccessList = o.AccessList
		}
		sa := o.SA(c.private)
		got, err := ParsePolicy(sa)
		if err != nil {
			t.Fatal(err)
		}
		if got.Mode != c.want || (got.Former != nil) != c.private {
			t.Errorf("%v, private %t: mode %v, former %v; want %v", c.mode, c.private, got.Mode, got.Former, c.want)
		}
		if c.private {
			if d := cmp.Diff(o.Former.AccessList.Strings(), got.Former.AccessList.Strings()); d != "" || got.Former.Mode != gdoi.ModePassive || got.Former.For != 7*time.Second {
				t.Errorf("former policy %v %s", got.Former.Mode, d)
			}
		}
		last := &sa.SATs[1].Attributes
		*last = slices.DeleteFunc(*last, func(a isakmp.Attribute) bool { return a.Type == isakmp.SAAttrDirection }) // symmetric
		if _, err := ParsePolicy(sa); (c.want == gdoi.ModeReceiveOnly) != (err != nil) {
			t.Errorf("%v: SATs of two directions: %v", c.mode, err)
		}
	}
	for _, bad := range []isakmp.Attribute{
		isakmp.BasicAttr(isakmp.GAPGetVPNMode, 3), isakmp.LongAttr(isakmp.GAPGetVPNFormer, []byte("half 1\npermit ip any any")),
		isakmp.LongAttr(isakmp.GAPGetVPNFormer, []byte("full 1\nallow ip any any")), isakmp.LongAttr(isakmp.GAPGetVPNFormer, []byte("full 1\n")), isakmp.LongAttr(isakmp.GAPGetVPNFormer, []byte("full\npermit ip any any")),
	} {
		sa := testOffer(t).SA(false)
		sa.GAP = &isakmp.GAP{Attributes: []isakmp.Attribute{bad}}
		if _, err := ParsePolicy(sa); !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrMalformed) {
			t.Errorf("GAP %d: %v", bad.Type, err)
		}
	}
}
