package lkh

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/getvpn/getvpn/gdoi/isakmp"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/suite"
)

func TestPathsAreStable(t *testing.T) {
	w := newWorld(t, 1<<16)
	var before []*isakmp.LKHDownload
	for range 40 {
		before = append(before, w.path(w.add()))
	}
	for s, d := range before {
		if now := w.path(Slot(s)); !slices.EqualFunc(d.Keys, now.Keys, func(a, b isakmp.LKHKey) bool { return a.Handle == b.Handle && string(a.Data) == string(b.Data) }) {
			t.Errorf("slot %d: growth has changed its path", s)
		}
		if got, want := len(d.Keys), max(1, bits.Len(uint(s)))+1; got != want {
			t.Errorf("slot %d has %d keys, want %d", s, got, want)
		}
	}
	w.remove(7, 3)
	if a, b := w.add(), w.add(); a != 3 || b != 7 {
		t.Errorf("slots %d and %d, want the free ones, 3 and 7", a, b)
	}
}

func TestCostOfOneRemoval(t *testing.T) {
	for _, k := range []int{4, 7, 10, 13, 17} {
		n := 1 << k
		tree := New(testEnv(2), suite.KEKAES256CBC, 0)
		for range n {
			if _, err := tree.Add(); err != nil {
				t.Fatal(err)
			}
		}
		tree.Changed()
		iv, key := machine.NewSecret(make([]byte, 16)), machine.NewSecret(make([]byte, 32))
		worst, octets, records := 0, 0, 0
		for _, s := range []Slot{0, 1, Slot(n / 3), Slot(n / 2), Slot(n - 1)} {
			c, err := tree.Remove([]Slot{s}, 1, iv, key)
			if err != nil {
				t.Fatal(err)
			}
			worst, records = max(worst, c.Encryptions), max(records, len(tree.Changed()))
			_, size := c.arrays(true)
			octets = max(octets, size)
			if _, err := tree.Add(); err != nil {
				t.Fatal(err)
			}
			tree.Changed()
		}
		if worst > 3*k-2 {
			t.Errorf("%d members: %d encryptions, more than 3*%d-2", n, worst, k)
		}
		if records > k {
			t.Errorf("%d members: %d nodes have changed, more than %d", n, records, k)
		}
		t.Logf("%d members: at most %d encryptions, %d octets in the short form, %d records", n, worst, octets, records)
	}
}

func TestBatchReplacesEachKeyOnce(t *testing.T) {
	w := newWorld(t, 1<<16)
	for range 256 {
		w.add()
	}
	slots := []Slot{128, 129, 130, 131, 140, 200, 255, 5}
	one := 0
	for _, s := range slots {
		one += max(0, bits.Len(uint(s))-2) + 1
	}
	w.tree.Changed()
	c := w.remove(slots...)
	seen := map[uint16]uint32{}
	for _, u := range c.Arrays(1 << 20) {
		for _, k := range u.Keys {
			if h, ok := seen[k.ID]; ok && h != k.Handle {
				t.Errorf("node %04x has two new keys in one message", k.ID)
			}
			seen[k.ID] = k.Handle
		}
	}
	if len(seen) != c.Replaced || c.Replaced >= one {
		t.Errorf("%d keys replaced, %d in the arrays; one after the other would be %d", c.Replaced, len(seen), one)
	}
	// 128..131 are a whole subtree: its node is gone, too.
	if w.tree.nodes[NodeID{2, 32}] != nil {
		t.Error("a node without members is still there")
	}
}

func TestArraysInBothForms(t *testing.T) {
	w := newWorld(t, 1<<20)
	for range 64 {
		w.add()
	}
	c := w.remove(33)
	full, size := c.arrays(false)
	for _, u := range full {
		if last := u.Keys[len(u.Keys)-1]; last.ID != rootID {
			t.Errorf("array of %04x ends at %04x, not in the KEK (RFC 6407 §5.6.3.2)", u.ID, last.ID)
		}
	}
	short, less := c.arrays(true)
	entries := 0
	for _, u := range short {
		entries += len(u.Keys)
	}
	if entries != c.Encryptions || less >= size {
		t.Errorf("short form: %d keys, want %d; %d octets, full form %d", entries, c.Encryptions, less, size)
	}
	if got := c.Arrays(size - 1); len(got) != len(short) {
		t.Errorf("above the limit: %d arrays, want the short form, %d", len(got), len(short))
	}
}

