package view

import (
	"fmt"

	"github.com/charmbracelet/x/ansi"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Keys shows the rollover: each key's remaining life at the key server, and which of them every member holds and sends
// with. A member without the newest key is the one that will be lost.
type Keys struct{}

// Holding is one member's hold on one key.
type Holding struct {
	Node  string `json:"node"`
	Phase string `json:"phase"` // "" when the member does not have the key
}

// Key is one row of `show keys --json`.
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
}

// Name implements View.
func (Keys) Name() string { return "keys" }

// Rows implements View.
func (Keys) Rows(*Frame) []string { return nil }

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
		if n.Snap == nil || !n.Connected {
			continue
		}
		for _, g := range n.Snap.GM.Groups {
			if g.Name == group {
				add(g.TEKs, g.KEK, stale(n, fleet.Time))
			}
		}
	}
	for k := range out {
		out[k].Holders = []Holding{}
		for i := range members {
			if members[i].Snap != nil {
				out[k].Holders = append(out[k].Holders, Holding{members[i].Name, holds(&members[i], group, out[k].SPI)})
			}
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

func holds(n *source.Node, group, spi string) string {
	if !n.Connected {
		return "down"
	}
	for _, g := range n.Snap.GM.Groups {
		if g.Name != group {
			continue
		}
		for _, k := range g.TEKs {
			if k.SPI == spi {
				return k.Phase
			}
		}
		if g.KEK != nil && g.KEK.SPI == spi {
			return fmt.Sprintf("seq %d", g.KEK.Seq)
		}
		if g.KEK != nil && g.KEK.PreviousSPI == spi {
			return "previous"
		}
	}
	return ""
}

// Draw implements View.
func (Keys) Draw(f *Frame) []string {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	t := f.Theme
	var out []string
	for _, group := range f.Fleet.Groups() {
		keys := keysOf(f.Fleet, group)
		next := ""
		if n, g := f.Fleet.KSOf(group); g != nil && n.Connected {
			next = t.Dim.Render("next rekey ") + t.Text.Render(until(g.NextRekey, f.Fleet.Time)) + t.Dim.Render("  last ") + t.Text.Render(clock(g.LastRekey))
		}
		out = append(out, f.section("KEYS of group "+group, next))
		if c := f.Fleet.Cooperation(group); c != nil {
			out = append(out, f.coopBanners(c, false)...)
		}
		for _, k := range keys {
			level, phase := phaseLevel(k.Phase), k.Phase
			if k.Kind == "KEK" {
				level, phase = theme.Good, fmt.Sprintf("seq %d", k.Seq)
			}
			out = append(out, f.keyLine(k.Kind, k.SPI, level, phase, k.Remaining, k.Lifetime))
			detail := fmt.Sprintf("     %s", k.Suite)
			if k.Kind == "TEK" {
				detail += fmt.Sprintf("  epoch %d", k.Epoch)
			}
			out = append(out, t.Faint.Render(ansi.Truncate(detail, f.Width, "…")))
		}
		out = append(out, "", f.section("WHO HAS WHICH KEY", ""))
		out = append(out, f.matrix(keys)...)
		out = append(out, "")
	}
	return f.clip(out)
}

// matrix draws members by keys.
func (f *Frame) matrix(keys []Key) []string {
	tab := &widget.Table{Cursor: -1, Columns: []widget.Column{{Title: " MEMBER"}}}
	rows := map[string][]string{}
	var order []string
	for _, k := range keys {
		spi := k.SPI
		if len(spi) > 8 {
			spi = spi[:8]
		}
		tab.Columns = append(tab.Columns, widget.Column{Title: k.Kind + " " + spi})
		for _, h := range k.Holders {
			if rows[h.Node] == nil {
				rows[h.Node] = []string{" " + h.Node}
				order = append(order, h.Node)
			}
			cell := f.Theme.State(phaseLevel(h.Phase), h.Phase)
			switch {
			case h.Phase == "" && k.Remaining <= 2:
				cell = f.Theme.State(theme.Neutral, "ended") // each side counts the last seconds by itself
			case h.Phase == "":
				cell = f.Theme.State(theme.Caution, "missing")
			case h.Phase == "down":
				cell = f.Theme.State(theme.Broken, "down")
			case k.Kind == "KEK":
				cell = f.Theme.State(theme.Good, h.Phase)
			}
			rows[h.Node] = append(rows[h.Node], cell)
		}
	}
	for _, name := range order {
		tab.Rows = append(tab.Rows, rows[name])
	}
	return tab.View(f.Theme, f.Width, len(tab.Rows)+1)
}

// Data implements View.
func (Keys) Data(fleet *source.Fleet) any {
	keys := []Key{}
	for _, g := range fleet.Groups() {
		keys = append(keys, keysOf(fleet, g)...)
	}
	return map[string]any{"keys": keys}
}
