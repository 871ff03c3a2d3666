package classic

import (
	"github.com/getvpn/getvpn/daemon/control"
)

// RekeyBlock is what a member knows of its rekeys.
type RekeyBlock struct {
	Group     string             `json:"group"`
	Transport string             `json:"rekey_transport"`
	Total     uint64             `json:"rekeys_cumulative"`
	Since     uint64             `json:"rekeys_after_registration"`
	Acks      uint64             `json:"rekey_acks_sent"`
	SAs       map[string]RekeySA `json:"rekey_sa_information"` // New: no rekey came under it yet; Current; Previous
}

// RekeySA is a KEK as devices list it.
type RekeySA struct {
	Dst, Src string
	My       string `json:"my_cookie"`
	His      string `json:"his_cookie"`
}

type rekeyBlocks []RekeyBlock

func gmRekey(s *control.Snapshot, q Query) Answer {
	return rekeyBlocks(eachGM(s, q, func(g *control.GMGroup) RekeyBlock {
		b := RekeyBlock{Group: g.Name, Transport: "Unicast", Total: g.RekeysReceived, Since: g.RekeysSince, Acks: g.AcksSent, SAs: map[string]RekeySA{}}
		dst, src := rekeyEnds(s, g)
		if len(g.Multicast) > 0 {
			b.Transport = "Multicast"
		}
		add := func(state, spi string) {
			my, his := cookies(spi)
			b.SAs[state] = RekeySA{dst, src, my, his}
		}
		if k := g.KEK; k != nil {
			state := "New"
			if k.Used {
				state = "Current"
			}
			add(state, k.SPI)
			if k.PreviousSPI != "" {
				add("Previous", k.PreviousSPI)
			}
		}
		return b
	}))
}

// rekeyEnds are where rekeys go to, and where they come from.
func rekeyEnds(s *control.Snapshot, g *control.GMGroup) (dst, src string) {
	if dst = host(s.Local); len(g.Multicast) > 0 {
		dst = host(g.Multicast[0])
	}
	if src = host(g.RekeyedBy); g.RekeyedBy == "" {
		src = host(g.RegisteredWith)
	}
	return dst, src
}

func (all rekeyBlocks) print(p *page) {
	for i, b := range all {
		if i > 0 {
			p.blank()
			p.blank()
		}
		p.line(0, "Group %s (%s)", b.Group, b.Transport)
		p.field(4, 45, "Number of Rekeys received (cumulative)", b.Total)
		p.field(4, 45, "Number of Rekeys received after registration", b.Since)
		p.field(4, 45, "Number of Rekey Acks sent", b.Acks)
		p.blank()
		p.line(0, "Rekey (KEK) SA information :")
		p.line(10, "%-15s %-15s %-8s %-10s %s", "dst", "src", "conn-id", "my-cookie", "his-cookie")
		for _, state := range []string{"New", "Current", "Previous"} {
			sa, ok := b.SAs[state]
			if !ok {
				sa = RekeySA{absent, absent, absent, absent}
			}
			p.line(0, "%-8s: %-15s %-15s %-8s %-10s %s", state, sa.Dst, sa.Src, absent, sa.My, sa.His)
		}
	}
}

// rekeySAs are the KEKs of all groups, as "rekey sa" lists them.
type rekeySAs []RekeyBlock

func rekeySA(s *control.Snapshot, q Query) Answer { return rekeySAs(gmRekey(s, q).(rekeyBlocks)) }

func (all rekeySAs) print(p *page) {
	p.line(0, "GETVPN REKEY SA")
	p.line(0, "%-15s %-15s %-15s %s", "dst", "src", "conn-id", "status")
	for _, b := range all {
		for _, state := range []string{"New", "Current", "Previous"} {
			if sa, ok := b.SAs[state]; ok {
				p.line(0, "%-15s %-15s %-15d %s", sa.Dst, sa.Src, 0, "ACTIVE")
			}
		}
	}
}
