package sourcetest

import (
	"fmt"
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/tui/source"
)

// Coop returns the fleet of Fleet with three key servers: ks1 is primary, ks3 waits for the state of the group.
func Coop() *source.Fleet {
	f := Fleet()
	f.Nodes = append(servers(f.Nodes[0].Snap), f.Nodes[1:]...)
	third := coopOf(f, 3)
	third.Ready, third.Why, third.Version = false, "the state of the group is on its way from key server 1", control.CoopVersion{}
	return f
}

// Gone returns the fleet of Coop after the primary, ks1, has hung: ks2 is primary, and misses it.
func Gone() *source.Fleet {
	f := Coop()
	f.Nodes[0].Seen = Now.Add(-2 * time.Second)
	for i := 2; i <= 3; i++ {
		c := coopOf(f, i)
		c.Ready, c.Why, c.Primary, c.Term, c.PrimarySince = true, "", 2, 4, Now.Add(-1*time.Second)
		c.Unreachable, c.SplitSince = []int{1}, Now.Add(-2*time.Second)
		c.History = append(c.History, control.CoopElection{At: c.PrimarySince, Term: 4, Primary: 2, Reason: "dead", Text: "key server 1, which was primary, is out of reach"})
		p := &c.Peers[0]
		p.Link, p.Heard = control.LinkSilent, 2
		g := &f.Nodes[i-1].Snap.KS.Groups[0]
		g.Health, g.HealthReason = "DEGRADED", "out of reach: key server 1"
		if i == 2 {
			c.Role, g.Role = control.RolePrimary, control.RolePrimary
		}
	}
	return f
}

// Split returns that fleet after ks3 has lost the others for 34 s and is primary by itself, with another policy.
func Split() *source.Fleet {
	f := Coop()
	since := Now.Add(-34 * time.Second)
	for i := 1; i <= 3; i++ {
		c := coopOf(f, i)
		for k := range c.Peers {
			if p := &c.Peers[k]; (p.ID == 3) != (i == 3) {
				p.Link, p.IKE, p.Heard = control.LinkSilent, "none", 34.2
				c.Unreachable, c.SplitSince = append(c.Unreachable, p.ID), since
			}
		}
	}
	c := coopOf(f, 3)
	c.Role, c.Primary, c.Term, c.Epoch, c.PrimarySince, c.Ready, c.Why = control.RolePrimary, 3, 4, 13, Now.Add(-33*time.Second), true, ""
	c.History = append(c.History, control.CoopElection{At: c.PrimarySince, Term: 4, Primary: 3, Reason: "split", Text: "key server 1 did not answer 3 queries"})
	g := &f.Nodes[2].Snap.KS.Groups[0]
	g.Role, g.TEKs = control.RolePrimary, append(teks(), control.TEK{SPI: "bada5503", Suite: "aes-256-gcm", Epoch: 13, Phase: control.PhaseWaiting, Remaining: 98, Lifetime: 100})
	second := coopOf(f, 2)
	second.Ready, second.Why = false, "its policy is not the primary's"
	second.WrongTime = 4
	second.Diff = []string{"- permit ip 10.1.0.0/16 10.1.0.0/16", "+ permit ip 10.1.0.0/16 10.1.0.0/17"}
	return f
}

func coopOf(f *source.Fleet, id int) *control.Coop { return f.Nodes[id-1].Snap.KS.Groups[0].Coop }

// servers makes three key servers of one.
func servers(one *control.Snapshot) []source.Node {
	var out []source.Node
	version := control.CoopVersion{Term: 3, N: 118}
	for i := 1; i <= 3; i++ {
		addr := fmt.Sprintf("172.16.10%d.1", i-1)
		snap, state := *one, *one.KS
		group := one.KS.Groups[0]
		group.Members = append([]control.KSMember(nil), group.Members...)
		for k := range group.Members {
			group.Members[k].KeyServer = 1 + k%2
		}
		role := control.RoleSecondary
		if i == 1 {
			role = control.RolePrimary
		}
		c := &control.Coop{
			ID: i, Address: addr, Protocol: 1, Priority: 110 - 10*i, Role: role, Ready: true, Term: 3, Primary: 1, PrimarySince: Now.Add(-75 * time.Minute),
			Split: "fork", Epoch: 12, Profile: "default", AnnInterval: 20, DeadInterval: 30, Query: 10, QueryRetries: 3, NextAnn: 11, NextCheck: 21,
			Version: version, Replicated: version, Peers: []control.CoopPeer{},
			History: []control.CoopElection{
				{At: Now.Add(-3 * time.Hour), Term: 2, Primary: 2, Reason: "elected", Text: "the highest priority of 2 that live"},
				{At: Now.Add(-75 * time.Minute), Term: 3, Primary: 1, Reason: "handover"},
			},
		}
		for p := 1; p <= 3; p++ {
			if p == i {
				continue
			}
			peer := control.CoopPeer{
				ID: p, Address: fmt.Sprintf("172.16.10%d.1", p-1), Priority: 110 - 10*p, Role: control.RoleSecondary, Link: control.LinkUp, Heard: 9.1, Ready: true,
				Term: 3, Primary: 1, Epoch: 12, Members: 2, Has: version, SamePolicy: true, Sees: []int{1, 2, 3}, Software: "v1.0", Protocol: 1, IKE: "established",
				SendSeq: 5120, RecvSeq: 4890, AnnSent: 226, AnnSentReply: 1, AnnRecv: 225, AnnRecvReply: 1, BytesSent: 104_495, BytesRecv: 93_201, RTT: 1.4, ClockOffset: -12,
			}
			if p == 1 {
				peer.Role = control.RolePrimary
			}
			c.Peers = append(c.Peers, peer)
		}
		group.Role, group.Coop = role, c
		group.SIDsTotal, group.SIDFirst, group.SIDsUsed = 1<<21, uint64(i-1)<<21, uint64(i*i*i)*50_000
		state.Groups = []control.KSGroup{group}
		snap.Name, snap.Local, snap.KS, snap.Version = fmt.Sprintf("ks%d", i), addr+":848", &state, "v1.0"
		out = append(out, source.Node{Name: snap.Name, Role: control.RoleKeyServer, Connected: true, Operator: true, Seen: Now, Snap: &snap})
	}
	return out
}
