package node

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	cooplink "github.com/getvpn/getvpn/gdoi/coop/link"
	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
)

var brokenSeeds = flag.Int("broken-seeds", 1, "how many broken key servers to try")

// overhear collects what key servers say to each other: the bodies of frames that hold a whole message.
func (f *fleet) overhear(d machine.Datagram) (body []byte) {
	const announcement, data, last = 3, 2, 2
	s := f.serverAt(d.Local)
	h, err := isakmp.ParseHeader(d.Bytes)
	if s == nil || err != nil || h.Exchange != isakmp.ExchangeCoop {
		return nil
	}
	x := s.n.sessions[cookies{h.InitiatorCookie, h.ResponderCookie}]
	if x == nil {
		return nil
	}
	frame, err := x.ike.OpenCoop(d.Bytes)
	switch {
	case err != nil:
		return nil
	case frame[1] == announcement:
		return frame[76:]
	case frame[1] == data && frame[3]&last != 0:
		return frame[84:]
	}
	return nil
}

// broken makes another message of those that were overheard.
func broken(r *rand.Rand, said [][]byte) []byte {
	b := bytes.Clone(said[r.IntN(len(said))])
	switch r.IntN(6) {
	case 0: // as it was: out of place, and old
	case 1:
		b = b[:r.IntN(len(b)+1)]
	case 2:
		other := said[r.IntN(len(said))]
		b = append(b[:r.IntN(len(b)+1)], other[r.IntN(len(other)+1):]...)
	default:
		for range 1 + r.IntN(4) {
			if len(b) == 0 {
				break
			}
			i := r.IntN(len(b))
			switch r.IntN(4) {
			case 0:
				b[i] ^= 1 << r.IntN(8)
			case 1:
				b[i] = 0xff
			case 2:
				b[i] = 0
			default:
				for j := i; j < min(i+8, len(b)); j++ {
					b[j] = byte(r.Uint32())
				}
			}
		}
	}
	if len(b) == 0 {
		b = []byte{0}
	}
	return b
}

// TestBrokenKeyServer: one that is authentic and says anything, in any order, to others that run. None of them panics,
// none stops, and once it is off they are together again.
func TestBrokenKeyServer(t *testing.T) {
	for seed := range *brokenSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			f := newFleet(t, 0, coop.FastTimers, short)
			var said [][]byte
			f.lose = func(d machine.Datagram) bool {
				if b := f.overhear(d); len(b) > 0 && len(said) < 4000 {
					said = append(said, bytes.Clone(b))
				}
				return false
			}
			// Every kind of message: a rollover, a restart with and without a database, a handover.
			f.run(6 * time.Minute)
			f.servers[2].dead = true
			f.run(2 * time.Second)
			f.boot(f.servers[2])
			f.run(2 * time.Second)
			f.servers[1].dead, f.servers[1].disk = true, map[string]machine.Record{}
			f.boot(f.servers[1])
			f.run(2 * time.Second)
			evil := f.servers[r.IntN(3)]
			f.lose = nil
			for range 300 {
				for _, p := range evil.n.peers {
					b := broken(r, said)
					var out machine.Effects
					if r.IntN(2) == 0 && len(b) <= p.link.MaxAnnouncement() {
						out, _ = p.link.Announce(f.now, b, r.IntN(2) == 0, nil)
					} else {
						out, _ = p.link.Send(f.now, b, nil)
					}
					if r.IntN(40) == 0 {
						p.link.Abandon()
					}
					f.do(evil.addr, out)
				}
				f.run(time.Duration(r.IntN(100)) * time.Millisecond)
			}
			evil.dead = true
			f.run(30 * time.Second)
			f.settled()
			f.run(10 * time.Minute)
			f.settled()
		})
	}
}

// TestOnThePath: somebody between key servers loses, repeats, changes and keeps back what they say, over restarts too. All
// stays as it should be, and nobody changes roles for it.
func TestOnThePath(t *testing.T) {
	for seed := range *brokenSeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { onThePath(t, rand.New(rand.NewPCG(uint64(seed), 8))) })
	}
}

func onThePath(t *testing.T, r *rand.Rand) {
	f := newFleet(t, 4, coop.FastTimers, short)
	var kept []machine.Datagram
	f.lose = func(d machine.Datagram) bool {
		if f.serverAt(d.Local) == nil || f.serverAt(d.Remote) == nil {
			return false
		}
		if r.IntN(4) == 0 {
			if d.Bytes = bytes.Clone(d.Bytes); len(kept) < 3000 {
				kept = append(kept, d)
			} else {
				kept[r.IntN(len(kept))] = d
			}
		}
		return r.IntN(20) == 0
	}
	meddle := func(times int) {
		for range times {
			for range r.IntN(10) {
				d := kept[r.IntN(len(kept))]
				d.Bytes = bytes.Clone(d.Bytes)
				if r.IntN(3) == 0 {
					d.Bytes[r.IntN(len(d.Bytes))] ^= 1 << r.IntN(8)
				}
				f.flights = append(f.flights, flight{f.now.Mono.Add(latency), d})
			}
			f.run(time.Duration(r.IntN(300)) * time.Millisecond)
		}
	}
	f.run(time.Second)
	term := f.info(f.servers[0]).Term
	meddle(1000)
	for i := range 3 {
		f.servers[1+i%2].dead = true
		f.run(3 * time.Second)
		f.boot(f.servers[1+i%2])
		meddle(100)
	}
	f.run(5 * time.Second)
	if p := f.settled(); p.id != 1 || f.info(p).Term != term {
		t.Errorf("%d is primary in term %d; want 1 in %d", p.id, f.info(p).Term, term)
	}
	f.run(10 * time.Minute)
	f.settled()
	f.wantTogether()
	if d := f.servers[0].n.drops.list(); drops(d, cooplink.ReasonReplay) < 100 {
		t.Errorf("%v", d)
	}
}
