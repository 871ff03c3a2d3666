package pipeline_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/getvpn/getvpn/esp/pipeline"
	"github.com/getvpn/getvpn/esp/tun"
	"github.com/getvpn/getvpn/esp/tun/tuntest"
	"github.com/getvpn/getvpn/esp/wire"
	"github.com/getvpn/getvpn/esp/wire/wiretest"
)

// TestWorkersKeepFlowsInOrder runs two members of four workers each, under one SA. A pair of hosts has a queue of its own,
// as the kernel and a network card choose by addresses. Within each pair every packet must arrive, in order, although the
// workers draw their sequence numbers from one counter and fill one window. The window is as long as the test: a worker that
// is not scheduled may be overtaken by any number of packets of the others.
func TestWorkersKeepFlowsInOrder(t *testing.T) {
	defer goleak.VerifyNone(t)
	const workers, flows, count, window = 4, 12, 1000, 64
	var lan [2][]*tuntest.Device
	var devs [2][]tun.Device
	var conns [2][]wire.Conn
	for range workers {
		a, b := wiretest.Pair(4096, nil)
		conns[0], conns[1] = append(conns[0], a), append(conns[1], b)
		for side := range 2 {
			d := tuntest.New("gv0", 1446, 4096)
			lan[side], devs[side] = append(lan[side], d), append(devs[side], d)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 2)
	var pipes [2]*pipeline.Pipeline
	for side := range 2 {
		p, err := pipeline.New(pipeline.Config{LAN: devs[side], WAN: conns[side], Engine: newEngine(t, uint32(side+1)), Now: now})
		if err != nil {
			t.Fatal(err)
		}
		pipes[side] = p
		go func() { done <- p.Run(ctx) }()
	}
	// Each queue has its own feeder, which keeps less under way than the queues in memory hold.
	failed := make(chan error, workers)
	for q := range workers {
		go func() { failed <- flow(lan[0][q], lan[1][q], q, flows/workers, count, window) }()
	}
	for range workers {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	stop()
	for range 2 {
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	if s := pipes[1].Stats(); s.ToLAN != flows*count {
		t.Errorf("%+v", s)
	}
}

// flow sends count packets of each of so many pairs of hosts through one queue.
func flow(from, to *tuntest.Device, queue, pairs, count, window int) error {
	next := make([]uint32, pairs)
	for sent, got := 0, 0; got < pairs*count; got++ {
		for ; sent < pairs*count && sent < got+window; sent++ {
			src := fmt.Sprintf("10.1.%d.%d", queue+1, sent%pairs)
			from.Inject(udp(src, "10.2.0.9", 9, 100, true, uint32(sent/pairs)))
		}
		p := to.Next(30 * time.Second)
		if len(p) != 100 || int(p[14]) != queue+1 || int(p[15]) >= pairs {
			return fmt.Errorf("queue %d: %x after %d packets", queue, p, got)
		}
		if n := binary.BigEndian.Uint32(p[28:]); n != next[p[15]] {
			return fmt.Errorf("queue %d, pair %d: number %d where %d is due", queue, p[15], n, next[p[15]])
		}
		next[p[15]]++
	}
	return nil
}
