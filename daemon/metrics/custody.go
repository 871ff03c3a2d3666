package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/getvpn/getvpn/daemon/control"
)

func (w *writer) custody(c *control.Custody) {
	w.set(custodyReady, truth(c.Ready), c.Backend)
	w.set(custodyDegraded, float64(len(c.Degraded)))
	uses := map[string]int{}
	for i := range c.Keys {
		k := &c.Keys[i]
		if k.Problem != "" {
			uses["problem"]++
		} else {
			uses[k.Use]++
		}
	}
	for use, n := range uses {
		w.set(custodyKeys, float64(n), use)
	}
	for i := range c.Latency {
		l := &c.Latency[i]
		w.set(custodyFailed, float64(l.Failed), l.Operation)
		w.ch <- latency(l)
	}
	w.set(custodyQueue, float64(c.Queue.Busy), "busy")
	w.set(custodyQueue, float64(c.Queue.Waiting), "waiting")
	w.set(custodyLimit, float64(c.Queue.Limit))
	w.set(custodyLost, float64(c.Queue.Refused), "refused")
	w.set(custodyLost, float64(c.Queue.Abandoned), "abandoned")
	w.set(custodyLogins, float64(c.Queue.Reopened))
}

// latency is the histogram that the custody keeps, in seconds and as Prometheus counts, where a bucket holds those before it.
func latency(l *control.CustodyLatency) prometheus.Metric {
	buckets, sum := map[float64]uint64{}, uint64(0)
	for i, bound := range control.CustodyBounds {
		if i < len(l.Buckets) {
			sum += l.Buckets[i]
		}
		buckets[bound/1000] = sum
	}
	m, err := prometheus.NewConstHistogram(custodyCalls.desc, l.Count, l.Mean*float64(l.Count)/1000, buckets, label(l.Operation))
	if err != nil {
		panic(fmt.Sprintf("metrics: %v", err))
	}
	return m
}