// TestExclusion: after any sequence of joins and removals every member has the KEK, and nobody else (world.remove).
func TestExclusion(t *testing.T) {
	for _, form := range []struct {
		name  string
		limit int
	}{{"full", 1 << 20}, {"short", 0}} {
		t.Run(form.name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) {
				w := newWorld(t, form.limit)
				for range rapid.IntRange(1, 25).Draw(r, "steps") {
					slots := w.tree.Slots()
					switch op := rapid.IntRange(0, 5).Draw(r, "op"); {
					case op == 5 && len(slots) > 0:
						w.leave(rapid.SampledFrom(slots).Draw(r, "leaves"))
					case op < 3 || len(slots) == 0:
						for range rapid.IntRange(1, 9).Draw(r, "joiners") {
							w.add()
						}
					case op == 3:
						w.remove(rapid.SampledFrom(slots).Draw(r, "slot"))
					default:
						n := rapid.IntRange(1, len(slots)).Draw(r, "batch")
						w.remove(rapid.Permutation(slots).Draw(r, "slots")[:n]...)
					}
					w.restart()
				}
			})
		})
	}
}

// restart stores what has changed and goes on from the store.
func (w *world) restart() {
	if w.stored == nil {
		w.stored = map[NodeID]Node{}
	}
	for _, n := range w.tree.Changed() {
		if n.Key == nil {
			delete(w.stored, n.ID)
		} else {
			w.stored[n.ID] = Node{n.ID, n.Handle, n.Key.Clone()}
		}
	}
	var nodes []*Node
	for _, n := range w.stored {
		nodes = append(nodes, &Node{n.ID, n.Handle, n.Key.Clone()})
	}
	handle, stale := w.tree.Handle(), w.tree.Stale()
	slots := w.tree.Slots()
	w.tree.Destroy()
	var err error
	if w.tree, err = Restore(w.env, suite.KEKAES256CBC, handle, nodes); err != nil {
		w.t.Fatal(err)
	}
	w.tree.SetStale(stale)
	if got := w.tree.Stale(); !slices.Equal(got, stale) {
		w.t.Fatalf("stale nodes %v, want %v", got, stale)
	}
	if got := w.tree.Slots(); !slices.Equal(got, slots) {
		w.t.Fatalf("restored slots %v, want %v", got, slots)
	}
}

func TestRestoreRefused(t *testing.T) {
	key := func() *machine.Secret { return machine.NewSecret(make([]byte, 48)) }
	for _, c := range []struct {
		name  string
		nodes []*Node
	}{
		{"an ancestor is missing", []*Node{{NodeID{0, 2}, 1, key()}}},
		{"an inner node without leaves", []*Node{{NodeID{0, 0}, 1, key()}, {NodeID{1, 1}, 2, key()}}},
		{"a short key", []*Node{{NodeID{0, 0}, 1, machine.NewSecret(make([]byte, 32))}}},
		{"twice", []*Node{{NodeID{0, 0}, 1, key()}, {NodeID{0, 0}, 2, key()}}},
		{"a leaf beyond the limit", []*Node{{NodeID{0, MaxSlots}, 1, key()}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := Restore(testEnv(3), suite.KEKAES256CBC, 0, c.nodes); !errors.Is(err, ErrNodes) {
				t.Fatalf("error %v, want ErrNodes", err)
			}
			for _, n := range c.nodes {
				if n.Key.Len() != 0 {
					t.Error("a key was not wiped")
				}
			}
		})
	}
}

func TestHandlesAreNeverRepeated(t *testing.T) {
	w := newWorld(t, 0)
	seen := map[uint32]bool{}
	for i := range 200 {
		if i%3 == 2 {
			w.remove(w.tree.Slots()[i%w.tree.Len()])
		} else {
			w.add()
		}
		for _, n := range w.tree.Changed() {
			if n.Key == nil {
				continue
			}
			if seen[n.Handle] {
				t.Fatalf("handle %d twice", n.Handle)
			}
			seen[n.Handle] = true
		}
	}
}

