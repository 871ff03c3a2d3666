package node

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestEverythingComesAgain: somebody on the path keeps what he sees, and sends it again, as it was, damaged, or to somebody
// else, while key servers are elected, die, come back and are apart. It changes nothing.
func TestEverythingComesAgain(t *testing.T) {
	for _, mode := range []coop.Split{coop.Fork, coop.Continue} {
		t.Run(mode.String(), func(t *testing.T) {
			f := newFleetThat(t, mode, 3, coop.FastTimers, ownKeys(t, short))
			r := rand.New(rand.NewPCG(uint64(mode), 11))
			var kept []machine.Datagram
			f.lose = func(d machine.Datagram) bool {
				if len(kept) < 20000 {
					kept = append(kept, machine.Datagram{Local: d.Local, Remote: d.Remote, Bytes: bytes.Clone(d.Bytes)})
				} else {
					kept[r.IntN(len(kept))] = machine.Datagram{Local: d.Local, Remote: d.Remote, Bytes: bytes.Clone(d.Bytes)}
				}
				return false
			}
			again := func(d time.Duration) {
				for end := f.now.Mono.Add(d); f.now.Mono < end; {
					for range r.IntN(8) {
						if len(kept) == 0 {
							break
						}
						x := kept[r.IntN(len(kept))]
						x.Bytes = bytes.Clone(x.Bytes)
						switch r.IntN(6) {
						case 0:
							x.Bytes[r.IntN(len(x.Bytes))] ^= 1 << r.IntN(8)
						case 1:
							x.Local = kept[r.IntN(len(kept))].Local
						case 2:
							x.Local, x.Remote = x.Remote, x.Local
						case 3:
							x.Remote = kept[r.IntN(len(kept))].Remote
						}
						if x.Local != x.Remote {
							f.flights = append(f.flights, flight{f.now.Mono.Add(latency), x})
						}
					}
					f.run(500 * time.Millisecond)
				}
			}
			calm := func(what string) {
				t.Helper()
				f.settled()
				if text := f.silent(); text != "" {
					f.fatal("%s: %s", what, text)
				}
				if lost := f.lost(together); len(lost) > 0 && (mode == coop.Continue || what != "healed") {
					f.fatal("%s: %q", what, lost)
				}
			}
			again(7 * time.Minute)
			calm("a rollover")
			f.servers[0].dead = true
			again(2 * time.Second)
			calm("the primary died")
			again(time.Minute)
			f.boot(f.servers[0])
			again(10 * time.Second)
			calm("it came back")
			if p := f.settled(); p.id != 2 {
				t.Errorf("%d is primary", p.id)
			}
			f.split(1, 2, 2)
			again(3 * time.Minute)
			f.heal()
			again(2 * time.Minute)
			calm("healed")
			if n := f.notes[gdoi.NoteKeysExpired]; n != 0 {
				f.fatal("%d times a member was without keys", n)
			}
		})
	}
}
