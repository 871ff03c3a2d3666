package classic

import (
	"cmp"
	"math"

	"github.com/getvpn/getvpn/daemon/control"
)

// CoopOf is a group among the key servers that share it. Times are seconds.
type CoopOf struct {
	Group      string      `json:"group_name"`
	Handle     int         `json:"group_handle"`
	Server     int         `json:"local_key_server_handle"`
	Redundancy bool        `json:"redundancy"`
	Local      *Redundancy `json:"local,omitempty"`
	Primary    *Refresh    `json:"primary_timers,omitempty"`
	Secondary  *Periodic   `json:"secondary_timers,omitempty"`
	Sessions   []Session   `json:"peer_sessions"`
	detail     bool
}

// Refresh is the timers of a primary.
type Refresh struct {
	Time      int    `json:"primary_refresh_policy_time"`
	Remaining int    `json:"remaining_time"`
	Seq       uint64 `json:"antireplay_sequence_number"`
}

// Periodic is the timers of a secondary.
type Periodic struct {
	Time      int    `json:"sec_primary_periodic_time"`
	Remaining int    `json:"remaining_time"`
	Retries   int    `json:"retries"`
	WrongTime uint64 `json:"invalid_ann_pst_recvd"`
	Blocked   bool   `json:"new_gm_temp_blk_enforced"`
	Seq       uint64 `json:"antireplay_sequence_number"`
}

// Session is a peer.
type Session struct {
	Server    int    `json:"server_handle"`
	Address   string `json:"peer_address"`
	Version   string `json:"peer_version"`
	Coop      string `json:"peer_coop_version"`
	Protocol  string `json:"coop_protocol"`
	Priority  int    `json:"peer_priority"`
	Role      string `json:"peer_ks_role"`
	Status    string `json:"peer_ks_status"`
	Seq       uint64 `json:"antireplay_sequence_number"`
	IKE       string `json:"ike_status"`
	Sent      uint64 `json:"ann_msgs_sent"`
	SentReply uint64 `json:"ann_msgs_sent_with_reply_request"`
	Recv      uint64 `json:"ann_msgs_recv"`
	RecvReply uint64 `json:"ann_msgs_recv_with_reply_request"`
	Drops     uint64 `json:"packet_recv_drops"`
	BytesSent uint64 `json:"total_bytes_sent"`
	BytesRecv uint64 `json:"total_bytes_recv"`
}

// coopProtocol is ours; others have base and optimize.
const coopProtocol = "getvpn"

type coopsOf []CoopOf

func ksCoop(s *control.Snapshot, q Query) Answer       { return coops(s, q, false) }
func ksCoopDetail(s *control.Snapshot, q Query) Answer { return coops(s, q, true) }

func coops(s *control.Snapshot, q Query, detail bool) Answer {
	return coopsOf(eachKS(s, q, func(i int, g *control.KSGroup) CoopOf {
		b := CoopOf{Group: g.Name, Handle: i + 1, Server: 1, Sessions: []Session{}, detail: detail}
		c := g.Coop
		if c == nil {
			return b
		}
		b.Server, b.Redundancy, b.Local = c.ID, true, serverBlock(s, g, true).Redundancy
		seq := uint64(0)
		for k := range c.Peers {
			b.Sessions = append(b.Sessions, session(&c.Peers[k]))
			seq = max(seq, c.Peers[k].SendSeq)
		}
		if c.Role == control.RolePrimary {
			b.Primary = &Refresh{whole(c.AnnInterval), whole(c.NextAnn), seq}
		} else {
			b.Secondary = &Periodic{whole(c.DeadInterval), whole(c.NextCheck), c.Retries, c.WrongTime, !c.Ready, seq}
		}
		return b
	}))
}

// whole seconds, up: a timer that runs shows at least one.
func whole(seconds float64) int { return int(math.Ceil(max(0, seconds))) }

func session(p *control.CoopPeer) Session {
	status := "Dead"
	switch {
	case p.Link == control.LinkUp:
		status = "Alive"
	case p.Heard < 0:
		status = "Unknown"
	}
	return Session{
		p.ID, p.Address, cmp.Or(p.Software, "unknown"), coopVersion(p.Protocol), coopProtocol, p.Priority, title(p.Role), status, p.RecvSeq, title(p.IKE),
		p.AnnSent, p.AnnSentReply, p.AnnRecv, p.AnnRecvReply, p.Drops, p.BytesSent, p.BytesRecv,
	}
}

func (all coopsOf) print(p *page) {
	for i := range all {
		if i > 0 {
			p.blank()
		}
		all[i].print(p)
	}
}

