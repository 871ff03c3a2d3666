package view

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Members lists each member of each group as both sides see it: the key server's list, and what the member says itself.
type Members struct{}

// Member is one row of the members view, and one element of `show members --json`.
type Member struct {
	Group          string    `json:"group"`
	Name           string    `json:"name"` // node name, or the address when the member itself is not attached
	Address        string    `json:"address"`
	Identity       string    `json:"identity"`
	Certificate    string    `json:"certificate,omitempty"` // its subject; empty for a pre-shared key
	State          string    `json:"state"`
	Reason         string    `json:"reason,omitempty"`
	RegisteredWith string    `json:"registered_with"`
	RegisteredAt   time.Time `json:"registered_at"`
	ReregisterAt   time.Time `json:"reregister_at"`
	Registrations  uint64    `json:"registrations"`
	RekeysReceived uint64    `json:"rekeys_received"`
	Seq            uint32    `json:"seq"`      // last rekey accepted by the member
	SeqSent        uint32    `json:"seq_sent"` // last rekey sent to it
	SIDs           []uint32  `json:"sids"`

	Rekey    control.RekeyState `json:"rekey"` // what its key server knows
	Attached bool               `json:"attached"`
}

// Name implements View.
func (Members) Name() string { return "members" }

// list joins what members say with what key servers list.
func list(fleet *source.Fleet) []Member {
	out := []Member{}
	at := map[string]int{} // group|host -> index
	for i := range fleet.Nodes {
		n := &fleet.Nodes[i]
		if n.Snap == nil || n.Snap.GM == nil {
			continue
		}
		for _, g := range n.Snap.GM.Groups {
			m := Member{
				Group: g.Name, Name: n.Name, Address: n.Snap.MemberAddress(g.Name), State: g.State, Reason: g.StateReason,
				RegisteredWith: g.RegisteredWith, RegisteredAt: g.RegisteredAt, ReregisterAt: g.ReregisterAt,
				Registrations: g.Registrations, RekeysReceived: g.RekeysReceived, SIDs: g.SIDs, Attached: n.Connected,
			}
			if g.KEK != nil {
				m.Seq = g.KEK.Seq
			}
			if !n.Connected {
				m.State, m.Reason = "down", n.Problem
			}
			at[g.Name+"|"+m.Address] = len(out)
			out = append(out, m)
		}
	}
	// row is that of an address, or, if it has none, that of who was there before; it is valid until the next call.
	row := func(group, addr, before string) (m *Member, added bool) {
		addr = host(addr)
		key := group + "|" + addr
		if _, ok := at[key]; !ok {
			key += before
		}
		k, ok := at[key]
		if !ok {
			k = len(out)
			at[key] = k
			out = append(out, Member{Group: group, Name: addr, Address: addr})
		}
		return &out[k], !ok
	}
	for _, name := range fleet.Groups() {
		all, c := fleet.ServersOf(name), fleet.Cooperation(name)
		for i, s := range all { // the primary last: it knows best
			n, g := s.Node, s.Group
			for _, km := range g.Members {
				m, added := row(name, km.Address, "")
				if added {
					m.State, m.RegisteredWith, m.RegisteredAt, m.Registrations, m.SIDs = km.State, n.Name, km.RegisteredAt, km.Registrations, km.SIDs
					if c != nil && km.KeyServer != 0 {
						m.RegisteredWith = c.Name(km.KeyServer)
					}
				}
				m.Identity, m.SeqSent, m.Rekey, m.Certificate = km.Identity, km.LastSeq, km.Rekey, km.Certificate
			}
			if i < len(all)-1 && (g.Role != control.RolePrimary || !n.Connected) {
				continue
			}
			for _, r := range g.Removed {
				m, added := row(name, r.Address, "|"+r.Identity)
				if added {
					m.RegisteredWith = n.Name
				}
				m.Identity, m.State = r.Identity, control.StateRemoved
			}
		}
	}
	return out
}

// host drops the port of an address.
func host(addr string) string {
	if h, _, err := net.SplitHostPort(addr); err == nil {
		return h
	}
	return addr
}

func (v Members) shown(f *Frame) []Member {
	var out []Member
	for _, m := range list(f.Fleet) {
		if f.match(m.Group + " " + m.Name + " " + m.Address + " " + m.Identity + " " + m.Certificate + " " + m.State) {
			out = append(out, m)
		}
	}
	return out
}

// Rows implements View.
func (v Members) Rows(f *Frame) []string {
	var names []string
	for _, m := range v.shown(f) {
		names = append(names, m.Name)
	}
	return names
}

