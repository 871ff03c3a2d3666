package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// groupHead draws a group's line and its keys as the key server has them, or a member while no key server was seen.
func (f *Frame) groupHead(group string) []string {
	t := f.Theme
	here, all := 0, 0
	var lender *source.Node
	var lent *control.GMGroup
	ks, g := f.Fleet.KSOf(group)
	gone := removed(g)
	for i := range f.Fleet.Nodes {
		n := &f.Fleet.Nodes[i]
		own := memberOf(n, group)
		if own == nil || gone[host(n.Snap.MemberAddress(group))] { // whoever was removed is no member, whatever it believes
			continue
		}
		all++
		if answers(f.Fleet, n) && (own.State == control.StateRegistered || own.State == control.StateReregistering) {
			here++
			lender, lent = n, own
		}
	}
	if g == nil || !ks.Connected {
		right := t.State(theme.Broken, "no key server")
		if ks != nil {
			right = t.State(theme.Broken, ks.Name+" down "+widget.Clock(ks.Age(f.Fleet.Time)))
		}
		out := []string{f.section("GROUP "+group, t.Dim.Render(fmt.Sprintf("%d/%d registered  ", here, all))+right)}
		if lent != nil {
			out = append(out, f.groupKeys(lent.TEKs, lent.KEK, stale(lender, f.Fleet.Time))...)
		}
		return out
	}
	level, word := f.groupHealth(g)
	members := fmt.Sprintf("%d members", g.Present())
	if all > 0 {
		members = fmt.Sprintf("%d/%d registered", here, all)
	}
	rekey := ""
	if g.Transmitting > 0 {
		rekey = t.Warn.Render("rekey on its way"+waitedFor(g)) + "  "
	}
	count := t.Dim.Render(members)
	if here < all {
		count = t.State(theme.Caution, members)
	}
	right := count + t.Dim.Render("  next rekey ") + t.Text.Render(widget.Left(g.NextRekey, f.Fleet.Time).Text)
	if rekey = "  " + strings.TrimSpace(rekey); width(right+rekey)+width(word)+width(group)+12 < f.Width {
		right += rekey
	}
	right = t.State(level, word) + "  " + right // a narrow screen cuts the end
	out := []string{f.section("GROUP "+group, right)}
	return append(out, f.groupKeys(g.TEKs, g.KEK, stale(ks, f.Fleet.Time))...)
}

// waitedFor is to how many members a rekey is on its way. A key server counts the datagrams that it has still to send, of which
// a member may get several.
func waitedFor(g *control.KSGroup) string {
	asked, waited := 0, 0
	for i := range g.Members {
		m := &g.Members[i]
		if m.State == control.StateLeft || !m.Rekey.Acks {
			continue
		}
		asked++
		if behind(m.Rekey.Acked, m.LastSeq) {
			waited++
		}
	}
	if asked == 0 { // nobody says who has it
		waited = min(g.Transmitting, g.Present())
	}
	if waited == 0 {
		return ""
	}
	return fmt.Sprintf(" to %d", waited)
}

// memberOf is what a node says of itself as a member of a group; nil: nothing.
func memberOf(n *source.Node, group string) *control.GMGroup {
	if n.Snap == nil || n.Snap.GM == nil {
		return nil
	}
	for i := range n.Snap.GM.Groups {
		if g := &n.Snap.GM.Groups[i]; g.Name == group {
			return g
		}
	}
	return nil
}

// removed are the addresses of those that were removed from a group, and that nobody else has registered from.
func removed(g *control.KSGroup) map[string]bool {
	if g == nil || len(g.Removed) == 0 {
		return nil
	}
	out := map[string]bool{}
	for i := range g.Removed {
		out[host(g.Removed[i].Address)] = true
	}
	for i := range g.Members {
		if g.Members[i].State != control.StateLeft {
			delete(out, host(g.Members[i].Address))
		}
	}
	return out
}

