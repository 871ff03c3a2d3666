package view

import (
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/widget"
)

// address is where a node speaks from.
func (b *beat) address() string {
	if b.node == nil || b.node.Snap == nil {
		return ""
	}
	if b.node.Snap.GM != nil {
		return b.node.Snap.MemberAddress(b.group)
	}
	return b.node.Snap.LocalTo("")
}

// beatSeq is the last rekey of a row.
func (f *Frame) beatSeq(b *beat) widget.Cell {
	if b.node == nil {
		if _, g := f.Fleet.KSOf(b.group); g != nil && g.KEK != nil {
			return seqCell(g.KEK.Seq)
		}
		return widget.None()
	}
	if b.node.Snap == nil {
		return widget.None()
	}
	for _, k := range keysHeld(b.node.Snap) {
		if k.kek != nil && k.group == b.group {
			return seqCell(k.kek.Seq)
		}
	}
	return widget.None()
}

// beatSends is the key that a member sends with, how many members a key server has, or how many a group.
func (f *Frame) beatSends(b *beat) widget.Cell {
	if b.node == nil {
		n, g := f.Fleet.KSOf(b.group)
		if g == nil || !n.Connected {
			return widget.None()
		}
		return widget.Text(fmt.Sprintf("%d members", g.Present()))
	}
	switch s := b.node.Snap; {
	case s == nil:
		return widget.None()
	case s.GM != nil:
		for _, g := range s.GM.Groups {
			if k := sendingKey(g.TEKs); k != nil && g.Name == b.group {
				return widget.Text(k.SPI)
			}
		}
		return widget.None()
	}
	members, own, shared := 0, 0, false
	for i := range b.node.Snap.KS.Groups {
		g := &b.node.Snap.KS.Groups[i]
		members += g.Present()
		if g.Coop != nil {
			shared = true
			own += registeredWith(g, g.Coop.ID)
		}
	}
	if shared {
		return widget.Text(fmt.Sprintf("%d/%d members", own, members)) // those that registered here
	}
	return widget.Text(fmt.Sprintf("%d members", members))
}

// beatNext is when a group gets its next keys.
func (f *Frame) beatNext(b *beat) widget.Cell {
	if n, g := f.Fleet.KSOf(b.group); b.node == nil && g != nil && n.Connected {
		return widget.Left(g.NextRekey, f.Fleet.Time)
	}
	return widget.Text("")
}

// rate is the newest packet rate of a member.
func (b *beat) rate(out bool) widget.Cell {
	if b.node == nil || b.node.Snap == nil || b.node.Snap.GM == nil || !b.node.Connected || b.word == stateHangs || b.word == statePaused {
		return widget.Text("")
	}
	v := b.node.In
	if out {
		v = b.node.Out
	}
	return rateCell(v)
}

func (b *beat) drops() widget.Cell {
	if b.node == nil || b.node.Snap == nil {
		return widget.None()
	}
	n := uint64(0)
	for _, c := range drops(b.node.Snap) {
		n += c.Count
	}
	return widget.Short(n)
}

// sendingKey is the TEK that is sent with; nil: none is.
func sendingKey(teks []control.TEK) *control.TEK {
	for i := range teks {
		if teks[i].Phase == control.PhaseSending {
			return &teks[i]
		}
	}
	return nil
}
