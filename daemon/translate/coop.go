package translate

import (
	"time"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi/coop"
)

// Coop shows how a group is shared with other key servers; nil: with nobody.
func Coop(i *coop.Info) *control.Coop {
	if i == nil {
		return nil
	}
	out := &control.Coop{
		ID: int(i.ID), Address: i.Addr.String(), Protocol: coop.ProtocolVersion, Priority: i.Priority, Role: i.Role.String(), Ready: i.Ready, Why: i.Why, Term: i.Term,
		Primary: int(i.Primary), PrimarySince: i.PrimarySince, Split: i.Split.String(), Unreachable: ids(i.Unreachable), Rivals: ids(i.Rivals),
		SplitSince: i.SplitSince, Merging: i.Merging, MergeLeft: i.MergeLeft.Seconds(), Epoch: i.Epoch, Profile: i.Profile, AnnInterval: i.AnnInterval.Seconds(),
		DeadInterval: i.DeadInterval.Seconds(), Query: i.QueryInterval.Seconds(), QueryRetries: i.QueryRetries,
		NextAnn: i.NextAnn.Seconds(), NextCheck: i.NextCheck.Seconds(), Retries: i.Retries,
		Version: control.CoopVersion(i.Version), Replicated: control.CoopVersion(i.Replicated), Diff: i.Diff, WrongTime: i.WrongTime,
		Peers: []control.CoopPeer{}, History: []control.CoopElection{},
	}
	for n := range i.Peers {
		out.Peers = append(out.Peers, coopPeer(&i.Peers[n]))
	}
	for _, e := range i.History {
		out.History = append(out.History, control.CoopElection{At: e.At, Term: e.Term, Primary: int(e.Primary), Reason: e.Reason, Text: e.Text})
	}
	return out
}

func coopPeer(p *coop.PeerInfo) control.CoopPeer {
	return control.CoopPeer{
		ID: int(p.ID), Address: p.Addr.String(), Priority: p.Priority, Role: p.Role.String(), Link: p.Link.String(), Heard: p.Heard.Seconds(),
		Ready: p.Ready, Term: p.Term, Primary: int(p.Primary), Epoch: p.Epoch, Members: p.Members, Has: control.CoopVersion(p.Has),
		SamePolicy: p.SamePolicy, Sees: ids(p.Sees), Software: p.Software, Protocol: int(p.Protocol), IKE: p.IKE, SendSeq: p.SendSeq,
		RecvSeq: p.RecvSeq, AnnSent: p.AnnSent, AnnSentReply: p.AnnSentReply, AnnRecv: p.AnnRecv, AnnRecvReply: p.AnnRecvReply,
		Drops: p.Drops, BytesSent: p.BytesSent, BytesRecv: p.BytesRecv, Retransmits: p.Retransmits, Queue: p.Queue,
		RTT: Milliseconds(p.RTT), ClockOffset: Milliseconds(p.ClockOffset),
	}
}

func ids(list []coop.ID) []int {
	out := make([]int, len(list))
	for i, id := range list {
		out[i] = int(id)
	}
	return out
}

// Milliseconds is a duration as the control API has it, in its fractions too.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
