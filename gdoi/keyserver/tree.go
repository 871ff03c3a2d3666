package keyserver

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/gdoi/lkh"
	"github.com/getvpn/getvpn/gdoi/machine"
	"github.com/getvpn/getvpn/gdoi/pull"
)

// noSlot is the slot of a member without a place in the key tree.
const noSlot = -1

// keyTree is the key tree of a group.
type keyTree struct {
	*lkh.Tree
	stale []lkh.NodeID // as it was written
	// While records are read.
	restored       []*lkh.Node
	restoredHandle uint32
}

// handle names the KEK as a key of the tree's root; successive KEKs have different SPIs.
func (k *kek) handle() uint32 { return binary.BigEndian.Uint32(k.spi[:4]) }

// place gives a member that can use it a place in the tree, and the offer its path.
func (g *Group) place(m *member, o *pull.Offer) error {
	if !m.peer.GetVPN || len(g.keks) == 0 {
		return nil
	}
	if m.slot == noSlot {
		s, err := g.tree.Add()
		if err != nil {
			return err
		}
		m.slot = int(s)
	}
	k := g.keks[len(g.keks)-1]
	path, err := g.tree.Path(lkh.Slot(m.slot), k.handle(), k.iv, k.key)
	if err != nil {
		return err
	}
	o.LKH = &pull.LKHOffer{Path: path}
	return nil
}

// placeOutside gives a member a leaf of its own outside of the tree, which is the primary's: the member can acknowledge, and
// registers again when somebody is excluded.
func (g *Group) placeOutside(m *member, o *pull.Offer) {
	m.slot = noSlot
	if !m.peer.GetVPN || len(g.keks) == 0 {
		return
	}
	k := g.keks[len(g.keks)-1]
	path, leaf := lkh.Loose(g.env, k.suite, k.handle(), k.iv, k.key)
	m.holdLeaf(leaf)
	o.LKH = &pull.LKHOffer{Path: path}
}

// vacate notes that a member has gone, or has a path from elsewhere: neither its place nor its leaf outside is its own any more.
func (g *Group) vacate(m *member) {
	m.holdLeaf(nil)
	if m.slot != noSlot {
		g.tree.Vacate(lkh.Slot(m.slot))
		m.slot = noSlot
	}
}

// clearTree empties the tree: after it members have no places.
func (g *Group) clearTree() {
	g.tree.Clear()
	for _, m := range g.members.sorted {
		if m.slot != noSlot {
			m.slot = noSlot
			g.durable.member(m)
		}
	}
}

// fitTree empties a tree whose keys are for another KEK suite than the new KEK.
func (g *Group) fitTree() {
	if g.tree.Suite() == g.cfg.KEK {
		return
	}
	g.clearTree()
	g.tree.Retune(g.cfg.KEK)
}

type nodeRecord struct {
	Handle uint32
	Key    []byte
}

func nodeKey(n lkh.NodeID) string { return fmt.Sprintf("lkh/%02d/%08x", n.Height, n.Pos) }

// treeRecords are the nodes that have changed: as many as the path of a member is long.
func (g *Group) treeRecords() (out []machine.Record) {
	for _, n := range g.tree.Changed() {
		out = append(out, g.record(nodeKey(n.ID), encodeNode(n)))
	}
	if s := g.tree.Stale(); !slices.Equal(s, g.tree.stale) {
		g.tree.stale = s
		out = append(out, g.record(staleKey, encodeStale(s)))
	}
	return out
}

// parseNode reads the part of a key that names a node.
func parseNode(name string) (id lkh.NodeID, err error) {
	if _, err := fmt.Sscanf(name, "%02d/%08x", &id.Height, &id.Pos); err != nil || !id.Usable() || nodeKey(id) != "lkh/"+name {
		return id, errRecord
	}
	return id, nil
}

func encodeNode(n lkh.Node) []byte {
	if n.Key == nil {
		return nil
	}
	return encode(nodeRecord{n.Handle, n.Key.Bytes()})
}

func encodeStale(s []lkh.NodeID) []byte {
	if len(s) == 0 {
		return nil
	}
	return encode(s)
}

func (g *Group) restoreNode(name string, b []byte) error {
	var r nodeRecord
	var n lkh.Node
	if err := json.Unmarshal(b, &r); err != nil {
		return err
	}
	var err error
	if n.ID, err = parseNode(name); err != nil {
		return err
	}
	n.Handle, n.Key = r.Handle, machine.TakeSecret(r.Key)
	g.tree.restored = append(g.tree.restored, &n)
	return nil
}

// restoreTree makes a tree of what was read. If that does not fit together, members get new places when they register.
func (g *Group) restoreTree() {
	nodes, handle := g.tree.restored, g.tree.restoredHandle
	g.tree.restored = nil
	s := g.cfg.KEK
	if n := len(g.keks); n > 0 {
		s = g.keks[n-1].suite
	}
	t, err := lkh.Restore(g.env, s, handle, nodes)
	if err != nil {
		t = lkh.New(g.env, s, handle)
		for _, n := range nodes {
			t.Forget(n.ID)
		}
	}
	t.SetStale(g.tree.stale)
	g.tree.Tree = t
	owned := map[lkh.Slot]bool{}
	for _, m := range g.members.sorted {
		if m.slot == noSlot {
			continue
		}
		if s := lkh.Slot(m.slot); !t.Has(s) || owned[s] {
			m.slot = noSlot
			continue
		}
		owned[lkh.Slot(m.slot)] = true
	}
	for _, s := range t.Slots() {
		if !owned[s] {
			t.Vacate(s)
		}
	}
}
