package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/getvpn/getvpn/tui/source"
	"github.com/getvpn/getvpn/tui/theme"
	"github.com/getvpn/getvpn/tui/widget"
)

// Topology draws who is connected with whom: in a lab its routers, with the nodes on them, and what is cut; otherwise the key
// servers, with the members that registered with them.
type Topology struct{}

// Name implements View.
func (Topology) Name() string { return "topology" }

// vertex is a node of the picture.
type vertex struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"` // ks, gm, core or host
	State   string   `json:"state"`
	Address string   `json:"address"`
	Links   []string `json:"links"` // to whom
	Cuts    []string `json:"cuts"`  // "1a": on the first side of the first cut

	level theme.Level
	hub   string // on which it hangs; empty: it is a hub, or hangs nowhere
}

// graph is the whole picture.
type graph struct {
	vertices []vertex
	at       map[string]int
	hubs     []string
	broken   map[[2]string]bool // links between hubs that do not work
	cuts     []source.LabFault
}

func (g *graph) vertex(name string) *vertex {
	if i, ok := g.at[name]; ok {
		return &g.vertices[i]
	}
	return nil
}

func (g *graph) add(v vertex) {
	g.at[v.Name] = len(g.vertices)
	g.vertices = append(g.vertices, v)
}

// link connects two that are there.
func (g *graph) link(a, b string) {
	if x, y := g.vertex(a), g.vertex(b); x != nil && y != nil {
		x.Links, y.Links = append(x.Links, b), append(y.Links, a)
	}
}

// topology makes the picture of a lab, or of a group.
func topology(fleet *source.Fleet, group string) *graph {
	g := &graph{at: map[string]int{}, broken: map[[2]string]bool{}}
	if fleet.State != nil {
		g.ofLab(fleet)
	} else {
		g.ofGroups(fleet, group)
	}
	return g
}

// ofLab takes the nodes and links of the lab.
func (g *graph) ofLab(fleet *source.Fleet) {
	for _, n := range fleet.State.Nodes {
		v := vertex{Name: n.Name, Kind: n.Kind, State: "-"}
		if len(n.Addresses) > 0 {
			v.Address, _, _ = strings.Cut(n.Addresses[0], "/")
		}
		if node := fleet.Node(n.Name); node != nil {
			v.level, v.State = nodeState(fleet, node)
		} else if n.Outsider {
			continue // it is not there before a check starts it
		}
		if n.Paused() {
			v.level, v.State = theme.Broken, "paused"
		}
		g.add(v)
	}
	for _, l := range fleet.State.Links {
		g.link(l.A, l.B)
	}
	for i := range g.vertices {
		if g.vertices[i].Kind == "core" {
			g.hubs = append(g.hubs, g.vertices[i].Name)
		}
	}
	g.hang(func(v *vertex) bool { return v.Kind == "core" })
	for _, f := range fleet.State.Faults {
		if f.Lasts(fleet.Time) {
			g.cut(f)
		}
	}
}

// hang finds for each node the first hub that it is linked with, or, for a host, the member whose LAN it is on.
func (g *graph) hang(hub func(v *vertex) bool) {
	for i := range g.vertices {
		v := &g.vertices[i]
		if hub(v) {
			continue
		}
		for _, l := range v.Links {
			if o := g.vertex(l); hub(o) || v.Kind == "host" {
				v.hub = l
				break
			}
		}
	}
}

// cut notes who is on which side of a partition. A side that is all others needs no notes.
func (g *graph) cut(f source.LabFault) {
	g.cuts = append(g.cuts, f)
	a, b := f.Sides()
	for k, side := range [][]string{a, b} {
		if g.allOthers(side, [][]string{b, a}[k]) {
			continue
		}
		for _, name := range side {
			if v := g.vertex(name); v != nil {
				v.Cuts = append(v.Cuts, string(rune('0'+len(g.cuts)))+string(rune('a'+k)))
			}
		}
	}
}

// allOthers says whether a side has every daemon that the other one has not, and they are many.
func (g *graph) allOthers(side, other []string) bool {
	for i := range g.vertices {
		if v := &g.vertices[i]; (v.Kind == "ks" || v.Kind == "gm") && !slices.Contains(side, v.Name) && !slices.Contains(other, v.Name) {
			return false
		}
	}
	return len(side) > len(other) && len(side) > 4
}

