package keyserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// liar turns what a key server may send into what it must not.
type liar struct{ *rand.Rand }

func (l liar) one(s []any) any { return s[l.IntN(len(s))] }

// value is something else in the place of v.
func (l liar) value(v any) any {
	switch v := v.(type) {
	case json.Number:
		return l.one([]any{0, -1, 1, 255, 256, 65535, math.MaxUint32, math.MaxInt64, json.Number("18446744073709551615"), json.Number("1e300"), 1.5, "1", nil})
	case string:
		return l.one([]any{
			"", "x", strings.Repeat("A", 4000), "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1970-01-01T00:00:00+23:59", "2262-04-11T23:47:16Z",
			v + "=", v + v, v[:len(v)/2], "AAAA", "permit ip any any", "10.0.0.1:0", "224.0.0.1:1", "[::]:848", nil, 7, []any{v},
		})
	case []any:
		if len(v) > 0 && l.IntN(2) == 0 {
			i := l.IntN(len(v))
			v = slices.Clone(v)
			v[i] = l.value(v[i])
			return v
		}
		return l.one([]any{nil, []any{}, append(slices.Clone(v), v...), append(slices.Clone(v), "x"), "x", slices.Repeat(append(v, v...), 50)})
	case map[string]any:
		return l.object(v)
	case bool:
		return l.one([]any{!v, nil, 1})
	}
	return l.one([]any{0, "", true, []any{}, map[string]any{}})
}

func (l liar) object(m map[string]any) map[string]any {
	m = func() map[string]any {
		c := map[string]any{}
		for k, v := range m {
			c[k] = v
		}
		return c
	}()
	var names []string
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return m
	}
	for range 1 + l.IntN(2) {
		k := names[l.IntN(len(names))]
		if l.IntN(6) == 0 {
			delete(m, k)
		} else {
			m[k] = l.value(m[k])
		}
	}
	for _, k := range []string{"Slot", "SignHash", "Floor", "Left", "At", "Multicast", "Asked", "Asks"} {
		if l.IntN(40) == 0 {
			m[k] = l.value(json.Number("1"))
		}
	}
	return m
}

// record is another record in the place of r.
func (l liar) record(r machine.Record, others []machine.Record) machine.Record {
	r.Value = bytes.Clone(r.Value)
	switch l.IntN(8) {
	case 0:
		r.Value = nil
	case 1:
		r.Value = bytes.Clone(others[l.IntN(len(others))].Value)
	case 2:
		kind, name, _ := strings.Cut(r.Key, "/")
		r.Key = l.one([]any{
			"", "/", kind, kind + "/", kind + "/" + name + "x", kind + "//" + name, "lkh/00/00000000", "lkh/24/00ffffff", "lkh/-1/ffffffff", "lkh/99/00000001",
			"sids/9", "sids/0", "sids/1", "sids/2", "trust/3", "tek/00000001", "tek/ffffffff", "kek/00", "member/", "removed/", "ratchet/", "gone/00001001", "cut/00", "merge",
			strings.ToUpper(r.Key), others[l.IntN(len(others))].Key,
		}).(string)
	case 3:
		if len(r.Value) > 0 {
			r.Value[l.IntN(len(r.Value))] ^= 1 << l.IntN(8)
		}
	default:
		d := json.NewDecoder(bytes.NewReader(r.Value))
		d.UseNumber()
		var v any
		if d.Decode(&v) == nil {
			if b, err := json.Marshal(l.value(v)); err == nil {
				r.Value = b
			}
		}
	}
	return r
}

// records are some of them changed.
func (l liar) records(rs []machine.Record) []machine.Record {
	out := slices.Clone(rs)
	for range 1 + l.IntN(4) {
		i := l.IntN(len(out))
		switch l.IntN(12) {
		case 0:
			out = slices.Delete(out, i, i+1)
		case 1:
			out = append(out, out[i])
		default:
			out[i] = l.record(out[i], rs)
		}
		if len(out) == 0 {
			return rs
		}
	}
	if l.IntN(3) == 0 { // only what was changed and a few others
		l.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
		out = out[:1+l.IntN(len(out))]
	}
	return out
}

func (l liar) ahead() time.Duration {
	return l.one([]any{
		time.Duration(0), time.Duration(0), time.Duration(0), time.Second, -time.Hour, 24 * 365 * time.Hour, -24 * 365 * time.Hour, time.Duration(math.MaxInt64), time.Duration(math.MinInt64),
	}).(time.Duration)
}