func TestPathRefuses(t *testing.T) {
	w := newWorld(t, 1<<16)
	for range 9 {
		w.add()
	}
	good := func() *isakmp.LKHDownload { return w.path(8) }
	for _, c := range []struct {
		name string
		do   func(d *isakmp.LKHDownload)
	}{
		{"the KEK alone", func(d *isakmp.LKHDownload) { d.Keys = d.Keys[len(d.Keys)-1:] }},
		{"another KEK", func(d *isakmp.LKHDownload) { d.Keys[len(d.Keys)-1].Data[20] ^= 1 }},
		{"a node twice", func(d *isakmp.LKHDownload) { d.Keys[1].ID = d.Keys[0].ID }},
		{"another cipher", func(d *isakmp.LKHDownload) { d.Keys[0].KeyType = 2 }},
		{"a short key", func(d *isakmp.LKHDownload) { d.Keys[0].Data = d.Keys[0].Data[:32] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := good()
			c.do(d)
			if _, err := NewPath(d, suite.KEKAES256CBC, w.iv, w.key); !errors.Is(err, ErrPath) {
				t.Errorf("error %v, want ErrPath", err)
			}
		})
	}
}

func TestUpdatesThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(as []isakmp.LKHUpdate) []isakmp.LKHUpdate
		want error
	}{
		{"none", func([]isakmp.LKHUpdate) []isakmp.LKHUpdate { return nil }, ErrNotForUs},
		{"other handles", func(as []isakmp.LKHUpdate) []isakmp.LKHUpdate {
			for i := range as {
				as[i].Handle += 1000
			}
			return as
		}, ErrNotForUs},
		{"a node that is not above", func(as []isakmp.LKHUpdate) []isakmp.LKHUpdate {
			for i := range as {
				as[i].Keys[0].ID = 0x7123
			}
			return as
		}, ErrUpdate},
		{"short keys", func(as []isakmp.LKHUpdate) []isakmp.LKHUpdate {
			for i := range as {
				as[i].Keys[0].Data = as[i].Keys[0].Data[:32]
			}
			return as
		}, ErrUpdate},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1<<16)
			for range 16 {
				w.add()
			}
			p := w.members[9]
			before := fmt.Sprintf("%x", w.path(9).Keys[1].Data)
			w.newKEK()
			ch, err := w.tree.Remove([]Slot{8}, w.handle, w.iv, w.key)
			if err != nil {
				t.Fatal(err)
			}
			good := ch.Arrays(1 << 16)
			bad := c.do(clone(good))
			if _, _, err := p.Apply(bad); !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if now := fmt.Sprintf("%x", p.nodes[1].key.Bytes()); now != before {
				t.Error("the path has changed")
			}
			if _, key, err := p.Apply(good); err != nil || !key.Equal(w.key) {
				t.Errorf("the right arrays after that: %v", err)
			}
		})
	}
}

func clone(as []isakmp.LKHUpdate) (out []isakmp.LKHUpdate) {
	for _, u := range as {
		u.Keys = slices.Clone(u.Keys)
		out = append(out, u)
	}
	return out
}

// TestLeavingCostsNothing: who leaves is not excluded at once, but by the next removal, and its slot is used again.
func TestLeavingCostsNothing(t *testing.T) {
	w := newWorld(t, 1<<16)
	for range 16 {
		w.add()
	}
	w.tree.Changed()
	gone := newSpy(w.path(9))
	w.leave(9)
	if n := w.tree.Changed(); len(n) != 1 || n[0].Key != nil {
		t.Errorf("%d nodes have changed, want the leaf alone", len(n))
	}
	if s := w.add(); s != 9 {
		t.Errorf("slot %d, want 9 again", s)
	}
	w.spies = append(w.spies, gone)
	w.remove(2)
	if s := w.tree.Stale(); len(s) != 0 {
		t.Errorf("%v are still stale", s)
	}
}