// unknownSPI counts packets that came with a key that a member does not have: who was removed and goes on sends them.
const unknownSPI = "unknown-spi"

// removedLines names those that were removed from a group and are still there with one of its keys, and says what becomes of what they send.
func (f *Frame) removedLines(group string) []string {
	_, g := f.Fleet.KSOf(group)
	gone := removed(g)
	if len(gone) == 0 {
		return nil
	}
	var still []string
	dropped := 0.0
	for i := range f.Fleet.Nodes {
		n := &f.Fleet.Nodes[i]
		own := memberOf(n, group)
		switch {
		case own == nil || !answers(f.Fleet, n):
		case gone[host(n.Snap.MemberAddress(group))]:
			if k := sendingKey(own.TEKs); k != nil {
				still = append(still, n.Name+" (sends with TEK "+short(k.SPI)+")")
			}
		case len(n.Drops) > 0 && slices.ContainsFunc(n.Snap.GM.DataPath.Drops, func(c control.Counter) bool { return c.Name == unknownSPI && c.Count > 0 }):
			dropped += n.Drops[len(n.Drops)-1]
		}
	}
	if len(still) == 0 {
		return nil
	}
	text := "REMOVED but still there: " + some(still, 4)
	if dropped >= 1 {
		text += "; the others drop " + widget.Count(dropped) + "/s (" + unknownSPI + ")"
	}
	return []string{f.sentence(theme.Caution, text)}
}

// groupHealth is how a group is: as its key server says, but a group that nobody makes keys for is not well, whatever was said before.
func (f *Frame) groupHealth(g *control.KSGroup) (theme.Level, string) {
	c := f.Fleet.Cooperation(g.Name)
	level, word := f.saidHealth(g, c)
	if ks, _ := f.Fleet.KSOf(g.Name); c == nil && ks != nil && f.Fleet.Hangs(ks) {
		return theme.Broken, ks.Name + " " + hangWord(f.Fleet, ks) + " " + widget.Clock(ks.Age(f.Fleet.Time))
	}
	if c == nil || !headless(c) || len(c.Sides) > 1 { // of several sides a word says more
		return level, word
	}
	if g.Health == "OK" {
		return theme.Broken, noPrimary
	}
	return theme.Broken, noPrimary + ", " + word
}

// headless says that no key server of a group is its primary, neither one that answers nor one that only its peers hear.
func headless(c *source.Cooperation) bool {
	return len(c.Primaries) == 0 && !slices.ContainsFunc(c.Servers, func(s source.Server) bool {
		return s.Node == nil && s.Lives() && s.Told.Role == control.RolePrimary
	})
}

// noPrimary is the health of a group whose key servers have none.
const noPrimary = "NO PRIMARY"

// saidHealth is what a key server says of its group, with the names of those that it misses instead of their numbers, and
// these first: a narrow screen cuts the end. The sides of a split say more than whom one of them misses.
func (f *Frame) saidHealth(g *control.KSGroup, c *source.Cooperation) (theme.Level, string) {
	if c != nil && len(c.Sides) > 1 {
		word := "SPLIT " + sides(c)
		if g.Health != "OK" && g.Health != "DEGRADED" {
			word += ", " + g.Health
		}
		return theme.Broken, word
	}
	if g.Health == "OK" {
		return theme.Good, g.Health
	}
	var why []string
	if c != nil && g.Coop != nil && len(g.Coop.Unreachable) > 0 {
		var gone []string
		for _, id := range g.Coop.Unreachable {
			gone = append(gone, c.Name(id))
		}
		why = append(why, strings.Join(gone, " ")+" out of reach")
	}
	for _, r := range strings.Split(g.HealthReason, "; ") {
		if r != "" && (len(why) == 0 || !strings.HasPrefix(r, "out of reach: ")) {
			why = append(why, r)
		}
	}
	if len(why) == 0 {
		return theme.Caution, g.Health
	}
	return theme.Caution, g.Health + " (" + strings.Join(why, "; ") + ")"
}
