package metrics

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/getvpn/getvpn/daemon/control"
)

// Bounds of labels.
const (
	snapshotBound = 5 * time.Second
	maxRules      = 100 // of a group, each with its own hits
	maxReasons    = 64
	maxEvents     = 256
	maxPeers      = 32
	maxGroups     = 200
	maxLabel      = 120 // octets of one value
	other         = "other"
)

// collector takes one snapshot for each scrape.
type collector struct {
	snapshot func(context.Context) (*control.Snapshot, error)
	journal  *control.Journal
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range families {
		ch <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	w := &writer{ch: ch}
	ctx, cancel := context.WithTimeout(context.Background(), snapshotBound)
	defer cancel()
	s, err := c.snapshot(ctx)
	w.set(up, truth(err == nil))
	w.events(c.journal.Counts())
	if err != nil {
		return
	}
	w.process(s)
	if s.KS != nil {
		w.keyServer(s.KS)
	}
	if s.GM != nil {
		w.groupMember(s.GM)
	}
	if s.Custody != nil {
		w.custody(s.Custody)
	}
}

// writer sends values to a scrape.
type writer struct{ ch chan<- prometheus.Metric }

func (w *writer) set(f *family, v float64, labels ...string) {
	for i, l := range labels {
		labels[i] = label(l)
	}
	w.ch <- f.metric(v, labels...)
}

// label makes a value that Prometheus takes, of a bounded length.
func label(s string) string {
	if len(s) > maxLabel {
		s = strings.ToValidUTF8(s[:maxLabel], "") + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// words sets a family to 1 at one word and to 0 at the others: so a graph shows the change, and an alert can wait for it.
func (w *writer) words(f *family, group, word string, all ...string) {
	known := false
	for _, one := range all {
		known = known || one == word
		w.set(f, truth(one == word), group, one)
	}
	if !known {
		w.set(f, 1, group, word)
	}
}

// counters shows counts by name, the most of them by their own. Several parts of a daemon may count under one name.
func (w *writer) counters(f *family, list []control.Counter) {
	sums := map[string]uint64{}
	for _, c := range list {
		name := c.Name
		if _, known := sums[name]; !known && len(sums) >= maxReasons {
			name = other
		}
		sums[name] += c.Count
	}
	for name, n := range sums {
		w.set(f, float64(n), name)
	}
}

func (w *writer) process(s *control.Snapshot) {
	w.set(info, 1, s.Name, s.Role, s.Version)
	w.set(warnings, float64(len(s.Warn)))
	w.set(heapLive, float64(s.Process.HeapLive))
	w.set(goroutines, float64(s.Process.Goroutines))
	w.time(started, s.Started)
	w.counters(drops, s.Drops)
}

func (w *writer) events(list []control.EventCount) {
	rest := map[string]uint64{}
	for i, e := range list {
		if i >= maxEvents || e.Name == other {
			rest[e.Severity] += e.Count
			continue
		}
		w.set(events, float64(e.Count), e.Name, e.Severity)
	}
	for severity, n := range rest {
		w.set(events, float64(n), other, severity)
	}
}

// time is a moment; one that never was is absent.
func (w *writer) time(f *family, t time.Time, labels ...string) {
	if !t.IsZero() {
		w.set(f, float64(t.UnixMilli())/1000, labels...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