func TestKeysAreWiped(t *testing.T) {
	w := newWorld(t, 1<<16)
	for range 8 {
		w.add()
	}
	p := w.members[4]
	old := p.nodes[1].key
	gone := w.tree.nodes[leaf(5)].Key
	w.remove(5)
	if old.Len() != 0 || gone.Len() != 0 {
		t.Error("a replaced or removed key is still there")
	}
	kept := p.nodes[0].key
	p.Destroy()
	n := w.tree.nodes[leaf(4)].Key
	w.tree.Destroy()
	if kept.Len() != 0 || n.Len() != 0 {
		t.Error("Destroy has left a key")
	}
}

func TestNoMembersLeft(t *testing.T) {
	w := newWorld(t, 1<<16)
	s := w.add()
	if c := w.remove(s); c.Encryptions != 0 || len(c.Arrays(1<<16)) != 0 {
		t.Errorf("%d encryptions for nobody", c.Encryptions)
	}
	if _, err := w.tree.Remove([]Slot{s}, 1, w.iv, w.key); !errors.Is(err, ErrSlot) {
		t.Errorf("removing it again: %v", err)
	}
}

func FuzzApply(f *testing.F) {
	w := newWorld(f, 1<<16)
	for range 16 {
		w.add()
	}
	w.newKEK()
	c, _ := w.tree.Remove([]Slot{8}, w.handle, w.iv, w.key)
	for _, u := range c.Arrays(1 << 16) {
		f.Add(u.AppendTo(nil))
	}
	d := w.path(9)
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := isakmp.ParseLKHUpdate(b)
		if err != nil {
			return
		}
		p, err := NewPath(d, suite.KEKAES256CBC, w.iv, w.key)
		if err != nil {
			t.Fatal(err)
		}
		n := p.Len()
		_, key, err := p.Apply([]isakmp.LKHUpdate{u, u})
		if (err == nil) != (key.Len() == 32) || p.Len() != n {
			t.Fatalf("error %v, key of %d octets, %d nodes", err, key.Len(), p.Len())
		}
		p.Destroy()
	})
}

func BenchmarkRemoveOneOf(b *testing.B) {
	for _, k := range []int{10, 14, 17} {
		b.Run(fmt.Sprint(1<<k), func(b *testing.B) {
			tree := New(testEnv(4), suite.KEKAES256CBC, 0)
			for range 1 << k {
				if _, err := tree.Add(); err != nil {
					b.Fatal(err)
				}
			}
			iv, key := machine.NewSecret(make([]byte, 16)), machine.NewSecret(make([]byte, 32))
			b.ResetTimer()
			n, s := 0, Slot(0)
			for b.Loop() {
				s = (s + 7919) % (1 << k)
				c, err := tree.Remove([]Slot{s}, 1, iv, key)
				if err != nil {
					b.Fatal(err)
				}
				n += c.Encryptions
				if _, err := tree.Add(); err != nil {
					b.Fatal(err)
				}
				tree.Changed()
			}
			b.ReportMetric(float64(n)/float64(b.N), "encryptions/op")
		})
	}
}

// TestLoose: a leaf outside of the tree is the same secret on both sides, another for each member, and no exclusion reaches it.
func TestLoose(t *testing.T) {
	w := newWorld(t, 1<<16)
	for range 5 {
		w.add()
	}
	d, leaf := Loose(w.env, suite.KEKAES256CBC, w.handle, w.iv, w.key)
	p, err := NewPath(d, suite.KEKAES256CBC, w.iv, w.key)
	if err != nil {
		t.Fatal(err)
	}
	if own := p.Leaf(); !own.Equal(leaf) || own.Len() != 32 || p.InTree() || !w.members[0].InTree() {
		t.Errorf("leaf of %d octets, in the tree %t", own.Len(), p.InTree())
	}
	if _, other := Loose(w.env, suite.KEKAES256CBC, w.handle, w.iv, w.key); other.Equal(leaf) {
		t.Error("two members have one leaf")
	}
	w.newKEK()
	change, err := w.tree.Remove([]Slot{2}, w.handle, w.iv, w.key)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Apply(change.Arrays(w.limit)); !errors.Is(err, ErrNotForUs) {
		t.Errorf("an exclusion: %v; want ErrNotForUs", err)
	}
}
