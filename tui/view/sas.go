package view

import (
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// SAs shows each key's remaining life at the key server, which of them every member holds and sends with, and what went
// through it. A member without the newest key is the one that will be lost.
type SAs struct{}

// Holding is one member's hold on one key.
type Holding struct {
	Node  string `json:"node"`
	node  *source.Node
	Phase string `json:"phase"` // "" when the member does not have the key

	OutPackets uint64 `json:"out_packets"`
	OutBytes   uint64 `json:"out_bytes"`
	InPackets  uint64 `json:"in_packets"`
	InBytes    uint64 `json:"in_bytes"`

	Seq         uint32           `json:"seq,omitempty"`          // of a KEK: the last rekey that was accepted under it
	PacketsLeft uint64           `json:"packets_left,omitempty"` // that can still be sent with the member's sender ids
	Senders     []control.Sender `json:"senders,omitempty"`      // the replay windows that it keeps, of those heard last
}

// Key is one row of `show sas --json`.
type Key struct {
	Group     string    `json:"group"`
	Kind      string    `json:"kind"` // TEK or KEK
	SPI       string    `json:"spi"`
	Suite     string    `json:"suite"`
	Epoch     uint64    `json:"epoch,omitempty"`
	Seq       uint32    `json:"seq,omitempty"`
	Phase     string    `json:"phase,omitempty"`
	Remaining int       `json:"remaining"`
	Lifetime  int       `json:"lifetime"`
	Holders   []Holding `json:"holders"`

	sum *source.Series // see series; nil: nobody has asked
}

// Name implements View.
func (SAs) Name() string { return "sas" }

// keysOf lists a group's keys as its key server has them, or as members have them while no key server was seen.
func keysOf(fleet *source.Fleet, group string) []Key {
	var out []Key
	add := func(teks []control.TEK, kek *control.KEK, lag int) {
		for _, k := range teks {
			if !hasKey(out, k.SPI) {
				out = append(out, Key{Group: group, Kind: "TEK", SPI: k.SPI, Suite: k.Suite, Epoch: k.Epoch, Phase: k.Phase, Remaining: max(0, k.Remaining-lag), Lifetime: k.Lifetime})
			}
		}
		if kek != nil && !hasKey(out, kek.SPI) {
			out = append(out, Key{Group: group, Kind: "KEK", SPI: kek.SPI, Suite: kek.Suite, Seq: kek.Seq, Remaining: max(0, kek.Remaining-lag), Lifetime: kek.Lifetime})
		}
	}
	if n, g := fleet.KSOf(group); g != nil && n.Connected {
		add(g.TEKs, g.KEK, stale(n, fleet.Time))
	}
	for _, s := range fleet.ServersOf(group) { // in a split every side may have keys of its own
		if s.Node.Connected && s.Group.Coop != nil {
			add(s.Group.TEKs, s.Group.KEK, stale(s.Node, fleet.Time))
		}
	}
	members := fleet.Members()
	for i := range members {
		n := &members[i]
		if g := memberOf(n, group); g != nil && n.Connected {
			add(g.TEKs, g.KEK, stale(n, fleet.Time))
		}
	}
	belong := belonging(fleet, group)
	members = slices.DeleteFunc(members, func(n source.Node) bool { return !belong(&n) })
	for k := range out {
		out[k].Holders = make([]Holding, len(members))
		for i := range members {
			out[k].Holders[i] = holds(&members[i], group, out[k].SPI)
		}
	}
	return out
}

func hasKey(keys []Key, spi string) bool {
	for _, k := range keys {
		if k.SPI == spi {
			return true
		}
	}
	return false
}

// holds is what a member has of a key.
func holds(n *source.Node, group, spi string) Holding {
	h := Holding{Node: n.Name, node: n}
	if g := memberOf(n, group); g != nil {
		for _, k := range g.TEKs {
			if k.SPI == spi {
				h.Phase, h.OutPackets, h.OutBytes, h.InPackets, h.InBytes = k.Phase, k.OutPackets, k.OutBytes, k.InPackets, k.InBytes
				h.PacketsLeft, h.Senders = k.PacketsLeft, k.Senders
			}
		}
		if g.KEK != nil && g.KEK.SPI == spi {
			h.Phase, h.Seq = fmt.Sprintf("seq %d", g.KEK.Seq), g.KEK.Seq
		} else if g.KEK != nil && g.KEK.PreviousSPI == spi {
			h.Phase = "previous"
		}
	}
	if !n.Connected {
		h.Phase = stateDown
	}
	return h
}

// word is a holding for a person.
func (h *Holding) word(k *Key) (theme.Level, string) {
	switch {
	case h.Phase == "" && k.Remaining <= 2:
		return theme.Neutral, "ended" // each side counts the last seconds by itself
	case h.Phase == "":
		return theme.Caution, "missing"
	case h.Phase == stateDown:
		return theme.Broken, stateDown
	case k.Kind == "KEK" && h.Seq > 0:
		return theme.Good, "seq " + seqText(h.Seq)
	case k.Kind == "KEK":
		return theme.Good, h.Phase
	}
	return phaseLevel(h.Phase), h.Phase
}

// missing counts the members without a key.
func (k *Key) missing() (n int) {
	for i := range k.Holders {
		if _, w := k.Holders[i].word(k); w == "missing" || w == stateDown {
			n++
		}
	}
	return n
}

// Page implements View.
func (SAs) Page(f *Frame) *Page {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	p := &Page{Title: "KEYS", Right: f.Group, Want: 8}
	var keys []Key
	for _, group := range f.groups() {
		keys = append(keys, keysOf(f.Fleet, group)...)
		if c := f.Fleet.Cooperation(group); c != nil {
			p.Head = append(p.Head, f.coopBanners(c, false)...)
		}
	}
	p.Table = f.keyTable(keys)
	for i := range keys {
		p.All = max(p.All, len(keys[i].Holders)+3+2+len(f.Fleet.KeyServers()))
	}
	p.Subject = func(i int) Subject { return Subject{Group: keys[i].Group} }
	p.Enter = func(i int) Place { return Place{View: SA{}.Name(), Group: keys[i].Group, SPI: keys[i].SPI} }
	p.Foot = func(i, room int) []string {
		if room < 3 || len(keys) == 0 {
			return nil
		}
		group := keys[max(i, 0)].Group
		next := f.nextRekey(group)
		if next != "" {
			next = f.Theme.Dim.Render("next rekey ") + next
		}
		out := append([]string{"", f.section("WHO HAS WHICH KEY of group "+group, next)}, f.matrix(keys, group, room-2)...)
		if more := f.sidLines(group, room-len(out)-1); len(more) > 0 {
			out = append(append(out, ""), more...)
		}
		return out
	}
	return p
}

// nextRekey is when keys of a group are made next.
func (f *Frame) nextRekey(group string) string {
	if n, g := f.Fleet.KSOf(group); g != nil && n.Connected {
		return f.Theme.Text.Render(widget.Left(g.NextRekey, f.Fleet.Time).Text)
	}
	return ""
}

// keyTable lists keys.
func (f *Frame) keyTable(keys []Key) *widget.Table {
	t := &widget.Table{Len: len(keys), ID: func(i int) string { return keys[i].Group + "/" + keys[i].SPI }}
	column := columns(t, keys)
	column(widget.Column{Title: " KEY"}, func(k *Key) widget.Cell { return widget.Text(" " + k.Kind) })
	column(widget.Column{Title: "SPI"}, func(k *Key) widget.Cell { return widget.Text(short(k.SPI)) })
	groupDrop := 1
	if len(f.groups()) < 2 {
		groupDrop = 7 // it says nothing
	}
	column(widget.Column{Title: "GROUP", Drop: groupDrop}, func(k *Key) widget.Cell { return widget.Text(k.Group) })
	column(widget.Column{Title: "PHASE"}, func(k *Key) widget.Cell {
		if k.Kind == "KEK" {
			return widget.State(theme.Good, "seq "+seqText(k.Seq))
		}
		return widget.State(phaseLevel(k.Phase), k.Phase)
	})
	column(widget.Column{Title: "LEFT", Right: true}, func(k *Key) widget.Cell { return left(k.Remaining) })
	column(widget.Column{Title: "OF", Right: true, Drop: 4}, func(k *Key) widget.Cell { return left(k.Lifetime) })
	column(widget.Column{Title: "LIFE", Min: 12, Drop: 3}, func(k *Key) widget.Cell { return f.lifeBar(k.Remaining, k.Lifetime, 12) })
	column(widget.Column{Title: "EPOCH", Right: true, Drop: 5}, func(k *Key) widget.Cell {
		if k.Kind == "KEK" {
			return widget.None()
		}
		return widget.Int(k.Epoch)
	})
	column(widget.Column{Title: "WITHOUT", Right: true}, func(k *Key) widget.Cell {
		n := k.missing()
		return widget.Num(float64(n), fmt.Sprintf("%d of %d", n, len(k.Holders)))
	})
	sum := func(get func(h *Holding) uint64) func(k *Key) widget.Cell {
		return func(k *Key) widget.Cell {
			n := uint64(0)
			for i := range k.Holders {
				n += get(&k.Holders[i])
			}
			if k.Kind == "KEK" {
				return widget.None()
			}
			return widget.Short(n)
		}
	}
	column(widget.Column{Title: "OUT PKT", Key: "out", Right: true}, sum(func(h *Holding) uint64 { return h.OutPackets }))
	column(widget.Column{Title: "IN PKT", Key: "in", Right: true}, sum(func(h *Holding) uint64 { return h.InPackets }))
	rate := func(get func(k *Key) widget.Cell) func(k *Key) widget.Cell {
		return func(k *Key) widget.Cell {
			if k.Kind == "KEK" {
				return widget.None()
			}
			return get(k)
		}
	}
	column(widget.Column{Title: "OUT/s", Key: "out-rate", Right: true, Drop: 8}, rate(func(k *Key) widget.Cell { return rateCell(k.series().Out) }))
	column(widget.Column{Title: "IN/s", Key: "in-rate", Right: true, Drop: 9}, rate(func(k *Key) widget.Cell { return rateCell(k.series().In) }))
	column(widget.Column{Title: "TRAFFIC", Min: sparkWidth, Drop: 2}, func(k *Key) widget.Cell { return sparkCell(both(k.series())) })
	column(widget.Column{Title: "SUITE", Flex: true, Min: 10, Drop: 6}, func(k *Key) widget.Cell { return widget.Text(k.Suite) })
	return t
}

// Data implements View.
func (SAs) Data(fleet *source.Fleet, group string) any {
	keys := []Key{}
	for _, g := range limited(fleet, group) {
		keys = append(keys, keysOf(fleet, g)...)
	}
	ranges := []SIDRange{}
	for _, g := range limited(fleet, group) {
		ranges = append(ranges, (&Frame{Fleet: fleet}).sidRanges(g)...)
	}
	return map[string]any{"keys": keys, "sender_ids": ranges}
}
