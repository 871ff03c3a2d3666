package view

import (
	"fmt"
	"slices"
	"sort"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/widget"
)

// belonging says who is a member of a group: whoever says so, or is listed by one of its key servers.
func belonging(fleet *source.Fleet, group string) func(n *source.Node) bool {
	listed := map[string]bool{}
	for _, s := range fleet.ServersOf(group) {
		for i := range s.Group.Members {
			if m := &s.Group.Members[i]; m.State != control.StateLeft {
				listed[host(m.Address)] = true
			}
		}
	}
	return func(n *source.Node) bool {
		return n.Snap != nil && (memberOf(n, group) != nil || listed[host(n.Snap.MemberAddress(group))])
	}
}

// matrix draws members by keys, those that lack one first if there is not room for all.
func (f *Frame) matrix(keys []Key, group string, room int) []string {
	var mine []*Key
	for i := range keys {
		if keys[i].Group == group {
			mine = append(mine, &keys[i])
		}
	}
	if len(mine) == 0 || len(mine[0].Holders) == 0 {
		return []string{" " + f.Theme.Dim.Render("no member is attached here; members and rekey say what key servers know of them")}
	}
	rows := make([]int, len(mine[0].Holders))
	for i := range rows {
		rows[i] = i
	}
	lacks := func(i int) bool {
		return slices.ContainsFunc(mine, func(k *Key) bool { _, w := k.Holders[i].word(k); return w == "missing" || w == stateDown })
	}
	if len(rows) > room-1 {
		sort.SliceStable(rows, func(a, b int) bool { return lacks(rows[a]) && !lacks(rows[b]) })
	}
	t := &widget.Table{Len: len(rows), ID: func(i int) string { return mine[0].Holders[rows[i]].Node }}
	t.Columns = append(t.Columns, widget.Column{Title: " MEMBER", Cell: func(i int) widget.Cell { return widget.Text(" " + mine[0].Holders[rows[i]].Node) }})
	for n, k := range mine {
		t.Columns = append(t.Columns, widget.Column{Title: k.Kind + " " + short(k.SPI), Key: fmt.Sprint(n), Cell: func(i int) widget.Cell {
			return widget.State(k.Holders[rows[i]].word(k))
		}})
	}
	return t.View(f.Theme, nil, f.Width, room)
}
