package replay_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/getvpn/getvpn/esp/replay"
)

// model is the definition: a set of all numbers seen.
type model struct {
	size uint64
	top  uint64
	seen map[uint64]bool
}

func (m *model) commit(n uint64) bool {
	if n == 0 || m.seen[n] || n+m.size <= m.top {
		return false
	}
	m.seen[n] = true
	m.top = max(m.top, n)
	return true
}

func TestWindowIsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.SampledFrom([]int{64, 128, 1024}).Draw(t, "size")
		w := replay.New(size)
		m := model{size: uint64(size), seen: map[uint64]bool{}}
		base := rapid.SampledFrom([]uint64{0, 1, 1<<32 - 3000}).Draw(t, "base")
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			var n uint64
			switch rapid.IntRange(0, 9).Draw(t, "kind") {
			case 0: // a jump of up to three windows
				n = m.top + rapid.Uint64Range(0, 3*uint64(size)).Draw(t, "jump")
			case 1: // the edge
				n = m.top + 2 - min(m.top+2, uint64(size)+rapid.Uint64Range(0, 3).Draw(t, "edge"))
			case 2:
				n = base + rapid.Uint64Range(0, 5).Draw(t, "base")
			default:
				n = m.top + 3 - min(m.top+3, rapid.Uint64Range(0, uint64(size)+4).Draw(t, "near"))
			}
			check := w.Check(n)
			got, want := w.Commit(n), m.commit(n)
			if got != want || check != want {
				t.Fatalf("number %d with top %d: check %v, commit %v, want %v", n, m.top, check, got, want)
			}
			if w.Top() != m.top {
				t.Fatalf("top %d, want %d", w.Top(), m.top)
			}
		}
	})
}

func TestZeroValue(t *testing.T) {
	var w replay.Window
	if w.Size() != replay.DefaultSize || w.Check(0) || !w.Check(1) {
		t.Fatal("the zero value must be an empty window of the default size")
	}
	for _, row := range []struct {
		name string
		n    uint64
		want bool
	}{
		{"first", 5000, true}, {"again", 5000, false}, {"late joiner: inside", 5000 - 1023, true},
		{"below", 5000 - 1024, false}, {"next", 5001, true}, {"edge moved", 5001 - 1023, true}, {"zero", 0, false},
	} {
		if got := w.Commit(row.n); got != row.want {
			t.Errorf("%s: Commit(%d) = %v", row.name, row.n, got)
		}
	}
}

func TestCheckChangesNothing(t *testing.T) {
	w := replay.New(64)
	w.Commit(10)
	for range 3 {
		if !w.Check(1 << 40) {
			t.Fatal("a forged high number moved the window")
		}
	}
	if w.Top() != 10 || !w.Commit(11) {
		t.Fatal("Check must not change the window")
	}
}

func TestValidSize(t *testing.T) {
	for _, size := range []int{0, 1, 63, 65, 96, 1 << 17, -64} {
		if replay.ValidSize(size) == nil {
			t.Errorf("size %d accepted", size)
		}
	}
	for _, size := range []int{64, 1024, 65536} {
		if err := replay.ValidSize(size); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkCheckCommit(b *testing.B) {
	w := replay.New(1024)
	b.ReportAllocs()
	for n := uint64(1); b.Loop(); n++ {
		if !w.Check(n) || !w.Commit(n) {
			b.Fatal(n)
		}
	}
}
