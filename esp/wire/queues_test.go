package wire

import (
	"fmt"
	"testing"
	"time"
)

// TestQueues: with several queues every packet comes to one Conn, whichever queue it came on, and each Conn sends.
func TestQueues(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, row := range []struct {
		mode           Mode
		queues, wanted int
		conns          int
	}{{XDP, 2, 2, 2}, {XDP, 2, 1, 1}, {XDP, 1, 4, 1}, {Packet, 1, 3, 3}, {Raw, 1, 2, 2}} {
		t.Run(fmt.Sprintf("%s %d of %d", row.mode, row.wanted, row.queues), func(t *testing.T) {
			w := newWideWAN(t, row.queues)
			l, err := Open(Config{Device: "wan0", Mark: 0x848, Mode: row.mode, Queues: row.wanted})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if len(l.Conns) != row.conns {
				t.Fatalf("%d Conns", len(l.Conns))
			}
			all := make(chan gotPacket, 4096)
			for i, c := range l.Conns {
				w.send(c, v4("10.1.0.5", "10.77.1.2", byte(i+1), 200), byte(i+1))
				in := background(c)
				go func() {
					for g := range in {
						if all <- g; g.err != nil {
							return
						}
					}
				}()
			}
			const count = 256
			seen := map[byte]int{}
			for i := range count {
				w.inject(w.self(), v4(fmt.Sprintf("10.77.1.%d", i), "10.1.0.5", byte(i), 200))
			}
			for len(seen) < count {
				seen[next(t, all)[20]]++
			}
			select { // nothing twice: what was sent last is the last
			case g := <-all:
				t.Errorf("one too many: %x %v", g.p, g.err)
			case <-time.After(100 * time.Millisecond):
			}
			for mark, n := range seen {
				if n != 1 {
					t.Errorf("%d came %d times", mark, n)
				}
			}
		})
	}
}
