package keyserver

import (
	"bytes"
	"testing"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// TestTransportKeys: what a key server's custody can unwrap is known to all, and after a restart.
func TestTransportKeys(t *testing.T) {
	all := newServers(t, 0, func(c *Config) { c.Custody, c.Transport = true, []byte{byte(c.Coop.ID)} })
	p, s := all[0], all[1]
	s.follow(p)
	p.do(p.g.TrustTransport(p.now, 2, []byte("two"), nil))
	p.do(p.g.TrustTransport(p.now, 3, []byte("three"), nil))
	for name, key := range map[string][]byte{"a number that nobody has": {1}, "ours": {2}, "nothing": nil, "too much": make([]byte, maxTransport+1)} {
		id := map[string]coop.ID{"a number that nobody has": coop.MaxKeyServers + 1, "ours": 1, "nothing": 3, "too much": 3}[name]
		p.do(p.g.TrustTransport(p.now, id, key, nil))
	}
	s.follow(p)
	check := func(when string, s *server, want map[coop.ID]string) {
		t.Helper()
		for id := coop.ID(1); id <= coop.MaxKeyServers; id++ {
			if got := s.g.replica.transports[id]; !bytes.Equal(got, []byte(want[id])) {
				t.Errorf("%s key server %d has the transport key %q of %d; want %q", when, s.id, got, id, want[id])
			}
		}
	}
	check("at first", p, map[coop.ID]string{2: "two", 3: "three"})
	check("from the primary", s, map[coop.ID]string{1: "\x01", 3: "three"})
	s.shell.start(s.g.cfg)
	check("after a restart", s, map[coop.ID]string{1: "\x01", 3: "three"})
	p.do(p.g.TrustTransport(p.now, 3, []byte("another token"), nil))
	s.follow(p)
	check("after a change", s, map[coop.ID]string{1: "\x01", 3: "another token"})

	g := newShell(t, shared(t, 1)).g
	if out := g.TrustTransport(machine.Now{}, 2, []byte("two"), nil); len(out) != 0 || g.replica.transports != nil {
		t.Error("a key server without custody keeps transport keys")
	}
	if err := g.restoreTransport("2", []byte(`""`)); err == nil {
		t.Error("an empty transport key is a record")
	}
}
