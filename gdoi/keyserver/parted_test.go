package keyserver

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
)

// TestSilenceInASplit: a member that does not acknowledge while a key server is out of reach may be acknowledging to that one.
// It stays on the list, also where the last rekey of the split is judged when both are one again: nothing else would tell it of
// keys out of turn. Once all are there, three rekeys end its membership as ever.
func TestSilenceInASplit(t *testing.T) {
	const judged = 2 * time.Minute // by then, a rekey has been
	for _, c := range []struct {
		name string
		// away and back are how long after each rekey a key server is lost and found; 0: not.
		away, back [3]time.Duration
		missed     int
		ejected    bool
	}{
		{"nobody is away", [3]time.Duration{}, [3]time.Duration{}, 3, true},
		{"away before the first", [3]time.Duration{time.Nanosecond, 0, 0}, [3]time.Duration{}, 0, false},
		{"back before the last is judged", [3]time.Duration{time.Nanosecond, 0, 0}, [3]time.Duration{0, 0, 3 * time.Second}, 0, false},
		{"away and back while one goes on", [3]time.Duration{0, time.Second, 0}, [3]time.Duration{0, 2 * time.Second, 0}, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newServers(t, 0, nil)[0]
			p.mustRegister(testPeer(1))
			p.run(judged)
			rekey := func() { p.shell.rekeyNow(false) }
			for i := range 3 {
				rekey()
				left := judged
				if d := c.away[i]; d > 0 {
					p.run(d)
					left -= d
					p.g.SetInStep(p.now, 1)
				}
				if d := c.back[i]; d > 0 {
					p.run(d)
					left -= d
					p.g.SetInStep(p.now, 2)
				}
				p.run(left)
			}
			if n := p.notes(gdoi.NoteRekeyUnacked); n != 3 {
				t.Errorf("%d rekeys are noted as not acknowledged", n)
			}
			if got := p.g.members.len() == 0; got != c.ejected {
				t.Fatalf("ejected: %v", got)
			}
			if c.ejected {
				return
			}
			if got := p.g.members.sorted[0].missed; got != c.missed {
				t.Errorf("%d rekeys missed; want %d", got, c.missed)
			}
			p.g.SetInStep(p.now, 2)
			for range 3 - c.missed {
				if p.g.members.len() != 1 {
					t.Fatal("it left the list too early")
				}
				rekey()
				p.run(judged)
			}
			if p.g.members.len() != 0 {
				t.Error("all key servers are there, and three rekeys in a row were not acknowledged")
			}
		})
	}
}
