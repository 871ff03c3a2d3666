package link

import (
	"fmt"
	"testing"
	"time"
)

// TestModel: whatever happens to processes, sessions and the path, messages of one process come in order and at most once,
// without a gap unless the receiver knows that the stream begins anew; and once all is well, all comes.
func TestModel(t *testing.T) {
	for seed := range uint64(150) {
		p := newPath(t, seed)
		loss, cut := p.rand.IntN(30), false
		p.fate = func(int) (at []time.Duration) {
			for range 1 + p.rand.IntN(12)/11 {
				if !cut && p.rand.IntN(100) >= loss {
					at = append(at, time.Duration(1+p.rand.IntN(30))*time.Millisecond)
				}
			}
			return at
		}
		process, count := [2]int{}, [2]int{}
		sessions := 0
		connect := func() { sessions++; p.connect(fmt.Sprintf("<%d>", sessions), p.rand.IntN(2)) }
		send := func(i int) { p.send(i, fmt.Sprintf("%d.%d", process[i], count[i])); count[i]++ }
		for range 120 {
			switch i := p.rand.IntN(2); p.rand.IntN(16) {
			case 0:
				process[i]++
				count[i] = 0
				p.restart(i)
				if e := p.ends[1-i]; len(e.sessions) > 3 { // the old sessions end some day
					e.Detach(e.sessions[0])
					e.sessions = e.sessions[1:]
				}
				connect()
			case 1:
				connect()
			case 2:
				p.ends[i].Abandon() // this end knows
				p.ends[i].messages = append(p.ends[i].messages, "!")
			case 3:
				cut = !cut
			case 4, 5, 6:
				p.announce(i, "a")
			default:
				send(i)
			}
			p.run(time.Duration(p.rand.IntN(60)) * time.Millisecond)
		}
		cut, loss = false, 10
		connect()
		for range 100 { // and both announce themselves, as key servers do
			p.announce(0, "a")
			p.announce(1, "a")
			p.run(200 * time.Millisecond)
		}
		for i, e := range p.ends {
			if n := e.Queued(); n != 0 {
				t.Fatalf("seed %d: end %d: %d octets wait", seed, i, n)
			}
			e.messages = append(e.messages, "final")
			send(i)
		}
		p.run(20 * time.Second)
		for i, e := range p.ends {
			final, from, next, anew := false, -1, 0, false
			for _, m := range e.messages {
				var proc, n int
				switch {
				case m == "a":
					continue
				case m == "!":
					anew = true
					continue
				case m == "final":
					final = true
					continue
				}
				if _, err := fmt.Sscanf(m, "%d.%d", &proc, &n); err != nil {
					t.Fatal(err)
				}
				if proc < from || proc == from && n < next || proc == from && n > next && !anew {
					t.Fatalf("seed %d: end %d got %s after %d.%d: %v", seed, i, m, from, next-1, e.messages)
				}
				from, next, anew = proc, n+1, false
				if final && n != count[1-i]-1 {
					t.Fatalf("seed %d: end %d got %s last; %d were sent", seed, i, m, count[1-i])
				}
			}
			if from != process[1-i] || next != count[1-i] {
				t.Fatalf("seed %d: end %d got %d.%d last; want %d.%d", seed, i, from, next-1, process[1-i], count[1-i]-1)
			}
		}
	}
}