// Draw implements View.
func (v Members) Draw(f *Frame) []string {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	t := &widget.Table{Cursor: f.Cursor, Offset: f.Offset, Columns: []widget.Column{
		{Title: " MEMBER"}, {Title: "GROUP", Drop: 1}, {Title: "STATE"}, {Title: "ADDRESS"}, {Title: "KEY SERVER", Drop: 3}, {Title: "SINCE", Drop: 4},
		{Title: "AGAIN IN", Right: true}, {Title: "SEQ", Right: true}, {Title: "SENT", Right: true, Drop: 6}, {Title: "REKEYS", Right: true},
		{Title: "MISSED", Right: true, Drop: 2}, {Title: "RTT", Right: true, Drop: 5}, {Title: "REGS", Right: true, Drop: 7}, {Title: "SENDER IDS", Flex: true, Min: 10, Drop: 8},
	}}
	for _, m := range v.shown(f) {
		level := StateLevel(m.State)
		if !m.Attached && m.State != "down" {
			level = theme.Neutral
		}
		t.Rows = append(t.Rows, []string{" " + m.Name, m.Group, f.Theme.State(level, m.State), m.Address, m.RegisteredWith, clock(m.RegisteredAt), until(m.ReregisterAt, f.Fleet.Time),
			fmt.Sprint(m.Seq), fmt.Sprint(m.SeqSent), fmt.Sprint(m.RekeysReceived), missed(f.Theme, m.Rekey), rtt(m.Rekey),
			fmt.Sprint(m.Registrations), sids(m.SIDs)})
	}
	out := []string{f.section("MEMBERS", f.Theme.Dim.Render(fmt.Sprintf("%d shown", len(t.Rows))))}
	out = append(out, t.View(f.Theme, f.Width, min(len(t.Rows)+1, f.Height-8))...)
	rows := v.Rows(f)
	if f.Cursor >= 0 && f.Cursor < len(rows) {
		if c := v.shown(f)[f.Cursor].Certificate; c != "" {
			out = append(out, " "+f.Theme.Dim.Render("certificate ")+f.Theme.Text.Render(c))
		}
		if n := f.Fleet.Node(rows[f.Cursor]); n != nil {
			out = append(out, "")
			out = append(out, f.nodeDetail(n, f.Height-len(out))...)
		}
	}
	return f.clip(out)
}

func sids(v []uint32) string {
	if len(v) == 0 {
		return "-"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ","), "[]")
}

// Data implements View.
func (Members) Data(fleet *source.Fleet) any { return map[string]any{"members": list(fleet)} }

// lastRekey is when it came, and from whom, if that is not the key server that the member registered with.
func lastRekey(g *control.GMGroup) string {
	if g.RekeyedBy == "" || g.RekeyedBy == g.RegisteredWith {
		return clock(g.LastRekey)
	}
	return clock(g.LastRekey) + " from " + host(g.RekeyedBy)
}

// nodeDetail is what is known of one node, in height lines.
func (f *Frame) nodeDetail(n *source.Node, height int) []string {
	out := []string{f.section(n.Name, "")}
	if b := f.banner(n); b != "" {
		out = append(out, b)
	}
	if n.Snap == nil {
		return out
	}
	t := f.Theme
	field := func(k, v string) string { return t.Dim.Render(k+" ") + t.Text.Render(v) + "   " }
	if gm := n.Snap.GM; gm != nil {
		for _, g := range gm.Groups {
			out = append(out, " "+field("group", g.Name)+field("fail", g.FailMode)+field("registered", fmt.Sprintf("%d of %d tries", g.Registrations, g.Attempts))+
				field("last rekey", lastRekey(&g))+field("replay window", replayWindow(&g)))
			out = append(out, f.groupKeys(g.TEKs, g.KEK, stale(n, f.Fleet.Time))...)
		}
		d := gm.DataPath
		out = append(out, " "+field("data path", fmt.Sprintf("%s mtu %d, %s → %s, %s", d.TUN, d.MTU, strings.Join(d.LAN, ","), d.WAN, d.Backend))+field("senders", fmt.Sprint(d.Senders)))
		out = append(out, " "+field("sealed", packets(d.OutPackets, d.OutBytes))+field("opened", packets(d.InPackets, d.InBytes))+field("clear", widget.Count(float64(d.Clear))))
		out = append(out, " "+t.Dim.Render("drops ")+counters(d.Drops)+t.Dim.Render("  control ")+counters(n.Snap.Drops))
	}
	if ks := n.Snap.KS; ks != nil {
		out = append(out, " "+field("sessions", fmt.Sprint(ks.Sessions))+field("half open", fmt.Sprint(ks.HalfOpen))+field("state", ks.StateFile))
		for _, g := range ks.Groups {
			out = append(out, " "+field("group", g.Name)+field("role", g.Role)+field("rekeys sent", fmt.Sprint(g.RekeysSent))+
				field("sender ids", fmt.Sprintf("%d of %d (%d bits)", g.SIDsUsed, g.SIDsTotal, g.SIDBits)))
			out = append(out, f.groupKeys(g.TEKs, g.KEK, stale(n, f.Fleet.Time))...)
		}
		out = append(out, " "+t.Dim.Render("drops ")+counters(n.Snap.Drops))
		for _, g := range ks.Groups {
			if c := f.Fleet.Cooperation(g.Name); c != nil && g.Coop != nil && n.Connected {
				out = append(out, f.coopDetail(c, c.Server(g.Coop.ID))...)
			}
		}
	}
	for _, w := range n.Snap.Warn {
		out = append(out, " "+t.State(theme.Caution, w))
	}
	if len(out) > height {
		out = out[:max(height, 0)]
	}
	return out
}

func packets(n, bytes uint64) string {
	return widget.Count(float64(n)) + " pkt " + widget.Count(float64(bytes)) + "B"
}

func counters(c []control.Counter) string {
	s := ""
	for _, x := range c {
		if x.Count > 0 {
			s += fmt.Sprintf("%s %s  ", x.Name, widget.Count(float64(x.Count)))
		}
	}
	if s == "" {
		return "none"
	}
	return s
}

// replayWindow is the window of sequence numbers, and that of time if there is one.
func replayWindow(g *control.GMGroup) string {
	a := &g.AntiReplay
	if !a.On {
		return fmt.Sprint(g.ReplayWindow)
	}
	return fmt.Sprintf("%d, ±%gs (clock %+.1f ppm, dropped %d)", g.ReplayWindow, a.Value, a.Drift, a.InErrors)
}
