package engine

import (
	"slices"

	"github.com/getvpn/getvpn/esp"
	"github.com/getvpn/getvpn/esp/sadb"
	"github.com/getvpn/getvpn/esp/spd"
)

// ICMP errors are limited for each worker, RFC 1812 §4.3.2.8.
const (
	icmpBurst    = 50
	icmpInterval = Instant(10e6) // one more every 10 ms
)

// Worker is the engine as one goroutine uses it: whatever a packet needs that should not be shared.
type Worker struct {
	engine   *Engine
	reader   *sadb.Reader
	context  esp.Context
	outCache spd.Cache
	inCache  spd.Cache

	// Fixed for the length of a batch.
	now   Instant
	view  *sadb.View
	table *spd.Table
	mss4  uint16
	mss6  uint16
	paths *paths

	size sizePolicy // the engine's

	sent sent

	scratch [][]byte // for fragments and ICMP errors
	used    int      // of scratch in this batch

	icmpTokens int
	icmpAt     Instant

	counts batchCounts
	times  []timeCounts // by group
	totals totals
}

// NewWorker makes a worker for one goroutine.
func (e *Engine) NewWorker() *Worker {
	w := &Worker{engine: e, reader: e.db.NewReader(), size: e.size, icmpTokens: icmpBurst, times: make([]timeCounts, len(e.times))}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.workers = append(e.workers, w)
	return w
}

// Close gives up the worker. Its counts stay.
func (w *Worker) Close() {
	w.reader.Close()
	e := w.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if i := slices.Index(e.workers, w); i >= 0 {
		e.workers = slices.Delete(e.workers, i, i+1)
		e.closed.addAll(&w.totals)
		for i := range w.times {
			e.closedTimes[i].add(&w.times[i])
		}
	}
}

func (w *Worker) begin(now Instant) {
	w.now = now
	for { // a table, and the SAs of a moment at which it was in force
		w.table = w.engine.table.Load()
		w.view = w.reader.Enter()
		if w.table == w.engine.table.Load() {
			break
		}
		w.reader.Leave()
	}
	w.mss4, w.mss6 = w.engine.maxMSS(4), w.engine.maxMSS(6)
	w.paths = w.engine.paths.Load()
	w.used = 0
}

func (w *Worker) end() {
	w.totals.publish(&w.counts)
	w.view, w.table = nil, nil
	w.reader.Leave()
}

// Outbound decides about packets from the LAN or from this host and appends the results to out. Results refer to the
// packets' buffers or to the worker's own; the latter are good until the worker's next call.
func (w *Worker) Outbound(now Instant, batch []Packet, out []Result) []Result {
	w.begin(now)
	w.sent.mu.Lock()
	for i := range batch {
		out = w.outbound(&batch[i], out)
	}
	w.sent.mu.Unlock()
	w.end()
	return out
}

// Inbound decides about ESP packets from the WAN, with their outer header, and appends the results to out. Packets are
// opened in their own buffers.
func (w *Worker) Inbound(now Instant, batch []Packet, out []Result) []Result {
	w.begin(now)
	for i := range batch {
		out = append(out, w.inbound(&batch[i]))
	}
	w.end()
	return out
}

func (w *Worker) drop(r Reason) Result {
	w.totals.drops[r].Add(1)
	return Result{Action: Drop, Reason: r}
}

// buffer returns a buffer that holds a packet of n octets with room around it. Buffers are used again in every batch.
func (w *Worker) buffer(n int) []byte {
	n += esp.Headroom + esp.Tailroom
	if w.used == len(w.scratch) {
		w.scratch = append(w.scratch, nil)
	}
	b := &w.scratch[w.used]
	if len(*b) < n {
		*b = make([]byte, n)
	}
	w.used++
	return *b
}

// mayICMP takes a token.
func (w *Worker) mayICMP() bool {
	if w.icmpTokens < icmpBurst {
		gained := max(0, (w.now-w.icmpAt)/icmpInterval)
		w.icmpAt += gained * icmpInterval
		w.icmpTokens = int(min(icmpBurst, Instant(w.icmpTokens)+gained))
	}
	if w.icmpTokens == icmpBurst {
		w.icmpAt = w.now
	}
	if w.icmpTokens == 0 {
		return false
	}
	w.icmpTokens--
	return true
}
