package classic

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/getvpn/getvpn/daemon/control"
)

// ServerBlock is a group on a key server.
type ServerBlock struct {
	Group      string      `json:"group_name"`
	Identity   string      `json:"group_identity"`
	Type       string      `json:"group_type"`
	Members    int         `json:"group_members"`
	Ack        string      `json:"rekey_acknowledgement_cfg"`
	Direction  string      `json:"ipsec_sa_direction"`
	ACLs       []string    `json:"acl_configured"`
	Redundancy *Redundancy `json:"redundancy,omitempty"`
}

// Redundancy is this key server among those of its group.
type Redundancy struct {
	Address  string `json:"local_address"`
	Priority int    `json:"local_priority"`
	Status   string `json:"local_ks_status"`
	Role     string `json:"local_ks_role"`
	Version  string `json:"local_ks_version"`
	Coop     string `json:"local_coop_version"`
}

// ServerBlocks are all groups of a key server.
type ServerBlocks struct {
	Total  int           `json:"total_group_members"`
	Groups []ServerBlock `json:"groups"`
}

// eachKS lists the groups of a key server that a query is about, with their places.
func eachKS[T any](s *control.Snapshot, q Query, build func(i int, g *control.KSGroup) T) []T {
	out := []T{}
	for i := range s.KS.Groups {
		if g := &s.KS.Groups[i]; q.Group == "" || q.Group == g.Name {
			out = append(out, build(i, g))
		}
	}
	return out
}

func ksInfo(s *control.Snapshot, q Query) Answer   { return servers(s, q, false) }
func ksDetail(s *control.Snapshot, q Query) Answer { return servers(s, q, true) }

func servers(s *control.Snapshot, q Query, detail bool) Answer {
	all := &ServerBlocks{Groups: eachKS(s, q, func(_ int, g *control.KSGroup) ServerBlock { return serverBlock(s, g, detail) })}
	for i := range s.KS.Groups {
		all.Total += s.KS.Groups[i].Present()
	}
	return all
}

func serverBlock(s *control.Snapshot, g *control.KSGroup, detail bool) ServerBlock {
	b := ServerBlock{Group: g.Name, Identity: g.ID, Type: gdoiType, Members: g.Present(), Ack: acknowledgement(g.Acknowledge), Direction: direction(g.Mode)}
	for _, t := range newest(g.TEKs) {
		b.ACLs = append(b.ACLs, aclName(g, t))
	}
	if len(b.ACLs) == 0 {
		b.ACLs = []string{g.Name}
	}
	if c := g.Coop; c != nil && detail {
		b.Redundancy = &Redundancy{c.Address, c.Priority, localStatus(c), title(c.Role), s.Version, coopVersion(c.Protocol)}
	}
	return b
}

// localStatus is Blocked while a key server registers no members.
func localStatus(c *control.Coop) string {
	if !c.Ready {
		return "Blocked"
	}
	return "Alive"
}

// coopVersion is a version of the messages in three parts: those of one number understand each other.
func coopVersion(protocol int) string { return fmt.Sprintf("%d.0.0", protocol) }

// newest are the newest TEK of each SA, in the order of the oldest.
func newest(teks []control.TEK) (out []*control.TEK) {
	for i := range teks {
		t := &teks[i]
		if k := slices.IndexFunc(out, func(o *control.TEK) bool { return o.SA == t.SA }); k >= 0 {
			out[k] = t
		} else {
			out = append(out, t)
		}
	}
	return out
}

// aclName is what the access list of a TEK is called: as its SA, or as the group.
func aclName(g *control.KSGroup, t *control.TEK) string { return cmp.Or(t.SA, g.Name) }

func (all *ServerBlocks) print(p *page) {
	p.line(0, "Total group members registered to this box: %d", all.Total)
	for i := range all.Groups {
		p.blank()
		all.Groups[i].print(p)
	}
}

func (b *ServerBlock) print(p *page) {
	p.line(0, "Key Server Information For Group %s:", b.Group)
	f := func(label string, value any) { p.field(4, 25, label, value) }
	f("Group Name", b.Group)
	f("Re-auth on new CRL", "Disabled")
	f("Group Identity", b.Identity)
	f("Group Type", b.Type)
	f("Group Members", b.Members)
	f("Rekey Acknowledgement Cfg", b.Ack)
	f("IPSec SA Direction", b.Direction)
	f("IP D3P Window", "Disabled")
	f("Split Resiliency Factor", 0)
	f("CKM status", "Disabled")
	p.line(4, "ACL Configured:")
	for _, name := range b.ACLs {
		p.line(8, "access-list %s", name)
	}
	b.printRedundancy(p)
}

func (b *ServerBlock) printRedundancy(p *page) {
	r := b.Redundancy
	if r == nil {
		return
	}
	p.field(4, 25, "Redundancy", "Configured")
	f := func(label string, value any) { p.field(8, 21, label, value) }
	f("Local Address", r.Address)
	f("Local Priority", r.Priority)
	f("Local KS Status", r.Status)
	f("Local KS Role", r.Role)
	f("Local KS Version", r.Version)
	f("Local COOP Version", r.Coop)
}

// ACLOf is the access list of a group on its key server.
type ACLOf struct {
	Group string   `json:"group_name"`
	Name  string   `json:"access_list"`
	List  []string `json:"configured_acl"`
}

type aclsOf []ACLOf

func ksACL(s *control.Snapshot, q Query) Answer {
	return aclsOf(eachKS(s, q, func(_ int, g *control.KSGroup) ACLOf {
		b := ACLOf{g.Name, g.Name, []string{}}
		for _, r := range g.Policy {
			b.List = append(b.List, entry(r.Text))
		}
		return b
	}))
}

func (all aclsOf) print(p *page) {
	for i, b := range all {
		if i > 0 {
			p.blank()
		}
		p.line(0, "Group Name: %s", b.Group)
		p.line(1, "Configured ACL:")
		for _, e := range b.List {
			p.line(3, "access-list %s  %s", b.Name, e)
		}
	}
}
