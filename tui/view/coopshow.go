package view

import (
	"fmt"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// CoopStatus is one group on one key server, in the names that operators of existing products know; element of
// `show coop --json`.
type CoopStatus struct {
	Group   string `json:"group"`
	Handle  string `json:"group_handle"`            // its identity
	Server  int    `json:"local_key_server_handle"` // its number
	Node    string `json:"node"`
	Address string `json:"local_address"`

	Priority int    `json:"local_priority"`
	Role     string `json:"local_ks_role"`    // Primary or Secondary
	Status   string `json:"local_ks_status"`  // Alive or Blocked
	Version  string `json:"local_ks_version"` //
	Protocol int    `json:"local_coop_version"`

	PrimaryTimers   *PrimaryTimers   `json:"primary_timers,omitempty"`
	SecondaryTimers *SecondaryTimers `json:"secondary_timers,omitempty"`
	Sessions        []CoopSession    `json:"peer_sessions"`

	Coop *control.Coop `json:"coop"` // all of it
}

// PrimaryTimers are those of a primary, in seconds.
type PrimaryTimers struct {
	Refresh   float64 `json:"primary_refresh_policy_time"`
	Remaining float64 `json:"remaining_time"`
	Seq       uint64  `json:"antireplay_sequence_number"`
}

// SecondaryTimers are those of a secondary, in seconds.
type SecondaryTimers struct {
	Periodic  float64 `json:"sec_primary_periodic_time"`
	Remaining float64 `json:"remaining_time"`
	Retries   int     `json:"retries"`
	WrongTime uint64  `json:"invalid_ann_pst_recvd"`
	Blocked   string  `json:"new_gm_temp_blk_enforced"` // Yes or No
	Seq       uint64  `json:"antireplay_sequence_number"`
}

// CoopSession is a session with a peer.
type CoopSession struct {
	Server   int          `json:"server_handle"`
	Address  string       `json:"peer_address"`
	Version  string       `json:"peer_version"`
	Coop     int          `json:"peer_coop_version"`
	Protocol string       `json:"coop_protocol"`
	Priority int          `json:"peer_priority"`
	Role     string       `json:"peer_ks_role"`
	Status   string       `json:"peer_ks_status"` // Alive, Dead or Unknown
	Seq      uint64       `json:"antireplay_sequence_number"`
	IKE      string       `json:"ike_status"`
	Counters CoopCounters `json:"counters"`
}

// CoopCounters are what was sent to and received from a peer.
type CoopCounters struct {
	Sent      uint64 `json:"ann_msgs_sent"`
	SentReply uint64 `json:"ann_msgs_sent_with_reply_request"`
	Recv      uint64 `json:"ann_msgs_recv"`
	RecvReply uint64 `json:"ann_msgs_recv_with_reply_request"`
	Drops     uint64 `json:"packet_recv_drops"`
	BytesSent uint64 `json:"total_bytes_sent"`
	BytesRecv uint64 `json:"total_bytes_recv"`
}

// coopProtocol is ours; others have "base" and "optimize".
const coopProtocol = "getvpn"

// statuses lists the groups of all key servers that answer.
func statuses(fleet *source.Fleet, group string) []CoopStatus {
	out := []CoopStatus{}
	for _, n := range fleet.KeyServers() {
		if n.Snap == nil || n.Snap.KS == nil || !n.Connected {
			continue
		}
		for i := range n.Snap.KS.Groups {
			if g := &n.Snap.KS.Groups[i]; group == "" || group == g.Name {
				out = append(out, coopStatus(&n, g))
			}
		}
	}
	return out
}

func coopStatus(n *source.Node, g *control.KSGroup) CoopStatus {
	s := CoopStatus{Group: g.Name, Handle: g.ID, Node: n.Name, Sessions: []CoopSession{}, Coop: g.Coop}
	c := g.Coop
	if c == nil {
		return s
	}
	s.Server, s.Address, s.Priority, s.Role, s.Status, s.Version, s.Protocol = c.ID, c.Address, c.Priority, title(c.Role), "Alive", n.Snap.Version, c.Protocol
	seq := uint64(0)
	for i := range c.Peers {
		seq = max(seq, c.Peers[i].SendSeq)
		s.Sessions = append(s.Sessions, coopSession(&c.Peers[i]))
	}
	blocked := "No"
	if !c.Ready {
		s.Status, blocked = "Blocked", "Yes"
	}
	if c.Role == control.RolePrimary {
		s.PrimaryTimers = &PrimaryTimers{c.AnnInterval, c.NextAnn, seq}
	} else {
		s.SecondaryTimers = &SecondaryTimers{c.DeadInterval, c.NextCheck, c.Retries, c.WrongTime, blocked, seq}
	}
	return s
}

func coopSession(p *control.CoopPeer) CoopSession {
	status := "Dead"
	switch {
	case p.Link == control.LinkUp:
		status = "Alive"
	case p.Heard < 0:
		status = "Unknown"
	}
	return CoopSession{
		Server: p.ID, Address: p.Address, Version: p.Software, Coop: p.Protocol, Protocol: coopProtocol, Priority: p.Priority, Role: title(p.Role),
		Status: status, Seq: p.RecvSeq, IKE: title(p.IKE),
		Counters: CoopCounters{p.AnnSent, p.AnnSentReply, p.AnnRecv, p.AnnRecvReply, p.Drops, p.BytesSent, p.BytesRecv},
	}
}

// title is a word with its first letter large, "Unknown" if there is none.
func title(word string) string {
	if word == "" {
		return "Unknown"
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

// Print is what `show coop` prints: the lines and labels that scripts for existing products read, then what only we have.
func (Coop) Print(f *Frame) []string {
	var out []string
	line := func(depth int, format string, args ...any) {
		out = append(out, strings.Repeat(" ", depth)+fmt.Sprintf(format, args...))
	}
	for _, c := range shared(f.Fleet, f.Group) {
		for _, b := range banners(c, f.Fleet) {
			line(0, "! group %s: %s", b.Group, b.Text)
			for _, l := range b.Lines {
				line(0, "!   %s", l)
			}
		}
	}
	for _, s := range statuses(f.Fleet, f.Group) {
		if out != nil {
			line(0, "")
		}
		line(0, "Crypto Gdoi Group Name :%s", s.Group)
		line(8, "Group handle: %s, Local Key Server handle: %d", s.Handle, s.Server)
		if s.Coop == nil {
			line(8, "*NO* redundancy configured for this group")
			continue
		}
		line(0, "")
		line(8, "Local Address: %s", s.Address)
		line(8, "Local Priority: %d", s.Priority)
		line(8, "Local KS Role: %-9s , Local KS Status: %s", s.Role, s.Status)
		line(8, "Local KS version: %s", s.Version)
		line(8, "Local COOP version: %d", s.Protocol)
		s.printTimers(line)
		s.printOurs(line, f.Fleet)
		line(8, "Peer Sessions:")
		for i := range s.Sessions {
			s.Sessions[i].print(line, i+1, &s.Coop.Peers[i])
		}
	}
	switch {
	case out != nil:
	case f.Group == "":
		line(0, "no attached key server has a group")
	default:
		line(0, "no attached key server has a group %s", f.Group)
	}
	return out
}

type printLine func(depth int, format string, args ...any)

func (s *CoopStatus) printTimers(line printLine) {
	if t := s.PrimaryTimers; t != nil {
		line(8, "Primary Timers:")
		line(16, "Primary Refresh Policy Time: %s", seconds(t.Refresh))
		line(16, "Remaining Time: %s", seconds(t.Remaining))
		line(16, "Antireplay Sequence Number: %d", t.Seq)
		return
	}
	t := s.SecondaryTimers
	line(8, "Secondary Timers:")
	line(16, "Sec Primary Periodic Time: %s", seconds(t.Periodic))
	line(16, "Remaining Time: %s, Retries: %d", seconds(t.Remaining), t.Retries)
	line(16, "Invalid ANN PST recvd: %d", t.WrongTime)
	line(16, "New GM Temporary Blocking Enforced?: %s", t.Blocked)
	line(16, "Antireplay Sequence Number: %d", t.Seq)
}

// printOurs prints what others have no line for.
func (s *CoopStatus) printOurs(line printLine, fleet *source.Fleet) {
	c := s.Coop
	line(8, "Node: %s, Term: %d, Follows: %s, Epoch: %d", s.Node, c.Term, follows(fleet.Cooperation(s.Group), c), c.Epoch)
	line(8, "State: %d/%d, Replicated: %d/%d", c.Version.Term, c.Version.N, c.Replicated.Term, c.Replicated.N)
	line(8, "Split mode: %s, Profile: %s, Query: %s x %d", c.Split, c.Profile, seconds(c.Query), c.QueryRetries)
	if c.Role == control.RolePrimary { // others have the counter on a secondary alone
		line(8, "Announcements with a wrong group time: %d", c.WrongTime)
	}
	if !c.Ready {
		line(8, "Blocked because: %s", c.Why)
	}
}

func (p *CoopSession) print(line printLine, n int, more *control.CoopPeer) {
	line(8, "Session %d:", n)
	line(16, "Server handle: %d", p.Server)
	line(16, "Peer Address: %s", p.Address)
	line(16, "Peer Version: %s", p.Version)
	line(16, "Peer COOP version: %d", p.Coop)
	line(16, "COOP Protocol: %s", p.Protocol)
	line(16, "Peer Priority: %d", p.Priority)
	line(16, "Peer KS Role: %-9s , Peer KS Status: %s", p.Role, p.Status)
	line(16, "Antireplay Sequence Number: %d", p.Seq)
	line(0, "")
	line(16, "IKE status: %s", p.IKE)
	line(16, "Counters:")
	line(20, "Ann msgs sent: %d", p.Counters.Sent)
	line(20, "Ann msgs sent with reply request: %d", p.Counters.SentReply)
	line(20, "Ann msgs recv: %d", p.Counters.Recv)
	line(20, "Ann msgs recv with reply request: %d", p.Counters.RecvReply)
	line(20, "Packet Recv drops: %d", p.Counters.Drops)
	line(20, "Total bytes sent: %d", p.Counters.BytesSent)
	line(20, "Total bytes recv: %d", p.Counters.BytesRecv)
	line(20, "Retransmits: %d, Queue: %d", more.Retransmits, more.Queue)
	line(16, "Link: %s, RTT: %.1f ms, Clock offset: %+.1f ms", more.Link, more.RTT, more.ClockOffset)
	line(16, "Peer term: %d, Epoch: %d, State: %d/%d, Members: %d", more.Term, more.Epoch, more.Has.Term, more.Has.N, more.Members)
}

// Data implements View.
func (Coop) Data(fleet *source.Fleet, group string) any {
	all := []Banner{}
	for _, c := range shared(fleet, group) {
		all = append(all, banners(c, fleet)...)
	}
	return map[string]any{"groups": statuses(fleet, group), "banners": all}
}
