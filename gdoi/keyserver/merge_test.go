package keyserver

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// sides are two of three key servers that part with the same records: the first goes on as primary, the second takes over.
func sides(t *testing.T, change func(*Config)) (a, b *server) {
	all := newServers(t, 0, change)
	a, b = all[0], all[1]
	for i := range byte(4) {
		a.mustRegister(testPeer(i + 1))
	}
	b.follow(a)
	a.run(time.Minute)
	b.run(time.Minute)
	b.do(b.g.TakeOver(b.now, 2, nil))
	return a, b
}

// merge hands what b has, as edit leaves it, to a.
func (s *server) merge(o *server, edit func([]machine.Record) []machine.Record) (bool, error) {
	o.do(o.g.StandDown(o.now, nil))
	records := o.g.Since(o.now, 0)
	if edit != nil {
		records = edit(records)
	}
	news, out, err := s.g.Merge(s.now, 0, o.id, records, nil)
	s.do(out)
	return news, err
}

func (s *server) rekeyNow(kek bool) {
	_, out, err := s.g.Rekey(s.now, kek, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.do(out)
}

// TestMergeOrder is the table of the comment of merger.
func TestMergeOrder(t *testing.T) {
	a, b := sides(t, nil)
	a.rekeyNow(true)
	b.rekeyNow(true)
	a.run(5 * time.Minute)
	b.run(5 * time.Minute)
	ours, theirs := a.g.teks[0].spi, b.g.teks[0].spi
	ourKEK, theirKEK := a.g.keks[0].spi, b.g.keks[0].spi
	if ours == theirs || ourKEK == theirKEK {
		t.Fatal("the sides have the same keys")
	}
	mark := len(a.out)
	if news, err := a.merge(b, nil); !news || err != nil {
		t.Fatalf("%v, %v", news, err)
	}
	if got := []gdoi.SPI{a.g.teks[0].spi, a.g.teks[1].spi}; !slices.Equal(got, []gdoi.SPI{theirs, ours}) || a.g.keks[0].spi != theirKEK || a.g.keks[1].spi != ourKEK {
		t.Errorf("TEKs %v, KEKs %v; want those of the other side before ours", got, a.g.keks)
	}
	const delay = DefaultActivationDelay
	if got := a.g.teks[0].expires.Sub(a.now.Mono); got != 4*delay {
		t.Errorf("their TEK ends in %v", got)
	}
	if got := a.g.teks[1].sendAfter.Sub(a.now.Mono); got != 2*delay {
		t.Errorf("their members send with ours in %v", got)
	}
	got := a.told(mark)
	if len(got) != 2 || !strings.HasPrefix(got[0], "2 TEKs and a new KEK:") || !strings.HasPrefix(got[1], "2 TEKs:") {
		t.Errorf("told %q", got)
	}
	if seq := a.g.keks[0].seq >> windowBits; seq%8 != 1 {
		t.Errorf("under their KEK we write in window %d", seq)
	}
	if _, err := a.register(testPeer(9), 1); err == nil {
		t.Error("a newcomer gets keys before all others have them")
	}
	a.run(2 * time.Second)
	if _, err := a.register(testPeer(9), 1); err != nil {
		t.Errorf("later: %v", err)
	}
	if left := a.g.MergeEnd().Sub(a.now.Mono); left < 3*delay || left > 4*delay {
		t.Errorf("the merge ends in %v, with an activation delay of %v", left, delay)
	}
	a.run(4 * delay)
	if len(a.g.teks) != 1 || len(a.g.keks) != 1 || a.g.Merging() || a.notes(gdoi.NoteCoopOneEpoch) != 1 {
		t.Errorf("after 4A: %d TEKs, %d KEKs, merging %v", len(a.g.teks), len(a.g.keks), a.g.Merging())
	}
	// A copy that was made before brings nothing back.
	if news, err := a.merge(b, nil); err != nil || len(a.g.teks) != 1 || news {
		t.Errorf("once more: %v, %v, %d TEKs", news, err, len(a.g.teks))
	}
}

// TestMergeSurvivesRestart: what is under way goes on from the records.
func TestMergeSurvivesRestart(t *testing.T) {
	a, b := sides(t, nil)
	b.rekeyNow(true)
	a.rekeyNow(true)
	a.run(5 * time.Minute)
	b.run(5 * time.Minute)
	if _, err := a.merge(b, nil); err != nil {
		t.Fatal(err)
	}
	var teks []string
	for _, k := range a.g.teks {
		teks = append(teks, k.spi.String())
	}
	keks := fmt.Sprint(a.g.keks[0].spi, a.g.keks[1].spi)
	a.start(shared(t, 1))
	mark := len(a.out)
	a.do(a.g.TakeOver(a.now, 9, nil))
	var again []string
	for _, k := range a.g.teks {
		again = append(again, k.spi.String())
	}
	if !slices.Equal(again, teks) || fmt.Sprint(a.g.keks[0].spi, a.g.keks[1].spi) != keks || !a.g.Merging() {
		t.Errorf("TEKs %v, were %v; merging %v", again, teks, a.g.Merging())
	}
	if got := a.told(mark); len(got) != 2 || !strings.HasPrefix(got[0], "2 TEKs and a new KEK:") {
		t.Errorf("told %q", got)
	}
}

// TestMergeWithStrangers: a key server that began anew has no sender ids in common; its members register again.
func TestMergeWithStrangers(t *testing.T) {
	a, _ := sides(t, nil)
	b := &server{id: 2, shell: &shell{t: t, now: a.now, disk: map[string]machine.Record{}, copy: true, lives: 77}}
	b.start(shared(t, 2))
	b.do(b.g.TakeOver(b.now, 3, nil))
	b.mustRegister(testPeer(2))
	b.mustRegister(testPeer(8))
	mark := len(a.out)
	if news, err := a.merge(b, nil); !news || err != nil {
		t.Fatalf("%v, %v", news, err)
	}
	got := a.told(mark)
	if len(got) != 2 || !strings.HasPrefix(got[0], "withdraws the KEK:") || !strings.HasSuffix(got[0], "10.1.0.2 10.1.0.8") || !strings.HasPrefix(got[1], "2 TEKs:") {
		t.Errorf("told %q", got)
	}
}

// TestMergeTakesOnlyWhatFits: records of a key server that is broken, or worse.
func TestMergeTakesOnlyWhatFits(t *testing.T) {
	for name, edit := range map[string]func(*server, []machine.Record) []machine.Record{
		"one of our SPIs with another key": func(a *server, in []machine.Record) []machine.Record {
			for i, r := range in {
				if strings.HasPrefix(r.Key, "tek/") {
					in[i].Key = tekKey(a.g.teks[0].spi)
				}
			}
			return in
		},
		"a hundred TEKs": func(a *server, in []machine.Record) []machine.Record {
			for _, r := range in {
				if strings.HasPrefix(r.Key, "tek/") {
					for i := range 100 {
						in = append(in, machine.Record{Bucket: r.Bucket, Key: tekKey(gdoi.SPI(0x10000 + i)), Value: r.Value})
					}
					break
				}
			}
			return in
		},
		"a KEK for another multicast group": func(a *server, in []machine.Record) []machine.Record {
			for i, r := range in {
				if strings.HasPrefix(r.Key, "kek/") {
					var k kekRecord
					_ = json.Unmarshal(r.Value, &k)
					k.Multicast = testPeer(200).Addr
					in[i].Value = encode(k)
				}
			}
			return in
		},
	} {
		a, b := sides(t, nil)
		a.rekeyNow(true)
		b.rekeyNow(true)
		a.run(5 * time.Minute)
		b.run(5 * time.Minute)
		key := a.g.teks[0].key.Clone()
		mark := len(a.out)
		_, err := a.merge(b, func(in []machine.Record) []machine.Record { return edit(a, in) })
		if i := slices.IndexFunc(a.g.teks, func(t *tek) bool { return t.key.Equal(key) }); i < 0 {
			t.Errorf("%s: our TEK is gone (%v)", name, err)
		}
		for _, s := range a.sends(mark) {
			if s.Remote == testPeer(200).Addr {
				t.Errorf("%s: it decides where messages go", name)
			}
		}
		if n := a.notes(gdoi.NoteSignFailed); n > 0 {
			t.Errorf("%s: %d messages could not be built", name, n)
		}
		if err := a.g.cfg.fits(); err != nil {
			t.Error(err)
		}
		a.run(3 * time.Hour)
		if len(a.g.teks) != 1 || a.g.Merging() {
			t.Errorf("%s: hours later there are %d TEKs", name, len(a.g.teks))
		}
	}
}

// TestPastIsBounded: what is remembered ends, and is not more than so much.
func TestPastIsBounded(t *testing.T) {
	a, _ := sides(t, nil)
	for i := range 3 * maxCuts {
		a.g.putCut(fmt.Sprintf("%032x", i), machine.Instant(i))
	}
	if _, ok := a.g.past.cuts[fmt.Sprintf("%032x", 3*maxCuts-1)]; !ok || len(a.g.past.cuts) != maxCuts {
		t.Errorf("%d cuts", len(a.g.past.cuts))
	}
	for range 3 * maxReigns {
		a.g.newReign()
	}
	if len(a.g.past.others) > maxReigns {
		t.Errorf("%d reigns", len(a.g.past.others))
	}
	a.run(24 * time.Hour)
	if n := len(a.g.past.ended); n > 10 {
		t.Errorf("%d keys are remembered", n)
	}
}
