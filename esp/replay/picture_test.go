package replay_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/getvpn/getvpn/esp/replay"
)

// TestPictureIsTheModel: a picture says what can be found out number by number, and looking changes nothing.
func TestPictureIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size, parts := rapid.SampledFrom([]int{64, 256, 1024}).Draw(t, "size"), rapid.SampledFrom([]int{1, 16, 32, 64}).Draw(t, "parts")
		w := replay.New(size)
		seen := map[uint64]bool{}
		n := rapid.SampledFrom([]uint64{1, 40, 900, 1<<32 - 3000}).Draw(t, "base")
		for range rapid.IntRange(0, 300).Draw(t, "packets") {
			n += rapid.Uint64Range(0, 9).Draw(t, "step")
			if late := rapid.Uint64Range(0, 20).Draw(t, "late"); late < n && w.Commit(n-late) {
				seen[n-late] = true
			}
		}
		got, missing := w.Picture(parts)
		copied := w.Clone()
		if again, _ := copied.Picture(parts); !slices.Equal(got, again) {
			t.Fatal("a copy looks different")
		}
		want, wantMissing := []int{}, 0
		for i := range parts {
			all, have := 0, 0
			for k := range size / parts {
				if x := int64(w.Top()) - int64(size) + int64(i*size/parts+k) + 1; x >= 1 {
					all++
					if seen[uint64(x)] {
						have++
					}
				}
			}
			if all == 0 {
				want = append(want, replay.Nothing)
				continue
			}
			want, wantMissing = append(want, 8*have/all), wantMissing+all-have
		}
		if !slices.Equal(got, want) || missing != wantMissing {
			t.Fatalf("top %d: %v with %d missing, want %v with %d", w.Top(), got, missing, want, wantMissing)
		}
	})
}
