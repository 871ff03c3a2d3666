package node

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// traitor is a key server of the group that says whatever it likes beside what it should.
type traitor struct {
	*rand.Rand
	f  *fleet
	me *realmServer
}

// message is one of any kind, with figures that are right, nearly right, or absurd.
func (x traitor) message() (coop.Message, bool) {
	i := x.f.info(x.me)
	term := x.number(i.Term)
	version := coop.Version{Term: x.number(i.Version.Term), N: x.number(i.Version.N)}
	switch x.IntN(11) {
	case 0, 1, 2:
		s := &coop.Status{
			From: 3, Priority: uint16(x.Uint32()), Role: coop.Role(x.IntN(2)), Ready: x.IntN(2) == 0, Eligible: x.IntN(2) == 0, Primary: coop.ID(x.IntN(4)),
			Term: term, Has: version, Epoch: x.number(i.Epoch), Members: x.Uint32(), Digest: x.me.group().Digest(), Ask: x.Uint32(), Answer: x.Uint32(), Time: time.Duration(x.Uint64() >> (2 + x.IntN(62))), Software: "x",
		}
		if s.Role == coop.Primary {
			s.Primary = 3
		}
		if x.IntN(4) == 0 {
			s.From, s.Digest[0] = coop.ID(1+x.IntN(8)), s.Digest[0]+1
		}
		return s, true
	case 3:
		return &coop.Key{DER: x.octets(x.me.cfg.SignPublic)}, false
	case 4:
		return &coop.Policy{Lines: []string{"permit everything", "x"}}, false
	case 5:
		return &coop.Join{Term: term, Have: version, Records: x.records()}, false
	case 6:
		from := x.number(i.Version.N)
		return &coop.State{Term: term, From: from, To: max(from, x.number(i.Version.N)), Full: x.IntN(2) == 0, Records: x.records()}, false
	case 7:
		return &coop.Have{Version: version}, false
	case 8:
		return &coop.Report{Term: term, N: x.number(1), Records: x.records()}, false
	case 9:
		switch x.IntN(3) {
		case 0:
			return &coop.Reported{Term: term, N: x.number(1)}, false
		case 1:
			return &coop.Rejoin{Term: term}, false
		default:
			return &coop.Broken{Term: term, Why: "no"}, false
		}
	default:
		return &coop.Handover{Term: term}, false
	}
}

func (x traitor) number(right uint64) uint64 {
	switch x.IntN(8) {
	case 0:
		return 0
	case 1:
		return right + 8
	case 2:
		return right - min(right, 8)
	case 3:
		return 1<<56 - uint64(x.IntN(9))
	case 4:
		return x.Uint64() >> x.IntN(64)
	}
	return right
}

func (x traitor) octets(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) > 0 && x.IntN(2) == 0 {
		b[x.IntN(len(b))] ^= 1 << x.IntN(8)
	}
	return b
}

// records are those of the group, some of them damaged.
func (x traitor) records() []machine.Record {
	rs := x.me.group().Since(x.f.now, 0)
	for i := range rs {
		if x.IntN(8) == 0 {
			rs[i].Value = x.octets(rs[i].Value)
		}
		if x.IntN(16) == 0 {
			rs[i].Value = nil
		}
	}
	x.Shuffle(len(rs), func(i, j int) { rs[i], rs[j] = rs[j], rs[i] })
	return rs[:x.IntN(len(rs)+1)]
}

// speak says something to one of the others.
func (x traitor) speak() {
	m, announcement := x.message()
	body := coop.Encode(string(blueID), m)
	if x.IntN(10) == 0 && len(body) > 0 {
		body = x.octets(body)
	}
	p := x.me.n.peers[x.IntN(2)]
	var out machine.Effects
	if announcement {
		out, _ = p.link.Announce(x.f.now, body, x.IntN(2) == 0, nil)
	} else {
		out, _ = p.link.Send(x.f.now, body, nil)
	}
	x.f.do(x.me.addr, out)
}

// TestTraitor: one of three key servers sends nonsense for minutes. It can do harm, since it has all keys; but the others
// neither crash nor multiply what it sends, and when it is gone they are as they should be, and members with them.
func TestTraitor(t *testing.T) {
	for seed := range uint64(traitorSeeds) {
		f := newFleet(t, 3, coop.FastTimers, short)
		x := traitor{rand.New(rand.NewPCG(seed, 3)), f, f.servers[2]}
		before := f.log
		f.run(30 * time.Second)
		quiet := f.log - before
		before = f.log
		said := 0
		for range 12 {
			for range 10 {
				x.speak()
				said++
				f.run(time.Duration(x.IntN(200)) * time.Millisecond)
			}
		}
		if n := f.log - before; n > 3*quiet+60*said {
			t.Errorf("seed %d: %d datagrams after %d lies; %d in quiet times", seed, n, said, quiet)
		}
		x.me.dead = true
		f.run(30 * time.Second)
		f.settled()
		f.join(gmAddr(99), f.servers[1].addr, f.servers[0].addr)
		f.run(15 * time.Minute)
		f.settled()
		if text := f.silent(); text != "" {
			f.fatal("seed %d: %s", seed, text)
		}
		if t.Failed() {
			f.trail()
			return
		}
	}
}

const traitorSeeds = 2
