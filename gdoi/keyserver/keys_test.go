package keyserver

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/machine"
)

// drawn remembers what was drawn of a source.
type drawn struct {
	io.Reader
	all []byte
}

func (d *drawn) Read(b []byte) (int, error) {
	n, err := d.Reader.Read(b)
	d.all = append(d.all, b[:n]...)
	return n, err
}

// TestTrafficKeysComeFromTheirSource: TEKs, and secrets that TEKs are derived from, are drawn from Env.Keys; all else is not.
func TestTrafficKeysComeFromTheirSource(t *testing.T) {
	for _, split := range []coop.Split{coop.Fork, coop.Continue} {
		cfg := testConfig(t)
		cfg.Coop = &Cooperation{ID: 1, IDs: []coop.ID{1}, Split: split}
		keys := &drawn{Reader: rand.NewChaCha8([32]byte{1})}
		env := machine.NewEnv(rand.NewChaCha8([32]byte{2}))
		env.Keys = keys
		g, err := New(env, cfg, machine.Locals{First: local})
		if err != nil {
			t.Fatal(err)
		}
		s := &shell{t: t, g: g, disk: map[string]machine.Record{}}
		s.do(g.Start(s.now, nil, nil))
		s.do(g.TakeOver(s.now, 1, nil))
		tek := g.teks[0].key.Bytes()
		if split == coop.Fork && !bytes.Contains(keys.all, tek) {
			t.Error("a TEK was not drawn from its source")
		}
		if split == coop.Continue && len(keys.all) < ratchetLen {
			t.Errorf("%d octets were drawn for ratchets", len(keys.all))
		}
		if bytes.Contains(keys.all, g.keks[0].iv.Bytes()) {
			t.Error("an IV was drawn from the source of traffic keys")
		}
	}
}
