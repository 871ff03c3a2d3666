package check

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestKeyLoss(t *testing.T) {
	k := &keyChanges{spi: map[string]string{"ga blue": "1", "gb blue": "1"}, at: make([]time.Duration, 6)}
	for _, row := range []struct {
		name          string
		before, after map[string]uint64
		rekeys        int
		ok            bool
		says          string
	}{
		{"nothing", nil, nil, 3, true, "drops: none"},
		{"old drops", map[string]uint64{"no-sa": 5}, map[string]uint64{"no-sa": 5}, 3, true, "0 packets lost to 3 rekeys"},
		{"others", nil, map[string]uint64{"too-big": 7}, 3, true, "drops: too-big 7"},
		{"no key", map[string]uint64{"no-sa": 5}, map[string]uint64{"no-sa": 6, "sa-expired": 2}, 3, false, "3 packets lost"},
		{"too few rekeys", nil, nil, 4, false, "to 3 rekeys"},
	} {
		if r := keyLoss(row.before, row.after, k, row.rekeys, time.Minute); r.OK != row.ok || !strings.Contains(r.Value, row.says) {
			t.Errorf("%s: %+v", row.name, r)
		}
	}
}

// stream is a minute of a thousand datagrams a second without those that lost picks.
func stream(lost func(at time.Duration, n int) bool) *Flow {
	f := &Flow{}
	for n := range 60_000 {
		at := time.Duration(n) * time.Millisecond
		f.sent, f.received = append(f.sent, at), append(f.received, at+time.Millisecond)
		if lost(at, n) {
			f.received[n] = 0
		}
	}
	return f
}

func TestDatagrams(t *testing.T) {
	changes := []time.Duration{20 * time.Second, 20*time.Second + 200*time.Millisecond, 40 * time.Second}
	for _, row := range []struct {
		name string
		lost func(time.Duration, int) bool
		gbit float64
		ok   bool
		says string
	}{
		{"none", func(time.Duration, int) bool { return false }, 1, true, "of 60000 datagrams 0 lost"},
		{"evenly", func(_ time.Duration, n int) bool { return n%100 == 0 }, 1, true, "600 lost"},
		{"at a change", func(at time.Duration, _ int) bool { return at > 39900*time.Millisecond && at < 40*time.Second }, 1, false, "99 of them within"},
		{"no TCP", func(time.Duration, int) bool { return false }, 0, false, "0.00 Gbit/s"},
	} {
		if r := datagrams(stream(row.lost), changes, time.Minute, row.gbit); r.OK != row.ok || !strings.Contains(r.Value, row.says) {
			t.Errorf("%s: %+v", row.name, r)
		}
	}
}

func TestGrowth(t *testing.T) {
	for _, row := range []struct {
		name string
		heap func(i int) float64
		ok   bool
	}{
		{"steady", func(i int) float64 { return 10 + float64(i%3) }, true},
		{"finds its size", func(i int) float64 { return min(10+float64(i), 30) }, true},
		{"leaks", func(i int) float64 { return 10 + float64(i)/4 }, false},
	} {
		g := newGrowth([]string{"ga"})
		for i := range 120 {
			g.at = append(g.at, time.Duration(i)*15*time.Second)
			for _, m := range measures {
				v := 5.0
				if m.name == "heap" {
					v = row.heap(i)
				}
				g.series["ga"][m.name] = append(g.series["ga"][m.name], v)
			}
		}
		if r := g.results()[0]; r.OK != row.ok || row.ok != (r.Message == "") {
			t.Errorf("%s: %+v", row.name, r)
		}
	}
	if r := newGrowth([]string{"ga"}).results()[0]; r.OK {
		t.Errorf("without a sample: %+v", r)
	}
	if s := slope([]time.Duration{0, time.Hour, 2 * time.Hour}, []float64{1, 3, 5}); math.Abs(s-2) > 1e-9 {
		t.Errorf("slope %v", s)
	}
}
