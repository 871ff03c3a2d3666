package lkh

import (
	"math/rand/v2"
	"testing"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

// world is a key server with its tree and KEK, its members, and those who were excluded but keep everything and go on
// listening.
type world struct {
	t       testing.TB
	env     *machine.Env
	tree    *Tree
	iv, key *machine.Secret
	handle  uint32
	limit   int

	members map[Slot]*Path
	spies   []*spy
	leavers []*spy
	stored  map[NodeID]Node
}

type seeded struct{ r *rand.ChaCha8 }

func (s seeded) Read(b []byte) (int, error) { return s.r.Read(b) }

func testEnv(seed byte) *machine.Env { return machine.NewEnv(seeded{rand.NewChaCha8([32]byte{seed})}) }

func newWorld(t testing.TB, limit int) *world {
	w := &world{t: t, env: testEnv(1), limit: limit, members: map[Slot]*Path{}}
	w.tree = New(w.env, suite.KEKAES256CBC, 0)
	w.newKEK()
	return w
}

func (w *world) newKEK() {
	w.handle++
	w.iv, w.key = machine.TakeSecret(w.env.Bytes(16)), machine.TakeSecret(w.env.Bytes(32))
}

func (w *world) path(s Slot) *isakmp.LKHDownload {
	d, err := w.tree.Path(s, w.handle, w.iv, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

func (w *world) add() Slot {
	w.t.Helper()
	s, err := w.tree.Add()
	if err != nil {
		w.t.Fatal(err)
	}
	if w.members[s] != nil {
		w.t.Fatalf("slot %d given twice", s)
	}
	p, err := NewPath(w.path(s), suite.KEKAES256CBC, w.iv, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.members[s] = p
	return s
}

// leave frees a slot; who had it is a spy as soon as nothing is stale any more.
func (w *world) leave(s Slot) {
	w.leavers = append(w.leavers, newSpy(w.path(s)))
	w.tree.Vacate(s)
	delete(w.members, s)
}

// remove excludes slots; all others must find the new KEK, and no spy.
func (w *world) remove(slots ...Slot) *Change {
	w.t.Helper()
	for _, s := range slots {
		w.spies = append(w.spies, newSpy(w.path(s)))
		delete(w.members, s)
	}
	w.newKEK()
	c, err := w.tree.Remove(slots, w.handle, w.iv, w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	arrays := c.Arrays(w.limit)
	for s, p := range w.members {
		iv, key, err := p.Apply(arrays)
		if err != nil {
			w.t.Fatalf("slot %d, which stays: %v", s, err)
		}
		if !iv.Equal(w.iv) || !key.Equal(w.key) {
			w.t.Fatalf("slot %d has another KEK", s)
		}
	}
	if len(w.tree.Stale()) == 0 {
		w.spies, w.leavers = append(w.spies, w.leavers...), nil
	}
	for i, s := range w.spies {
		if s.listen(arrays, w.iv, w.key, w.tree) {
			w.t.Fatalf("excluded member %d has a key of the tree", i)
		}
	}
	return c
}

// spy keeps every key that it ever had, and tries all on everything.
type spy struct {
	keys map[string]bool // IV | key
	all  []isakmp.LKHUpdate
}

func newSpy(d *isakmp.LKHDownload) *spy {
	s := &spy{keys: map[string]bool{}}
	for _, k := range d.Keys {
		s.keys[string(k.Data)] = true
	}
	return s
}

// listen says whether the spy gets at the KEK with what it has, and whatever the arrays say that they are encrypted under:
// it tries every key on every entry. Only what it recognises as a key of the tree is one.
func (s *spy) listen(arrays []isakmp.LKHUpdate, iv, key *machine.Secret, tree *Tree) bool {
	s.all = append(s.all, arrays...)
	genuine := map[string]bool{string(iv.Bytes()) + string(key.Bytes()): true}
	for _, n := range tree.nodes {
		genuine[string(n.Key.Bytes())] = true
	}
	for k := range s.keys {
		if genuine[k] {
			return true
		}
		for _, u := range s.all {
			for _, e := range u.Keys {
				plain, err := suite.DecryptCBC([]byte(k[16:]), []byte(k[:16]), e.Data)
				if err == nil && genuine[string(plain)] {
					return true
				}
			}
		}
	}
	return false
}
