package keyserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestWindowsAreDisjoint: whatever two key servers know of each other, they use different sequence numbers.
func TestWindowsAreDisjoint(t *testing.T) {
	owner := map[uint32]coop.ID{}
	for id := coop.ID(1); id <= coop.MaxKeyServers; id++ {
		g := &Group{cfg: Config{Coop: &Cooperation{ID: id}}}
		for _, known := range []uint32{0, 1, 65535, 65536, 3<<16 + 5, 100<<16 + 65535, 65000 << 16} {
			k := &kek{seq: known}
			g.openWindow(k)
			for range 3 * 65536 {
				if next := g.nextSeq(k); next <= known {
					t.Fatalf("key server %d uses %x after %x", id, next, known)
				}
				w := k.seq >> windowBits
				if o, ok := owner[w]; ok && o != id {
					t.Fatalf("window %d is that of %d and %d", w, o, id)
				}
				owner[w] = id
			}
		}
		for _, known := range []uint32{1<<32 - 1, 0xfffa0000} {
			k := &kek{seq: known}
			if g.openWindow(k); !g.spent(k) && k.seq <= known {
				t.Errorf("key server %d goes on at %x after %x", id, k.seq, known)
			}
		}
	}
}

// TestSpentKEK: when there are no windows any more, the KEK is replaced.
func TestSpentKEK(t *testing.T) {
	s := newShell(t, shared(t, 1))
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	old := s.g.keks[0]
	old.seq = 1<<32 - 10
	s.run(time.Second)
	if k := s.g.keks[len(s.g.keks)-1]; k == old || s.g.spent(k) || old.seq != 1<<32-10 {
		t.Errorf("after the last window there is a KEK with %x", k.seq)
	}
}

// TestLostRecords: a key server without records leaves a gap after what others know of its sender ids, once it has any
// behind it, and in the windows of sequence numbers.
func TestLostRecords(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	s.follow(p)
	s.report(p)
	first := s.g.sidNext
	if _, err := s.register(testPeer(1), 1); err != nil || s.g.sidNext != first+1 {
		t.Fatal(err)
	}
	s.report(p)
	for i := range byte(5) { // nobody hears of these
		if _, err := s.register(testPeer(10+i), 1); err != nil {
			t.Fatal(err)
		}
	}
	s.disk = map[string]machine.Record{}
	s.shell.start(shared(t, 2))
	s.has = 0
	s.follow(p)
	if want := first + 1 + s.g.cfg.SIDCount/gapPart; s.g.sidNext < want {
		t.Errorf("it goes on at %d; want %d or more", s.g.sidNext, want)
	}
	s.do(s.g.TakeOver(s.now, 2, nil))
	if w := s.g.keks[0].seq >> windowBits; w < 1<<16/gapPart || w%8 != 2 {
		t.Errorf("it goes on in window %d", w)
	}
}