func (b *CoopOf) print(p *page) {
	p.line(0, "Crypto Gdoi Group Name :%s", b.Group)
	p.line(8, "Group handle: %d, Local Key Server handle: %d", b.Handle, b.Server)
	if !b.Redundancy {
		p.line(8, "*NO* redundancy configured for this group")
		return
	}
	l := b.Local
	p.blank()
	p.line(8, "Local Address: %s", l.Address)
	p.line(8, "Local Priority: %d", l.Priority)
	p.line(8, "Local KS Role: %-9s , Local KS Status: %s", l.Role, l.Status)
	p.line(8, "Local KS version: %s", l.Version)
	p.line(8, "Local COOP version: %s", l.Coop)
	b.printTimers(p)
	p.line(8, "Peer Sessions:")
	for i := range b.Sessions {
		b.Sessions[i].print(p, i+1)
	}
}

func (b *CoopOf) printTimers(p *page) {
	user := func() {
		if b.detail {
			p.line(16, "Per-user timer remaining time: 0")
		}
	}
	if t := b.Primary; t != nil {
		p.line(8, "Primary Timers:")
		p.line(16, "Primary Refresh Policy Time: %d", t.Time)
		p.line(16, "Remaining Time: %d", t.Remaining)
		user()
		p.line(16, "Antireplay Sequence Number: %d", t.Seq)
		return
	}
	t, blocked := b.Secondary, "No"
	if t.Blocked {
		blocked = "Yes"
	}
	p.line(8, "Secondary Timers:")
	p.line(16, "Sec Primary Periodic Time: %d", t.Time)
	p.line(16, "Remaining Time: %d, Retries: %d", t.Remaining, t.Retries)
	p.line(16, "Invalid ANN PST recvd: %d", t.WrongTime)
	p.line(16, "New GM Temporary Blocking Enforced?: %s", blocked)
	user()
	p.line(16, "Antireplay Sequence Number: %d", t.Seq)
}

func (s *Session) print(p *page, n int) {
	p.line(8, "Session %d:", n)
	p.line(16, "Server handle: %d", s.Server)
	p.line(16, "Peer Address: %s", s.Address)
	p.line(16, "Peer Version: %s", s.Version)
	p.line(16, "Peer COOP version: %s", s.Coop)
	p.line(16, "COOP Protocol: %s", s.Protocol)
	p.line(16, "Peer Priority: %d", s.Priority)
	p.line(16, "Peer KS Role: %-9s , Peer KS Status: %s", s.Role, s.Status)
	p.line(16, "Antireplay Sequence Number: %d", s.Seq)
	p.blank()
	p.line(16, "IKE status: %s", s.IKE)
	p.line(16, "Counters:")
	p.line(20, "Ann msgs sent: %d", s.Sent)
	p.line(20, "Ann msgs sent with reply request: %d", s.SentReply)
	p.line(20, "Ann msgs recv: %d", s.Recv)
	p.line(20, "Ann msgs recv with reply request: %d", s.RecvReply)
	p.line(20, "Packet Recv drops: %d", s.Drops)
	p.line(20, "Total bytes sent: %d", s.BytesSent)
	p.line(20, "Total bytes recv: %d", s.BytesRecv)
}

// CoopVersions are the versions of what key servers tell each other; here they are one.
type CoopVersions struct {
	Infra   string            `json:"coop_ver"`
	Clients map[string]string `json:"clients"`
}

// coopClients are what devices number by itself: keys and policy, members, sender ids.
var coopClients = []string{"KS_POLICY_CLIENT", "GROUP_MEMBER_CLIENT", "SID_CLIENT"}

func ksCoopVersion(s *control.Snapshot, q Query) Answer {
	v := ""
	for _, n := range eachKS(s, q, func(_ int, g *control.KSGroup) int {
		if g.Coop == nil {
			return 0
		}
		return g.Coop.Protocol
	}) {
		if n > 0 {
			v = coopVersion(n)
		}
	}
	all := &CoopVersions{v, map[string]string{}}
	for _, c := range coopClients {
		if v != "" {
			all.Clients[c] = v
		}
	}
	return all
}

func (v *CoopVersions) print(p *page) {
	if v.Infra == "" {
		p.line(0, "*NO* redundancy configured")
		return
	}
	p.line(0, "Cooperative key server infra Version : %s", v.Infra)
	for _, c := range coopClients {
		p.line(0, "Client : %-23s Version : %s", c, v.Clients[c])
	}
}