// lived is a group with something of everything.
func lived(t testing.TB, split coop.Split, at time.Duration) []*server {
	all := newServers(t, time.Minute, func(c *Config) { c.Coop.Split, c.AntiReplay.Window = split, 10*time.Second })
	p := all[0]
	for i := range byte(6) {
		if _, err := p.register(testPeer(i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range all[1:] {
		s.follow(p)
		s.report(p)
	}
	runAll(all, time.Minute)
	p.remove("10.1.0.3")
	all[0].follow2(all[1:])
	if _, err := all[1].register(testPeer(9), 2); err != nil {
		t.Fatal(err)
	}
	all[1].report(p)
	runAll(all, at)
	p.g.Trust(p.now, 2, p.g.cfg.SignPublic, nil)
	all[0].follow2(all[1:])
	return all
}

func (s *server) follow2(others []*server) {
	for _, o := range others {
		o.follow(s)
	}
}

const liarSeeds = 60

// TestLiar: whatever another key server sends is refused, or taken without harm to this process: it goes on, takes over,
// registers and restarts.
func TestLiar(t *testing.T) {
	for seed := range uint64(liarSeeds) {
		if !lie(t, seed) {
			return
		}
	}
}

func lie(t *testing.T, seed uint64) (ok bool) {
	l := liar{rand.New(rand.NewPCG(seed, 7))}
	var did []string
	say := func(format string, args ...any) { did = append(did, fmt.Sprintf(format, args...)) }
	defer func() {
		if r := recover(); r != nil || t.Failed() {
			t.Errorf("seed %d: %v\n%s", seed, r, strings.Join(did, "\n"))
			if r != nil {
				panic(r)
			}
		}
	}()
	all := lived(t, coop.Split(l.IntN(2)), time.Duration(l.Int64N(int64(time.Hour))))
	p, s, third := all[0], all[1], all[2]
	what := p.g.Since(p.now, 0)
	honest := true // the primary has not been lied to
	for range 3 {
		bad := l.records(what)
		for _, r := range bad {
			if !slices.ContainsFunc(what, func(o machine.Record) bool { return o.Key == r.Key && bytes.Equal(o.Value, r.Value) }) {
				say("%s %s", r.Key, r.Value)
			}
		}
		ahead, full := l.ahead(), l.IntN(2) == 0
		switch l.IntN(4) {
		case 0, 1:
			out, _, err := s.g.Apply(s.now, ahead, bad, full, nil)
			say("applied, full %t, %v: %v", full, ahead, err)
			s.do(out)
		case 2:
			reports := slices.DeleteFunc(bad, func(r machine.Record) bool { return !strings.HasPrefix(r.Key, "member/") && r.Key != "sids/2" })
			out, err := p.g.Adopt(p.now, ahead, 2, reports, nil)
			say("adopted, %v: %v", ahead, err)
			p.do(out)
			honest = false
		case 3:
			_, out, err := p.g.Merge(p.now, ahead, 3, bad, nil)
			say("merged, %v: %v", ahead, err)
			honest = false
			p.do(out)
		}
	}
	if honest {
		// Nothing of the lies stays when the primary speaks.
		s.has = 0
		s.follow(p)
		same(t, p, s)
	}
	for _, x := range []*server{s, p} {
		x.g.SetReady(true, "")
		say("key server %d: restart", x.id)
		x.run(10 * time.Minute)
		x.shell.start(shared(t, x.id))
		x.g.SetReady(true, "")
		_, _ = x.register(testPeer(20), 1)
		say("takes over")
		x.do(x.g.TakeOver(x.now, 9, nil))
		_, _ = x.register(testPeer(21), 1)
		_, out, _ := x.g.Rekey(x.now, true, nil)
		x.do(out)
		_, out, _ = x.g.Remove(x.now, []string{"10.1.0.2"}, false, nil)
		x.do(out)
		x.run(3 * time.Hour)
		say("the others follow")
		third.has = 0
		out, _, err := third.g.Apply(third.now, 0, x.g.Since(x.now, 0), true, nil)
		say("%v", err)
		third.do(out)
		x.g.Snapshot(x.now)
	}
	return !t.Failed()
}