// TestLostRecordsOutOfReach: numbers under a KEK that a key server used while nobody heard of it, before it lost its records
// and became primary with keys of its own, do not come again when it meets the others.
func TestLostRecordsOutOfReach(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	s.follow(p)
	s.report(p)
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Fatal(err)
	}
	s.report(p)
	s.follow(p)
	spi := s.g.keks[0].spi
	s.do(s.g.TakeOver(s.now, 2, nil)) // out of reach
	used := s.g.keks[0].seq
	s.disk = map[string]machine.Record{}
	s.run(time.Minute)
	p.run(time.Minute)
	s.shell.start(shared(t, 2))
	s.do(s.g.TakeOver(s.now, 3, nil))
	_, out, err := s.g.Merge(s.now, p.skew-s.skew, 1, p.g.Since(p.now, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	seq := s.g.past.ended[kekKey(spi)].seq
	if k := s.g.kekWith(spi); k != nil {
		seq = k.seq
	}
	s.do(out)
	if used>>windowBits == 0 || seq>>windowBits <= used>>windowBits {
		t.Errorf("it used number %d before, and goes on at %d", used, seq)
	}
}

// TestLostRecordsFollower: the same where the other one wins, and tells this key server of the KEK as of its own.
func TestLostRecordsFollower(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	s.follow(p)
	s.report(p)
	spi := s.g.keks[0].spi
	s.do(s.g.TakeOver(s.now, 2, nil)) // out of reach
	used := s.g.keks[0].seq
	s.disk = map[string]machine.Record{}
	s.run(time.Minute)
	p.run(time.Minute)
	s.shell.start(shared(t, 2))
	s.do(s.g.TakeOver(s.now, 3, nil))
	s.do(s.g.StandDown(s.now, nil))
	s.shell.start(shared(t, 2)) // what it does not know is on its disk
	s.has = 0
	s.follow(p)
	k := s.g.kekWith(spi)
	s.do(s.g.TakeOver(s.now, 4, nil))
	if used>>windowBits == 0 || k.seq>>windowBits <= used>>windowBits {
		t.Errorf("it used number %d before, and goes on at %d", used, k.seq)
	}
	// It loses its records once more, and nobody heard of what it used.
	used = k.seq
	s.disk = map[string]machine.Record{}
	s.run(time.Minute)
	p.run(time.Minute)
	s.shell.start(shared(t, 2))
	s.has = 0
	s.follow(p)
	s.do(s.g.TakeOver(s.now, 5, nil))
	if k := s.g.kekWith(spi); k.seq>>windowBits <= used>>windowBits {
		t.Errorf("it used number %d in its second life, and goes on at %d in its third", used, k.seq)
	}
	// A KEK that is younger than its records leaves no gap.
	s.run(time.Second)
	p.run(time.Second)
	if _, out, err := p.g.Rekey(p.now, true, nil); err != nil {
		t.Fatal(err)
	} else {
		p.do(out)
	}
	s.do(s.g.StandDown(s.now, nil))
	s.has = 0
	s.follow(p)
	s.do(s.g.TakeOver(s.now, 6, nil))
	if w := s.g.keks[len(s.g.keks)-1].seq >> windowBits; w > 16 {
		t.Errorf("a KEK that cannot have been its own begins in window %d", w)
	}
}

// TestLostSenderIDsAfterAFreshBeginning: a key server gives sender ids of which nobody hears, loses its records, gives some
// under keys of its own, and meets the others again: under their keys it gives none of before (simulator seeds 1669, 2174).
func TestLostSenderIDsAfterAFreshBeginning(t *testing.T) {
	for _, bits := range []int{16, 24} {
		for _, given := range []int{1, 40} { // since
			all := newServers(t, 0, func(c *Config) { c.SIDBits = bits })
			cfg := shared(t, 2)
			cfg.SIDBits = bits
			p, s := all[0], all[1]
			s.follow(p)
			s.report(p)
			if _, err := s.register(testPeer(1), 1); err != nil {
				t.Fatal(err)
			}
			s.report(p)
			s.follow(p)
			s.do(s.g.TakeOver(s.now, 2, nil)) // out of reach
			for i := range byte(30) {
				if _, err := s.register(testPeer(10+i), 1); err != nil {
					t.Fatal(err)
				}
			}
			before := s.g.sidNext
			s.disk = map[string]machine.Record{}
			s.run(time.Second)
			p.run(time.Second)
			s.shell.start(cfg)
			s.do(s.g.TakeOver(s.now, 3, nil))
			for i := range given {
				if _, err := s.register(testPeer(100+byte(i)), 1); err != nil {
					t.Fatal(err)
				}
			}
			s.do(s.g.StandDown(s.now, nil))
			if _, out, err := p.g.Merge(p.now, 0, 2, s.g.Since(s.now, 0), nil); err != nil {
				t.Fatal(err)
			} else {
				p.do(out)
			}
			s.has = 0
			s.follow(p)
			if s.g.sidNext < before {
				t.Errorf("%d bits: it gave ids up to %d, lost its records, and goes on at %d", bits, before, s.g.sidNext)
			}
			s.report(p)
			next := s.g.sidNext
			s.follow(p)
			s.has = 0
			s.follow(p)
			if s.g.sidNext != next {
				t.Errorf("%d bits: the gap is left again: from %d to %d", bits, next, s.g.sidNext)
			}
		}
	}
}

// TestLostRecordsOfFewSenderIDs: where ids are few, none are given until nobody has those of before.
func TestLostRecordsOfFewSenderIDs(t *testing.T) {
	few := func(c *Config) { c.SIDBits = 8 }
	all := newServers(t, 0, few)
	p, s := all[0], all[1]
	cfg := shared(t, 2)
	few(&cfg)
	s.follow(p)
	s.report(p)
	s.disk = map[string]machine.Record{}
	s.shell.start(cfg)
	s.has = 0
	s.follow(p)
	s.report(p)
	if _, err := s.register(testPeer(1), 1); !errors.Is(err, ErrNoSenderIDs) {
		t.Errorf("registration: %v", err)
	}
	s.shell.start(cfg)
	s.g.SetReady(true, "")
	if _, err := s.register(testPeer(1), 1); !errors.Is(err, ErrNoSenderIDs) {
		t.Errorf("registration after a restart: %v", err)
	}
	runAll(all, 26*time.Hour)
	s.follow(p)
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

// TestUnknownSenderIDs: no more than a sixteenth are given of which nobody else knows, under keys that others have.
func TestUnknownSenderIDs(t *testing.T) {
	s := newShell(t, func() Config { c := shared(t, 2); c.SIDBits = 16; return c }())
	s.run(time.Minute)
	s.g.SetInStep(s.now, 1)
	s.do(s.g.Replicated(s.now, s.g.Head(), nil))
	s.g.SetInStep(s.now, 0)
	n := 0
	for ; n < 2000; n++ {
		s.run(time.Second)
		if _, err := s.register(manyPeers(n%1000), 1); err != nil {
			if !errors.Is(err, ErrNoSenderIDs) {
				t.Fatal(err)
			}
			break
		}
	}
	if n != 512 {
		t.Errorf("%d registrations while nobody else could be told; want 512", n)
	}
	s.run(time.Hour) // the keys that others know have ended
	if _, err := s.register(testPeer(1), 1); err != nil {
		t.Error(err)
	}
}

// TestSenderIDsOfOneKeyServerRunOut: what a secondary cannot do the primary does, when all are there.
func TestSenderIDsOfOneKeyServerRunOut(t *testing.T) {
	all := newServers(t, 0, func(c *Config) { c.SIDBits = 8 })
	p, s := all[0], all[1]
	s.follow(p)
	for i := 0; ; i++ {
		s.report(p)
		s.follow(p)
		s.run(time.Minute)
		p.run(time.Minute)
		_, err := s.register(manyPeers(i%20), 1)
		if err == nil {
			if i > 32 {
				t.Fatal("more registrations than ids")
			}
			s.report(p)
			continue
		}
		if !errors.Is(err, ErrNoSenderIDs) || i != 32 {
			t.Fatalf("registration %d: %v", i, err)
		}
		break
	}
	s.report(p)
	s.follow(p)
	if p.notes(gdoi.NoteGroupReset) != 1 || s.g.sidNext != s.g.cfg.SIDFirst {
		t.Fatalf("%d resets, next id %d", p.notes(gdoi.NoteGroupReset), s.g.sidNext)
	}
	if _, err := s.register(manyPeers(1), 1); err != nil {
		t.Error(err)
	}
	// Out of reach of the others there is no reset.
	p.g.SetInStep(p.now, 1)
	for i := range 100 {
		p.run(time.Minute)
		if _, err := p.register(manyPeers(i%20), 1); err != nil {
			if !errors.Is(err, ErrNoSenderIDs) || i != 32 {
				t.Errorf("registration %d: %v", i, err)
			}
			break
		}
	}
	if p.notes(gdoi.NoteGroupReset) != 1 {
		t.Error("all keys were withdrawn while a key server was out of reach")
	}
}

// TestFormerlyAlone: a key server that was the only one has given ids of what is now the part of others.
func TestFormerlyAlone(t *testing.T) {
	cfg := testConfig(t)
	cfg.SIDBits = 8
	s := newShell(t, cfg)
	used := map[gdoi.SID]bool{}
	for i := range 70 {
		sids, err := s.register(manyPeers(i), 1)
		if err != nil {
			t.Fatal(err)
		}
		used[sids[0]] = true
	}
	spi := s.g.teks[0].spi
	all := newServers(t, 0, func(c *Config) { c.SIDBits = 8 })
	for i, o := range all {
		c := shared(t, o.id)
		c.SIDBits = 8
		if i == 0 {
			o.disk = s.disk
		}
		o.shell.start(c)
		o.has = 0
	}
	all[0].do(all[0].g.TakeOver(all[0].now, 1, nil))
	if all[0].g.teks[0].spi != spi {
		t.Error("the keys are not those of before")
	}
	for _, o := range all[1:] {
		o.follow(all[0])
		o.report(all[0])
	}
	refused := 0
	for i := range 60 {
		sids, err := all[i%3].register(manyPeers(100+i), 1)
		if errors.Is(err, ErrNoSenderIDs) {
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if used[sids[0]] {
			t.Fatalf("id %d is given twice", sids[0])
		}
		used[sids[0]] = true
	}
	if refused != 42 {
		t.Errorf("%d registrations refused; want all but 18: the parts of the first two key servers are used up, and 6 ids of the third", refused)
	}
}

// TestSharedGroupAtRandom: registrations anywhere, crashes with and without records, takeovers that nobody was prepared for,
// former primaries that come back. No sender id, SPI or sequence number comes twice under one set of keys.
func TestSharedGroupAtRandom(t *testing.T) {
	for seed := range uint64(30) {
		randomLife(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

type life struct {
	t     *testing.T
	all   []*server
	p     int
	term  uint64
	alive []bool
	sids  map[gdoi.SID]string
	seen  map[string]bool
	marks []int
}

func randomLife(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	l := &life{t: t, all: newServers(t, time.Duration(seed)*time.Second, nil), term: 1, alive: []bool{true, true, true}, sids: map[gdoi.SID]string{}, seen: map[string]bool{}, marks: make([]int, 3)}
	for _, s := range l.all[1:] {
		l.join(s, l.all[0])
	}
	for step := range 120 {
		i := r.IntN(3)
		s, p := l.all[i], l.all[l.p]
		switch op := r.IntN(12); {
		case op < 4 && l.alive[i]:
			sids, err := s.register(testPeer(byte(1+r.IntN(30))), 1)
			if err != nil && !errors.Is(err, ErrStandby) && !errors.Is(err, ErrTooOften) && !errors.Is(err, ErrNoSenderIDs) {
				t.Errorf("step %d: %v", step, err)
			}
			for _, sid := range sids {
				if who, ok := l.sids[sid]; ok {
					t.Errorf("step %d: key server %d gives id %d, as did %s", step, s.id, sid, who)
				}
				l.sids[sid] = fmt.Sprintf("%d at step %d", s.id, step)
			}
		case op < 7 && i != l.p && l.alive[i] && l.alive[l.p]:
			s.report(p)
			s.follow(p)
		case op == 7 && i != l.p && l.alive[i]: // the primary dies, s takes over
			l.alive[l.p] = false
			l.p = i
			l.term++
			s.g.SetInStep(s.now, 0)
			s.do(s.g.TakeOver(s.now, l.term, nil))
			for j, o := range l.all {
				if j != i {
					o.has = 0
					o.g.SetReady(false, "")
				}
			}
		case op == 8 && i != l.p: // a crash, sometimes with the loss of the disk
			if r.IntN(3) == 0 {
				s.disk = map[string]machine.Record{}
			}
			l.alive[i] = false
		case op == 9 && i != l.p && !l.alive[i]: // it comes back
			s.shell.start(shared(t, s.id))
			l.join(s, p)
			l.alive[i] = true
		case op == 10:
			d := time.Duration(r.IntN(40)) * time.Minute
			for j, o := range l.all {
				if l.alive[j] {
					o.run(d)
				} else {
					o.advance(o.now.Mono.Add(d))
				}
			}
		case op == 11 && i != l.p && l.alive[i] && s.has == 0:
			l.join(s, p)
		}
		l.check(step)
	}
}

// join brings somebody into step who may have more than the primary.
func (l *life) join(s, p *server) {
	_, n := s.g.Reports(s.now)
	if records := s.g.Since(s.now, 0); s.g.epoch > 0 {
		_, out, err := p.g.Merge(p.now, s.skew-p.skew, s.id, records, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		p.do(out)
		s.g.Reported(n)
	}
	s.has = 0
	s.follow(p)
	s.report(p)
}

// check looks at what was sent and made since: nothing comes twice.
func (l *life) check(step int) {
	for i, s := range l.all {
		for _, e := range s.out[l.marks[i]:] {
			n, ok := e.(machine.Note)
			if !ok || n.Name != gdoi.NoteRekeySent && n.Name != gdoi.NoteTEKCreated {
				continue
			}
			var seq uint64
			name := n.Name
			for _, f := range n.Fields {
				switch f.Key {
				case "seq":
					_, _ = fmt.Sscan(f.Value, &seq)
				case "kek", "spi":
					name += " " + f.Value
				}
			}
			unique := fmt.Sprintf("%s %x", name, seq)
			if l.seen[unique] {
				l.t.Errorf("step %d: key server %d: %s comes twice", step, s.id, unique)
			}
			l.seen[unique] = true
		}
		l.marks[i] = len(s.out)
	}
}

// TestSPIsAfterACrash: a primary that dies before its new TEK is on its disk, but not before another key server has it, gives
// that SPI to no other key.
func TestSPIsAfterACrash(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	s.follow(p)
	before := map[string]machine.Record{}
	for k, r := range p.disk {
		before[k] = r
	}
	p.rekey(false)
	s.follow(p)
	spi := p.g.newest(p.g.chains[0]).spi
	p.disk = before
	p.shell.start(shared(t, 1))
	s.do(s.g.TakeOver(s.now, 2, nil))
	runAll(all, 3*time.Hour)
	p.do(p.g.TakeOver(p.now, 3, nil))
	for range 4 {
		for _, k := range p.g.teks {
			if k.spi == spi {
				t.Fatalf("SPI %v names two keys", spi)
			}
		}
		p.run(40 * time.Minute)
	}
}

// TestFreshBeginnings: a key server that lost its records, and reaches nobody, makes keys of its own; when it meets members
// of its former life again, the sender ids that it has given since are others than theirs.
func TestFreshBeginnings(t *testing.T) {
	seen := map[uint64]bool{}
	for range 20 {
		s := newShell(t, shared(t, 1))
		s.disk = map[string]machine.Record{}
		for life := range byte(5) {
			s.lives = byte(len(seen)) + life
			s.start(shared(t, 1))
			seen[s.g.sidNext] = true
			s.disk = map[string]machine.Record{}
		}
	}
	if len(seen) < 30 {
		t.Errorf("%d different beginnings", len(seen))
	}
}

// TestSequenceOfAnEndedKEK: a KEK that has ended at one key server, after it used high numbers, and lives on at another one
// goes on above them.
func TestSequenceOfAnEndedKEK(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	s.follow(p)
	k := p.g.keks[0]
	high := uint32(700<<windowBits + 5)
	s.g.remember(kekKey(k.spi), s.now.Mono.Add(time.Hour), high)
	if _, out, err := p.g.Merge(p.now, 0, 2, s.g.Since(s.now, 0), nil); err != nil {
		t.Fatal(err)
	} else {
		p.do(out)
	}
	if k.seq <= high || k.seq>>windowBits%8 != 1 {
		t.Errorf("the primary goes on at %x after %x", k.seq, high)
	}
	third := all[2]
	third.g.remember(kekKey(k.spi), third.now.Mono.Add(time.Hour), high*2)
	third.follow(p)
	if got := third.g.kekWith(k.spi).seq; got < high*2 {
		t.Errorf("a copy believes in %x after %x", got, high*2)
	}
}

// TestSequenceOfAKEKThatEndedElsewhere: a key server has used higher numbers of a KEK than its primary knows, for which the
// KEK has ended. It does not forget them when it follows (simulator seed 2582).
func TestSequenceOfAKEKThatEndedElsewhere(t *testing.T) {
	all := newServers(t, 0, nil)
	p, s := all[0], all[1]
	s.follow(p)
	key, high := kekKey(p.g.keks[0].spi), uint32(700<<windowBits+5)
	until := s.now.Mono.Add(time.Hour)
	s.g.remember(key, until, high)
	p.g.remember(key, until, 3)
	p.do(p.g.flush(p.now, nil))
	for _, how := range []string{"a change", "everything"} {
		if how == "everything" {
			s.has = 0
		}
		s.follow(p)
		if got := s.g.past.ended[key].seq; got != high {
			t.Errorf("%s: it believes in %d after %d", how, got, high)
		}
	}
}
