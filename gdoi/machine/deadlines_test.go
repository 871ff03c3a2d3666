package machine

import (
	"sort"
	"testing"

	"pgregory.net/rapid"
)

func TestDeadlinesPopInOrder(t *testing.T) {
	var d Deadlines[string]
	d.Set("late", 30, true)
	d.Set("b", 10, true)
	d.Set("a", 10, true) // the same instant, set later
	d.Set("gone", 5, true)
	d.Set("gone", 0, false)
	d.Set("never", 0, false)
	d.Set("late", 20, true)
	if at, ok := d.Next(); !ok || at != 10 {
		t.Fatalf("Next = %v %v; want 10", at, ok)
	}
	var got string
	for _, now := range []Instant{9, 10, 10, 10, 19, 20, 20} {
		if k, ok := d.PopDue(now); ok {
			got += k + " "
		} else {
			got += "- "
		}
	}
	if want := "- b a - - late - "; got != want {
		t.Errorf("popped %q; want %q", got, want)
	}
	if _, ok := d.Next(); ok || d.Len() != 0 {
		t.Error("not empty")
	}
}

// TestDeadlinesModel compares with a map.
func TestDeadlinesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d Deadlines[int]
		model := map[int]Instant{}
		for range rapid.IntRange(0, 60).Draw(t, "n") {
			k := rapid.IntRange(0, 9).Draw(t, "key")
			switch at := Instant(rapid.IntRange(0, 50).Draw(t, "at")); rapid.IntRange(0, 2).Draw(t, "op") {
			case 0:
				d.Set(k, at, true)
				model[k] = at
			case 1:
				d.Set(k, 0, false)
				delete(model, k)
			case 2:
				if k, ok := d.PopDue(at); ok {
					if model[k] > at {
						t.Fatalf("popped %d at %v, due at %v", k, at, model[k])
					}
					delete(model, k)
				} else {
					for k, m := range model {
						if m <= at {
							t.Fatalf("%d is due at %v and was not popped at %v", k, m, at)
						}
					}
				}
			}
			all := make([]Instant, 0, len(model))
			for _, m := range model {
				all = append(all, m)
			}
			sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
			at, ok := d.Next()
			if ok != (len(all) > 0) || ok && at != all[0] || d.Len() != len(all) {
				t.Fatalf("Next = %v %v, Len %d; want %v", at, ok, d.Len(), all)
			}
		}
	})
}

func TestTimer(t *testing.T) {
	var x Timer
	if x.Due(100) {
		t.Error("a zero timer is due")
	}
	x.Set(10)
	if x.Due(9) || !x.Due(10) || x.Due(11) {
		t.Error("a timer is due once, from its instant on")
	}
	x.Set(5)
	x.Stop()
	if _, on := x.Deadline(); on || x.Due(6) {
		t.Error("a stopped timer is due")
	}
}