// ofGroups takes key servers and the members that registered with them.
func (g *graph) ofGroups(fleet *source.Fleet, group string) {
	servers := map[string]bool{} // by address, too
	for _, n := range fleet.KeyServers() {
		level, word := nodeState(fleet, &n)
		v := vertex{Name: n.Name, Kind: n.Role, State: word, level: level}
		if n.Snap != nil {
			v.Address = n.Snap.LocalTo("")
		}
		g.add(v)
		g.hubs = append(g.hubs, n.Name)
		servers[n.Name] = true
	}
	for _, name := range limited(fleet, group) {
		c := fleet.Cooperation(name)
		if c == nil {
			continue
		}
		for i := range c.Servers {
			for k := range i {
				a, b := &c.Servers[k], &c.Servers[i]
				g.link(a.Name, b.Name)
				g.broken[[2]string{a.Name, b.Name}] = !a.Sees(b.ID) || !b.Sees(a.ID)
			}
		}
	}
	for _, m := range list(fleet, group) {
		if g.vertex(m.Name) != nil {
			continue // it is in another group, too
		}
		state := m.state()
		g.add(vertex{Name: m.Name, Kind: "gm", State: state.Text, level: state.Level, Address: m.Address, hub: g.server(&m)})
		g.link(m.Name, g.vertex(m.Name).hub)
	}
}

// server is the hub of a member: the key server with the name or the address that it registered with.
func (g *graph) server(m *Member) string {
	for _, h := range g.hubs {
		if with := host(m.RegisteredWith); with == h || with == g.vertex(h).Address {
			return h
		}
	}
	return ""
}

// Page implements View.
func (Topology) Page(f *Frame) *Page {
	if len(f.Fleet.Nodes) == 0 {
		return nothing(f)
	}
	g := topology(f.Fleet, f.Group)
	title := "who registered with whom"
	if f.Fleet.State != nil {
		title = "lab " + f.Fleet.Lab + ", scenario " + f.Fleet.State.Scenario
	}
	p := &Page{Head: append([]string{f.section("TOPOLOGY", f.Theme.Dim.Render(title))}, f.picture(g)...), Title: "NODES"}
	p.Head = append(p.Head, f.cutLines(g)...)
	all := g.vertices
	t := &widget.Table{Len: len(all), ID: func(i int) string { return all[i].Name }, More: func(i int) string { return strings.Join(all[i].Links, " ") }}
	column := columns(t, all)
	column(widget.Column{Title: " NODE"}, func(v *vertex) widget.Cell { return widget.Text(" " + v.Name) })
	column(widget.Column{Title: "KIND"}, func(v *vertex) widget.Cell { return widget.Text(v.Kind) })
	column(widget.Column{Title: "STATE"}, func(v *vertex) widget.Cell {
		if v.State == "-" {
			return widget.None()
		}
		return widget.State(v.level, v.State)
	})
	column(widget.Column{Title: "ADDRESS", Drop: 1}, func(v *vertex) widget.Cell { return widget.Text(v.Address) })
	if len(g.cuts) > 0 {
		column(widget.Column{Title: "CUT"}, func(v *vertex) widget.Cell {
			if len(v.Cuts) == 0 {
				return widget.None()
			}
			return widget.State(theme.Broken, strings.Join(v.Cuts, " "))
		})
	}
	column(widget.Column{Title: "LINKS", Flex: true, Min: 12}, func(v *vertex) widget.Cell { return widget.Text(some(v.Links, 12)) })
	p.Table = t
	p.Subject = func(i int) Subject { return Subject{Node: all[i].Name} }
	p.Enter = func(i int) Place {
		if f.Fleet.Node(all[i].Name) == nil && f.Fleet.State != nil {
			return Place{} // a host or a router has no page
		}
		return Place{View: Node{}.Name(), Node: all[i].Name}
	}
	return p
}

// some names the first of many.
func some(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], " "), len(names)-most)
}

// Data implements View.
func (Topology) Data(fleet *source.Fleet, group string) any {
	g := topology(fleet, group)
	faults := []source.LabFault{}
	return map[string]any{"nodes": g.vertices, "cuts": append(faults, g.cuts...)}
}
