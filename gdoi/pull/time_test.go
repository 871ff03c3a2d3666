package pull

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/isakmp"
)

// TestTimeThereAndBack: what one of ours is told comes out; others are told nothing.
func TestTimeThereAndBack(t *testing.T) {
	for _, want := range []*TimeOffer{
		{Now: 123*time.Hour + 456*time.Microsecond, Window: 10 * time.Second},
		{Now: 1, Series: 7, Window: maxTimeWindow, Demand: []gdoi.SPI{256, 1 << 31}},
		{Now: time.Second},
	} {
		o := testOffer(t)
		o.Time = want
		got, err := ParsePolicy(o.SA(true))
		if err != nil {
			t.Fatal(err)
		}
		rounded := *want
		rounded.Now = want.Now.Truncate(time.Microsecond)
		if d := cmp.Diff(&rounded, got.Time); d != "" {
			t.Error(d)
		}
		if got, err = ParsePolicy(o.SA(false)); err != nil || got.Time != nil {
			t.Errorf("a peer of another make is told %+v, %v", got.Time, err)
		}
	}
}

func FuzzTime(f *testing.F) {
	f.Add((&TimeOffer{Now: time.Hour, Series: 1, Window: time.Second, Demand: []gdoi.SPI{256}}).attribute().Value)
	f.Add(make([]byte, timeHead))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := parseTime(b)
		if err != nil {
			return
		}
		if o.Now < 0 || o.Window < 0 || o.Window > maxTimeWindow {
			t.Fatalf("%+v", o)
		}
		if a := o.attribute(); string(a.Value) != string(b) || a.Type != isakmp.GAPGetVPNTime {
			t.Fatalf("%x becomes %x", b, a.Value)
		}
	})
}
