package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// lastRekey is when it came, and from whom, if that is not the key server that the member registered with.
func lastRekey(g *control.GMGroup) string {
	if g.RekeyedBy == "" || g.RekeyedBy == g.RegisteredWith {
		return clock(g.LastRekey)
	}
	return clock(g.LastRekey) + " from " + host(g.RekeyedBy)
}

// field is one thing that is known, with its name.
func (f *Frame) field(k, v string) string { return f.Theme.Dim.Render(k+" ") + f.Theme.Text.Render(v) }

// flow packs fields into as few lines as they fit into.
func (f *Frame) flow(fields ...string) []string {
	var out []string
	line := ""
	for _, x := range fields {
		if line != "" && width(line)+3+width(x) > f.Width {
			out, line = append(out, line), ""
		}
		if line == "" {
			line = " " + x
		} else {
			line += "   " + x
		}
	}
	return append(out, line)
}

// nodeFacts is what is known of one node, without its keys.
func (f *Frame) nodeFacts(n *source.Node) []string {
	t := f.Theme
	var out []string
	if b := f.banner(n); b != "" {
		out = append(out, b)
	}
	if n.Snap == nil {
		return out
	}
	if gm := n.Snap.GM; gm != nil {
		for i := range gm.Groups {
			out = append(out, f.groupFacts(&gm.Groups[i])...)
		}
		d := &gm.DataPath
		out = append(out, f.flow(f.field("data path", dataPath(d)),
			f.field("senders", fmt.Sprint(d.Senders)), f.field("sealed", packets(d.OutPackets, d.OutBytes)), f.field("opened", packets(d.InPackets, d.InBytes)),
			f.field("clear", widget.Count(float64(d.Clear))), f.field("drops", counters(d.Drops)), f.field("control drops", counters(n.Snap.Drops)))...)
		out = append(out, f.trafficLines(n)...)
		if d.Down != "" {
			out = append(out, " "+t.State(theme.Broken, "data path down: "+d.Down))
		}
	}
	if ks := n.Snap.KS; ks != nil {
		out = append(out, f.flow(f.field("sessions", fmt.Sprint(ks.Sessions)), f.field("half open", fmt.Sprint(ks.HalfOpen)), f.field("state", ks.StateFile),
			f.field("control drops", counters(n.Snap.Drops)))...)
		for i := range ks.Groups {
			g := &ks.Groups[i]
			level, word := f.groupHealth(g)
			out = append(out, f.flow(f.field("group", g.Name), f.field("role", g.Role), f.field("health", "")+t.State(level, word), f.field("members", fmt.Sprint(g.Present())),
				f.field("rekeys sent", fmt.Sprint(g.RekeysSent)), f.field("sender ids", fmt.Sprintf("%d of %d (%d bits)", g.SIDsUsed, g.SIDsTotal, g.SIDBits)))...)
		}
	}
	for _, w := range n.Snap.Warn {
		out = append(out, " "+t.State(theme.Caution, w))
	}
	return out
}

// dataPath is where packets go through a member, without what it does not have: a model has no interfaces.
func dataPath(d *control.DataPath) string {
	has := func(s string) bool { return s != "" && s != "none" }
	var out, way []string
	tun := fmt.Sprintf("mtu %d", d.MTU)
	if has(d.TUN) {
		tun = d.TUN + " " + tun
	}
	if lan := strings.Join(d.LAN, ","); has(lan) {
		way = append(way, lan)
	}
	if has(d.WAN) {
		way = append(way, d.WAN)
	}
	for _, s := range []string{tun, strings.Join(way, " → "), d.Backend} {
		if has(s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

// groupFacts is what a member says of a group.
func (f *Frame) groupFacts(g *control.GMGroup) []string {
	state := f.Theme.State(StateLevel(g.State), g.State)
	if g.StateReason != "" {
		state += f.Theme.Text.Render(" (" + g.StateReason + ")")
	}
	return f.flow(f.field("group", g.Name), f.field("state", "")+state, f.field("fail", g.FailMode), f.field("mode", orDash(g.Mode)),
		f.field("registered", fmt.Sprintf("%d of %d tries", g.Registrations, g.Attempts)), f.field("last rekey", lastRekey(g)), f.field("replay window", replayWindow(g)))
}

// memberDetail is what is known of a member, in room lines: what it says itself, or what its key server says of it.
func (f *Frame) memberDetail(m *Member, room int) []string {
	out := []string{f.section(m.Name, "")}
	n := f.Fleet.Node(m.Name)
	if n == nil || n.Snap == nil {
		out = append(out, f.memberFacts(m)...)
		return out[:min(len(out), room)]
	}
	out = append(out, f.nodeFacts(n)...)
	if m.Certificate != "" {
		out = append(out, " "+f.field("certificate", m.Certificate))
	}
	var keys []string
	for i := range n.Snap.GM.Groups {
		g := &n.Snap.GM.Groups[i]
		if g.Name == m.Group {
			keys = f.groupKeys(g.TEKs, g.KEK, stale(n, f.Fleet.Time))
		}
	}
	if len(out)+len(keys) > room && len(out) > 2 { // keys before the rest
		out = append(out[:min(2, len(out))], append(keys, out[2:]...)...)
	} else {
		out = append(out, keys...)
	}
	return out[:min(len(out), room)]
}

// memberFacts is what a key server says of a member that is not attached.
func (f *Frame) memberFacts(m *Member) []string {
	acks := "not asked for"
	if m.Rekey.Acks {
		acks = fmt.Sprintf("%d, last of %s, missed %d in a row and %d in all", m.Rekey.AckCount, seqText(m.Rekey.Acked), m.Rekey.Missed, m.Rekey.MissedTotal)
	}
	out := f.flow(f.field("group", m.Group), f.field("state", "")+f.Theme.State(m.state().Level, m.State), f.field("identity", orDash(m.Identity)), f.field("address", m.Address),
		f.field("registered with", host(m.RegisteredWith)), f.field("at", clock(m.RegisteredAt)), f.field("registrations", fmt.Sprint(m.Registrations)),
		f.field("rekey sent", seqText(m.SeqSent)), f.field("acknowledgements", acks), f.field("sender ids", sids(m.SIDs)))
	if m.Certificate != "" {
		out = append(out, " "+f.field("certificate", m.Certificate))
	}
	return append(out, " "+f.Theme.Faint.Render("not attached here: this is what its key server says"))
}

func packets(n, bytes uint64) string {
	return widget.Count(float64(n)) + " packets, " + widget.Count(float64(bytes)) + " octets"
}

func counters(c []control.Counter) string {
	s := ""
	for _, x := range c {
		if x.Count > 0 {
			s += fmt.Sprintf("%s %s, ", x.Name, widget.Count(float64(x.Count)))
		}
	}
	if s == "" {
		return "none"
	}
	return strings.TrimSuffix(s, ", ")
}

// replayWindow is the window of sequence numbers, and that of time if there is one.
func replayWindow(g *control.GMGroup) string {
	a := &g.AntiReplay
	if !a.On {
		return fmt.Sprint(g.ReplayWindow)
	}
	return fmt.Sprintf("%d, ±%gs (clock %+.1f ppm, dropped %d)", g.ReplayWindow, a.Value, a.Drift, a.InErrors)
}
