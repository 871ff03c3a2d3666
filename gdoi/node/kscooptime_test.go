package node

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// moveTime gives a secondary a group time that is off by d, as a primary whose clock is set in the wrong moment may.
func (f *fleet) moveTime(s *realmServer, d time.Duration) {
	f.t.Helper()
	rec := s.disk["time"]
	var r map[string]any
	f.must(json.Unmarshal(rec.Value, &r))
	is, _ := s.group().Pseudotime(f.now)
	r["Time"], r["Wall"] = int64(is+d), f.now.Wall
	b, err := json.Marshal(r)
	f.must(err)
	out, _, err := s.group().Apply(f.now, 0, []machine.Record{{Bucket: rec.Bucket, Key: rec.Key, Value: b}}, false, nil)
	f.must(err)
	f.do(s.addr, out)
	if now, _ := s.group().Pseudotime(f.now); now != is+d {
		f.t.Fatalf("the time is off by %v; want %v", now-is, d)
	}
}

func (f *fleet) wrongTimes() (out [3]uint64) {
	for i, s := range f.servers {
		out[i] = f.info(s).WrongTime
	}
	return out
}

// TestFleetNoticesAWrongTime: over elections, merges, restarts and a clock that is set nobody's time is wrong; the one of a
// key server that is, is noticed by all, until the primary tells its own again.
func TestFleetNoticesAWrongTime(t *testing.T) {
	const window = 2 * time.Second
	f := newFleet(t, 0, coop.FastTimers, func(c *keyserver.Config) {
		short(c)
		c.AntiReplay = keyserver.AntiReplay{Window: window}
	})
	f.cut(0, 1, 1)
	f.run(30 * time.Second)
	f.heal()
	f.run(30 * time.Second)
	f.boot(f.servers[2])
	f.now.Wall = f.now.Wall.Add(time.Hour)
	f.run(10 * time.Second)
	primary := f.settled()
	var others []*realmServer
	for _, s := range f.servers {
		if s != primary {
			others = append(others, s)
		}
	}
	for i, d := range []time.Duration{0, window - 100*time.Millisecond} {
		f.moveTime(others[i], d)
		f.run(5 * time.Second)
	}
	if got := f.wrongTimes(); got != [3]uint64{} || f.notes[gdoi.NoteCoopWrongTime] != 0 {
		f.fatal("%v wrong times", got)
	}
	f.rekey(primary, false)
	f.run(time.Second)

	wrong := others[0]
	for round, d := range []time.Duration{window + 100*time.Millisecond, -time.Minute} {
		before := f.wrongTimes()
		f.moveTime(wrong, d)
		f.run(3 * time.Second)
		for i, n := range f.wrongTimes() {
			if n < before[i]+15 {
				f.fatal("off by %v: %d has counted %d", d, i+1, n-before[i])
			}
		}
		if n := f.notes[gdoi.NoteCoopWrongTime]; n != 4*(round+1) {
			f.fatal("told %d times; want %d: by two of one, and by one of two", n, 4*(round+1))
		}
		f.rekey(primary, false)
		f.run(time.Second)
		after := f.wrongTimes()
		f.run(5 * time.Second)
		if got := fmt.Sprint(f.wrongTimes()); got != fmt.Sprint(after) {
			f.fatal("%s after %v, though the primary has told its time", got, after)
		}
	}
}
