package classic

import (
	"fmt"

	"github.com/getvpn/getvpn/daemon/control"
)

// ServerOfGroup is what only a key server has. Times are seconds.
type ServerOfGroup struct {
	ServerBlock
	Transport string     `json:"rekey_transport"`
	KEKLife   int        `json:"group_rekey_lifetime"`
	KEKLeft   int        `json:"group_rekey_remaining"`
	KEKRekey  int        `json:"group_rekey_time_to_rekey"`
	Period    float64    `json:"rekey_retransmit_period"`
	Attempts  int        `json:"rekey_retransmit_attempts"`
	SAs       []ServerSA `json:"ipsec_sas"`
}

// ServerSA is a security association as its key server has it: the newest TEK.
type ServerSA struct {
	Number   int    `json:"ipsec_sa_number"`
	Profile  string `json:"profile_name"`
	Life     int    `json:"ipsec_sa_rekey_lifetime"`
	Replay   string `json:"replay_method"`
	Window   int    `json:"replay_window_size"` // seconds; 0: members choose their windows
	Left     int    `json:"sa_rekey_remaining"`
	ToRekey  int    `json:"sa_rekey_time_to_rekey"`
	Protects string `json:"acl_configured"`
}

func serverGroup(s *control.Snapshot, i int, g *control.KSGroup) GroupBlock {
	b := GroupBlock{Name: g.Name, Identity: g.ID, Type: gdoiType, CryptoPath: policyPath(g.Policy), KeyPath: path(host(s.Local)), Direction: direction(g.Mode), Servers: []string{"Local"}}
	k := &ServerOfGroup{ServerBlock: serverBlock(s, g, true), Transport: title(g.RekeyKind), Period: g.RetransmitPeriod, Attempts: g.Retransmits}
	if g.KEK != nil {
		k.KEKLife, k.KEKLeft, k.KEKRekey = g.KEK.Lifetime, g.KEK.Remaining, until(s.Time, g.KEK.NextRekey)
	}
	for n, t := range newest(g.TEKs) {
		sa := ServerSA{Number: n + 1, Profile: aclName(g, t), Life: t.Lifetime, Replay: "Count Based", Left: t.Remaining, ToRekey: until(s.Time, g.NextRekey), Protects: aclName(g, t)}
		if g.ReplayValue > 0 {
			sa.Replay, sa.Window = "Time Based", int(g.ReplayValue)
		}
		k.SAs = append(k.SAs, sa)
	}
	b.Server = k
	return b
}

func (b *GroupBlock) printServer(p *page) {
	k := b.Server
	f := func(label string, value any) { p.field(4, 25, label, value) }
	f("Group Name", fmt.Sprintf("%s (%s)", b.Name, k.Transport))
	f("Re-auth on new CRL", "Disabled")
	f("Group Identity", b.Identity)
	f("Group Type", b.Type)
	f("Crypto Path", b.CryptoPath)
	f("Key Management Path", b.KeyPath)
	f("Group Members", k.Members)
	f("IPSec SA Direction", b.Direction)
	f("IP D3P Window", "Disabled")
	f("Split Resiliency Factor", 0)
	f("CKM status", "Disabled")
	k.printRedundancy(p)
	f("Group Rekey Lifetime", fmt.Sprint(k.KEKLife, " secs"))
	p.line(4, "Group Rekey")
	p.line(8, "%-21s: %d secs", "Remaining Lifetime", k.KEKLeft)
	p.line(8, "%-21s: %d secs", "Time to Rekey", k.KEKRekey)
	p.line(8, "%-21s: %s", "Acknowledgement Cfg", k.Ack)
	f("Rekey Retransmit Period", fmt.Sprintf("%g secs", k.Period))
	f("Rekey Retransmit Attempts", k.Attempts)
	for i := range k.SAs {
		k.SAs[i].print(p)
	}
	p.blank()
	p.field(5, 24, "Group Server list", b.Servers[0])
}

func (s *ServerSA) print(p *page) {
	f := func(label string, value any) { p.field(6, 23, label, value) }
	p.blank()
	f("IPSec SA Number", s.Number)
	f("IPSec SA Rekey Lifetime", fmt.Sprint(s.Life, " secs"))
	f("Profile Name", s.Profile)
	f("Replay method", s.Replay)
	if s.Window > 0 {
		f("Replay Window Size", s.Window)
	}
	f("Tagging method", "Disabled")
	p.line(6, "SA Rekey")
	p.line(9, "%-20s: %d secs", "Remaining Lifetime", s.Left)
	p.line(9, "%-20s: %d secs", "Time to Rekey", s.ToRekey)
	f("ACL Configured", "access-list "+s.Protects)
}
