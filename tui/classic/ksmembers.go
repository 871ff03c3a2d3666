package classic

import (
	"cmp"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
)

// MembersOf are the members of a group on a key server.
type MembersOf struct {
	Group       string     `json:"group_name"`
	Identity    string     `json:"group_id"`
	Rekeys      uint64     `json:"rekeys_sent"`
	Retransmits uint64     `json:"retransmits_num"` // during the last rekey
	Duration    float64    `json:"last_rekey_duration_msec"`
	Members     []MemberOf `json:"group_members"`
	asked       bool       // for one member alone
}

// MemberOf is one of them.
type MemberOf struct {
	ID        string   `json:"group_member_id"`
	Version   string   `json:"gm_version"`
	State     string   `json:"gm_state"`
	KeyServer string   `json:"key_server_id"` // where it registered
	Local     bool     `json:"local"`         // that is this one
	Rekeys    uint64   `json:"rekeys_sent"`
	Retries   uint64   `json:"rekeys_retries"`
	Acks      uint64   `json:"rekey_acks_rcvd"`
	Missed    uint64   `json:"rekey_acks_missed"`
	Sent      []uint32 `json:"sent_seq_num"` // the last four, newest first
	Rcvd      []uint32 `json:"rcvd_seq_num"` // acknowledged
}

type membersOf []MembersOf

func ksMembers(s *control.Snapshot, q Query) Answer {
	return membersOf(eachKS(s, q, func(_ int, g *control.KSGroup) MembersOf { return members(s, g, q.Member) }))
}

func members(s *control.Snapshot, g *control.KSGroup, only string) MembersOf {
	b := MembersOf{Group: g.Name, Identity: g.ID, Rekeys: g.RekeysSent, Retransmits: g.LastRekeyRepeats, Duration: g.LastRekeyTook, Members: []MemberOf{}, asked: only != ""}
	for i := range g.Members {
		m := &g.Members[i]
		if only != "" && only != m.Address {
			continue
		}
		one := MemberOf{
			ID: m.Address, Version: cmp.Or(m.Version, "0.0.0"), State: title(m.State), Rekeys: m.Rekeys, Retries: m.RekeysSent - min(m.Rekeys, m.RekeysSent),
			Acks: m.Rekey.AckCount, Missed: m.Rekey.MissedTotal, Sent: four(m.SentSeqs), Rcvd: four(m.AckedSeqs),
		}
		one.KeyServer, one.Local = registeredAt(s, g, m)
		b.Members = append(b.Members, one)
	}
	return b
}

// registeredAt is the key server of a member, and whether that is this one.
func registeredAt(s *control.Snapshot, g *control.KSGroup, m *control.KSMember) (string, bool) {
	c := g.Coop
	if c == nil {
		return host(s.Local), true
	}
	if m.KeyServer == 0 || m.KeyServer == c.ID {
		return c.Address, true
	}
	for i := range c.Peers {
		if c.Peers[i].ID == m.KeyServer {
			return c.Peers[i].Address, false
		}
	}
	return noAddress, false
}

// four numbers, zeros for those that there are not.
func four(list []uint32) []uint32 {
	out := make([]uint32, 4)
	copy(out, list)
	return out
}

func (all membersOf) print(p *page) {
	for i := range all {
		p.blank()
		all[i].print(p)
	}
}

func (b *MembersOf) print(p *page) {
	if b.asked && len(b.Members) == 0 {
		p.line(0, "Group Member not Found")
		p.blank()
		return
	}
	p.line(0, "Number of rekeys sent for group %s : %d", b.Group, b.Rekeys)
	p.line(0, "Number of retransmits during the last rekey for group %s : %d", b.Group, b.Retransmits)
	p.line(0, "Duration of the last rekey for group %s : %.0f msec", b.Group, b.Duration)
	for i := range b.Members {
		m := &b.Members[i]
		f := func(label string, value any) { p.field(1, 18, label, value) }
		p.blank()
		p.line(0, "%-19s: %s  GM Version: %s", "Group Member ID", m.ID, m.Version)
		f("Group ID", b.Identity)
		f("Group Name", b.Group)
		f("Group Type", gdoiType)
		f("GM State", m.State)
		f("Key Server ID", m.KeyServer)
		f("Rekeys sent", m.Rekeys)
		f("Rekeys retries", m.Retries)
		f("Rekey Acks Rcvd", m.Acks)
		f("Rekey Acks missed", m.Missed)
		p.blank()
		p.seqs("Sent", m.Sent)
		p.seqs("Rcvd", m.Rcvd)
		p.blank()
	}
}

func (p *page) seqs(what string, list []uint32) {
	p.line(1, "%s seq num : %-5d %-5d %-5d %-5d", what, list[0], list[1], list[2], list[3])
}

// SummaryOf are the members of a group by key server.
type SummaryOf struct {
	Group    string      `json:"group_name"`
	Identity string      `json:"group_id"`
	Members  int         `json:"group_members"`
	Servers  []ServersOf `json:"key_servers"`
}

// ServersOf are the members that registered with one key server.
type ServersOf struct {
	ID      string     `json:"key_server_id"`
	State   string     `json:"gmdb_state"` // LOCAL or REDUNDANT
	Members []MemberOf `json:"members"`
}

type summaries []SummaryOf

func ksSummary(s *control.Snapshot, q Query) Answer {
	return summaries(eachKS(s, q, func(_ int, g *control.KSGroup) SummaryOf {
		b := SummaryOf{Group: g.Name, Identity: g.ID, Members: g.Present(), Servers: []ServersOf{}}
		at := map[string]int{}
		add := func(id, state string) {
			at[id] = len(b.Servers)
			b.Servers = append(b.Servers, ServersOf{id, state, []MemberOf{}})
		}
		if c := g.Coop; c == nil {
			add(host(s.Local), "LOCAL")
		} else {
			add(c.Address, "LOCAL")
			for i := range c.Peers {
				add(c.Peers[i].Address, "REDUNDANT")
			}
		}
		for _, m := range members(s, g, "").Members {
			if strings.EqualFold(m.State, control.StateLeft) {
				continue
			}
			if _, ok := at[m.KeyServer]; !ok {
				add(m.KeyServer, "REDUNDANT")
			}
			on := &b.Servers[at[m.KeyServer]]
			on.Members = append(on.Members, m)
		}
		return b
	}))
}

func (all summaries) print(p *page) {
	p.line(0, "Group Member Information :")
	for i, b := range all {
		if p.blank(); i > 0 {
			p.blank()
		}
		p.line(0, "Group Name: %s, ID: %s, Group Members: %d", b.Group, b.Identity, b.Members)
		for k, on := range b.Servers {
			if k > 0 {
				p.blank()
			}
			p.line(0, "Key Server ID: %s, GMDB state: %s, Group Members: %d", on.ID, on.State, len(on.Members))
			p.line(2, "%-15s %-12s %-13s %s", "Member ID", "Version", "Rekey sent", "Rekey Ack missed")
			for _, m := range on.Members {
				p.line(2, "%-15s %-12s %-13d %d", m.ID, m.Version, m.Rekeys, m.Missed)
			}
		}
	}
}
