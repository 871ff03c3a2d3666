package link

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMessages(t *testing.T) {
	p := newPath(t, 1).connect("one", 0).run(time.Second)
	p.want(0, "!")
	p.want(1, "!")
	for i := range 20 {
		p.send(0, fmt.Sprint("m", i))
		p.send(1, fmt.Sprint("n", i))
	}
	p.run(time.Second)
	p.want(1, append([]string{"!"}, numbered("m", 0, 20)...)...)
	p.want(0, append([]string{"!"}, numbered("n", 0, 20)...)...)
	for _, e := range p.ends {
		if e.Queued() != 0 || e.Stats(e.now(p.at)).Retransmits != 0 || len(e.errs) != 0 {
			t.Errorf("queued %d, %+v, errors %v", e.Queued(), e.Stats(e.now(p.at)), e.errs)
		}
		if _, ok := e.Deadline(); ok {
			t.Error("a timer runs though nothing is to be done")
		}
	}
}

// TestBadNetwork: loss, duplicates and other order change nothing of what arrives.
func TestBadNetwork(t *testing.T) {
	for seed := range uint64(40) {
		p := newPath(t, seed)
		p.fate = func(int) (at []time.Duration) {
			for range 1 + p.rand.IntN(2) {
				if p.rand.IntN(100) >= 35 {
					at = append(at, time.Duration(1+p.rand.IntN(40))*time.Millisecond)
				}
			}
			return at
		}
		p.connect("one", 0).run(5 * time.Second)
		for p.ends[0].peer == 0 || p.ends[1].peer == 0 { // announcements find the peer
			p.announce(0, "hello")
			p.announce(1, "hello")
			p.run(time.Second)
		}
		var want [2][]string
		p.ends[0].messages, p.ends[1].messages = nil, nil
		for i := range 30 {
			m := fmt.Sprint(i, strings.Repeat("x", p.rand.IntN(5000)))
			from := p.rand.IntN(2)
			want[1-from] = append(want[1-from], m)
			p.send(from, m)
			p.run(time.Duration(p.rand.IntN(50)) * time.Millisecond)
		}
		p.run(2 * time.Minute)
		for i, e := range p.ends {
			e.messages = slices.DeleteFunc(e.messages, func(m string) bool { return m == "hello" })
			if !slices.Equal(e.messages, want[i]) || e.Queued() != 0 {
				t.Fatalf("seed %d: end %d has %d messages of %d, %d octets wait", seed, i, len(e.messages), len(want[i]), e.Queued())
			}
		}
		if p.longest > DefaultDatagram {
			t.Errorf("a datagram of %d octets", p.longest)
		}
	}
}
