package sadb_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/getvpn/getvpn/esp/replay"
	"github.com/getvpn/getvpn/esp/sadb"
)

// TestReplayMemory says what the windows of 10,000 senders under one SA take: of senders of a few packets, as most are, and
// of those with more than the window holds.
func TestReplayMemory(t *testing.T) {
	const senders = 10_000
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, row := range []struct {
		window, packets int
		most            uint64 // octets for each sender
	}{{replay.DefaultSize, 60, 100}, {replay.DefaultSize, 1000, 240}, {replay.DefaultSize, 1 << 20, 240}, {replay.MaxSize, 60, 100}, {replay.MaxSize, 1000, 240}, {replay.MaxSize, 1 << 20, 8400}} {
		t.Run(fmt.Sprintf("window %d, %d packets", row.window, row.packets), func(t *testing.T) {
			db := sadb.New(senders)
			p := params(1, 7)
			p.Window = row.window
			must(t, db.Add(p))
			r := db.NewReader()
			e := r.Enter().Inbound(1)
			before := heap()
			for sid := range uint64(senders) {
				step := max(1, row.packets/16)
				for n := step; n <= row.packets; n += step {
					if fresh, room := e.CommitReplay(sid, uint32(n)); !fresh || !room {
						t.Fatal(sid, n)
					}
				}
			}
			took := heap() - before
			t.Logf("%.2f MB, %d octets for each sender", float64(took)/1e6, took/senders)
			if took/senders > row.most {
				t.Errorf("more than %d octets for each sender", row.most)
			}
			r.Leave()
			r.Close()
			runtime.KeepAlive(db)
		})
	}
}
