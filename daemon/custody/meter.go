package custody

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/hsm"
)

// meter counts calls by operation and duration. The zero value is ready.
type meter struct {
	mu  sync.Mutex
	ops map[string]*operation
}

type operation struct {
	buckets    [len(control.CustodyBounds) + 1]uint64
	count, bad uint64
	sum, worst time.Duration
	last       string
	lastAt     time.Time
}

// add counts one call. That there is no such key, or that there is one, is an answer like any other.
func (m *meter) add(name string, took time.Duration, at time.Time, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.ops[name]
	if o == nil {
		o = &operation{}
		if m.ops == nil {
			m.ops = map[string]*operation{}
		}
		m.ops[name] = o
	}
	if err != nil && !errors.Is(err, hsm.ErrNoKey) && !errors.Is(err, hsm.ErrExists) {
		o.bad++
		o.last, o.lastAt = err.Error(), at.UTC()
		return
	}
	o.count++
	o.sum += took
	o.worst = max(o.worst, took)
	o.buckets[bucket(took)]++
}

// bucket is the index of the first bound that is not exceeded.
func bucket(took time.Duration) int {
	i, _ := slices.BinarySearch(control.CustodyBounds[:], milliseconds(took))
	return i
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// list is the account by operation.
func (m *meter) list() []control.CustodyLatency {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []control.CustodyLatency{}
	for name, o := range m.ops {
		l := control.CustodyLatency{
			Operation: name, Count: o.count, Failed: o.bad, Max: milliseconds(o.worst), P50: o.quantile(50), P99: o.quantile(99),
			Buckets: slices.Clone(o.buckets[:]), Last: o.last, LastAt: o.lastAt,
		}
		if o.count > 0 {
			l.Mean = milliseconds(o.sum / time.Duration(o.count)) //nolint:gosec // a count of calls
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b control.CustodyLatency) int { return cmp.Compare(a.Operation, b.Operation) })
	return out
}

// quantile is the upper end of the bucket in which the call at that per cent is.
func (o *operation) quantile(percent uint64) float64 {
	need := (o.count*percent + 99) / 100
	var seen uint64
	for i, n := range o.buckets {
		if seen += n; need > 0 && seen >= need && i < len(control.CustodyBounds) {
			return min(control.CustodyBounds[i], milliseconds(o.worst))
		}
	}
	return milliseconds(o.worst)
}
