package sadb_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/getvpn/getvpn/esp/sadb"
)

// TestOutboundIsAMap: whatever classes come and go, each is sent with by the SA activated last for it that lives.
func TestOutboundIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		db := sadb.New(10)
		r := db.NewReader()
		want := map[uint32]uint32{} // class: SPI
		alive := map[uint32]bool{}
		class := rapid.SampledFrom([]uint32{0, 1, 2, 3, 8, 9, 255, 256, 1 << 20, 1<<20 + 1, 1<<20 + 8, 1<<32 - 1})
		spis := rapid.Uint32Range(1, 5)
		sid := uint32(0)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			spi := spis.Draw(t, "spi")
			switch {
			case !alive[spi]:
				sid++
				if err := db.Add(params(spi, sid)); err != nil {
					t.Fatal(err)
				}
				alive[spi] = true
			case rapid.IntRange(0, 4).Draw(t, "retire") == 0:
				if err := db.Retire(0, spi); err != nil {
					t.Fatal(err)
				}
				alive[spi] = false
				for c, s := range want {
					if s == spi {
						delete(want, c)
					}
				}
			default:
				c := class.Draw(t, "class")
				if err := db.Activate(0, spi, c); err != nil {
					t.Fatal(err)
				}
				want[c] = spi
			}
			v := r.Enter()
			for _, c := range []uint32{0, 1, 2, 3, 4, 8, 9, 255, 256, 257, 1 << 20, 1<<20 + 1, 1<<20 + 8, 1<<32 - 1} {
				var got uint32
				if e := v.Outbound(c); e != nil {
					got = e.SA.SPI()
				}
				if got != want[c] || db.Sends(c) != (want[c] != 0) {
					t.Fatalf("class %d is sent with %d, want %d", c, got, want[c])
				}
			}
			r.Leave()
			all, classes := db.Entries()
			for i, e := range all {
				for c, s := range want {
					if slices.Contains(classes[i], c) != (s == e.SA.SPI()) {
						t.Fatalf("SA %d: classes %v", e.SA.SPI(), classes[i])
					}
				}
			}
		}
	})
}
