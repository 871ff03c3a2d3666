package keyserver

import (
	"testing"
	"time"

	"github.com/getvpn/getvpn/gdoi/machine"
)

// FuzzRecord has a copy take one record of anybody's making, take over with it, and stand down.
func FuzzRecord(f *testing.F) {
	all := newServers(f, 0, nil)
	p := all[0]
	for i := range byte(3) {
		if _, err := p.register(testPeer(i+1), 1); err != nil {
			f.Fatal(err)
		}
	}
	p.remove("10.1.0.2")
	good := p.g.Since(p.now, 0)
	for _, r := range good {
		f.Add(r.Key, r.Value, false)
	}
	f.Add(sidsKey(2), []byte(`{"Next":99999999999}`), true)
	f.Fuzz(func(t *testing.T, key string, value []byte, full bool) {
		s := &server{id: 2, shell: &shell{t: t, disk: map[string]machine.Record{}, copy: true}}
		s.now = p.now
		s.shell.start(shared(t, 2))
		out, _, err := s.g.Apply(s.now, 0, good, true, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.do(out)
		list := []machine.Record{{Key: key, Value: value}}
		if full {
			list = append(list, good...)
		}
		if out, _, err = s.g.Apply(s.now, 0, list, full, nil); err != nil {
			if len(out) > 0 {
				t.Fatal("something changed in spite of an error")
			}
			return
		}
		s.do(out)
		_ = s.g.Since(s.now, 0)
		s.mute = true
		s.do(s.g.TakeOver(s.now, 2, nil))
		for range 50 {
			at, ok := s.g.Deadline()
			if !ok || at > s.now.Mono.Add(time.Minute) {
				break
			}
			s.advance(max(at, s.now.Mono))
			s.do(s.g.Timeout(s.now, nil))
		}
		s.do(s.g.StandDown(s.now, nil))
	})
}
