package classic

import (
	"github.com/getvpn/getvpn/daemon/control"
)

// GMBlock is a group on a member.
type GMBlock struct {
	Group       string `json:"group"`
	Direction   string `json:"ipsec_sa_direction"`
	ACL         string `json:"acl_received_from_ks"`
	Member      string `json:"group_member"`
	VRF         string `json:"vrf"`
	LocalAddr   string `json:"local_addr"`
	LocalPort   string `json:"local_addr_port"`
	RemoteAddr  string `json:"remote_addr"`
	RemotePort  string `json:"remote_addr_port"`
	Version     string `json:"version"`
	Status      string `json:"registration_status"`
	RegisteredW string `json:"registered_with,omitempty"`
	Reregisters int    `json:"reregisters_in_sec"`
	Succeeded   uint64 `json:"succeeded_registration"`
	Attempted   uint64 `json:"attempted_registration"`
	RekeyFrom   string `json:"last_rekey_from"`
	RekeySeq    uint32 `json:"last_rekey_seq_num"`
	Transport   string `json:"rekey_transport"`
	Rekeys      uint64 `json:"rekey_received"`
	AcksSent    uint64 `json:"rekey_acks_sent"`
	RekeyRcvd   string `json:"rekey_rcvd"`
	TEKs        int    `json:"active_tek_number"`
	FailClose   string `json:"fail_close_revert"`
	Reason      string `json:"reason,omitempty"` // why the status is what it is
}

type gmBlocks []GMBlock

// eachGM lists the groups of a member that a query is about.
func eachGM[T any](s *control.Snapshot, q Query, build func(g *control.GMGroup) T) []T {
	out := []T{}
	for i := range s.GM.Groups {
		if g := &s.GM.Groups[i]; q.Group == "" || q.Group == g.Name {
			out = append(out, build(g))
		}
	}
	return out
}

func gmInfo(s *control.Snapshot, q Query) Answer {
	return gmBlocks(eachGM(s, q, func(g *control.GMGroup) GMBlock { return gmBlock(s, g) }))
}

func gmBlock(s *control.Snapshot, g *control.GMGroup) GMBlock {
	b := GMBlock{
		Group: g.Name, Direction: direction(g.Mode), ACL: downloadedName(g.Name), VRF: "None", Version: s.GDOIVersion, Status: title(g.State),
		Reregisters: until(s.Time, g.ReregisterAt), Succeeded: g.Registrations, Attempted: g.Attempts, RekeyFrom: host(g.RekeyedBy),
		Transport: "Unicast", Rekeys: g.RekeysReceived, AcksSent: g.AcksSent, RekeyRcvd: clock(s.Time, g.LastRekey), FailClose: "Disabled", Reason: g.StateReason,
	}
	b.LocalAddr, b.LocalPort = hostPort(s.Local)
	b.Member = b.LocalAddr
	remote := g.RegisteredWith
	if remote == "" && len(g.KeyServers) > 0 {
		remote = g.KeyServers[0]
	}
	b.RemoteAddr, b.RemotePort = hostPort(remote)
	if g.RegisteredWith != "" {
		b.RegisteredW = b.RemoteAddr
	}
	if len(g.Multicast) > 0 {
		b.Transport = "Multicast"
	}
	if g.KEK != nil && g.RekeysReceived > 0 {
		b.RekeySeq = g.KEK.Seq
	}
	if g.FailMode == "closed" {
		b.FailClose = "Enabled"
	}
	for i := range g.TEKs {
		if g.TEKs[i].Phase != control.PhaseExpired {
			b.TEKs++
		}
	}
	return b
}

// downloadedName is what devices call the list that a key server sent.
func downloadedName(group string) string { return "gdoi_group_" + group + "_temp_acl" }

func (all gmBlocks) print(p *page) {
	for i := range all {
		if i > 0 {
			p.blank()
		}
		all[i].print(p)
	}
}

func (b *GMBlock) print(p *page) {
	p.line(0, "Group Member Information For Group %s:", b.Group)
	p.field(4, 25, "IPSec SA Direction", b.Direction)
	p.field(4, 25, "ACL Received From KS", b.ACL)
	p.blank()
	p.line(4, "%-25s: %-15s vrf: %s", "Group member", b.Member, b.VRF)
	f := func(label string, value any) { p.field(7, 22, label, value) }
	f("Local addr/port", b.LocalAddr+"/"+b.LocalPort)
	f("Remote addr/port", b.RemoteAddr+"/"+b.RemotePort)
	f("fvrf/ivrf", "None/None")
	f("Version", b.Version)
	f("Registration status", b.Status)
	if b.RegisteredW != "" {
		f("Registered with", b.RegisteredW)
	} else {
		f("Registering to", b.RemoteAddr)
	}
	p.line(7, "%-22s: %d sec", "Re-registers in", b.Reregisters)
	f("Succeeded registration", b.Succeeded)
	f("Attempted registration", b.Attempted)
	f("Last rekey from", b.RekeyFrom)
	f("Last rekey seq num", b.RekeySeq)
	f(b.Transport+" rekey received", b.Rekeys)
	if b.Transport == "Unicast" {
		f("Rekey ACKs sent", b.AcksSent)
	}
	f("Rekey Rcvd(hh:mm:ss)", b.RekeyRcvd)
	f("PFS Rekey received", 0)
	f("DP Error Monitoring", "OFF")
	p.field(7, 27, "IPSEC init reg executed", 0)
	p.field(7, 27, "IPSEC init reg postponed", 0)
	f("Active TEK Number", b.TEKs)
	f("SA Track (OID/status)", "disabled")
	p.line(7, "Fail-Close Revert : %s", b.FailClose)
}
