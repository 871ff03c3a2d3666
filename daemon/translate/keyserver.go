package translate

import (
	"fmt"
	"strings"
	"time"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
	"github.com/getvpn/getvpn/gdoi/node"
)

// Health of a group.
const (
	healthOK       = "OK"
	healthDegraded = "DEGRADED"
	healthExpiring = "EXPIRING"
)

// KeyServer shows what a key server's machine knows. Its counters and times are the machine's; the configuration gives what that
// does not keep.
func KeyServer(c *config.KS, s node.KSSnapshot, stateFile string) *control.KeyServer {
	k := &control.KeyServer{Groups: []control.KSGroup{}, Sessions: s.Sessions, HalfOpen: s.HalfOpen, StateFile: stateFile}
	for _, g := range s.Groups {
		k.Groups = append(k.Groups, ksGroup(GroupNamed(c, g.Name), g))
	}
	return k
}

// GroupNamed finds a group's configuration. One that was added or removed in this very moment may have none.
func GroupNamed(c *config.KS, name string) *config.KSGroup {
	for i := range c.Groups {
		if c.Groups[i].Name == name {
			return &c.Groups[i]
		}
	}
	return new(config.KSGroup)
}

func ksGroup(c *config.KSGroup, s keyserver.Snapshot) control.KSGroup {
	g := control.KSGroup{
		Name: s.Name, ID: c.ID.Text, Role: control.RolePrimary, Mode: s.Mode.String(),
		Policy: []control.Rule{}, TEKs: []control.TEK{}, Members: []control.KSMember{},
		NextRekey: s.NextRekey, LastRekey: s.LastRekey, RekeysSent: s.RekeysSent, Transmitting: s.Transmitting,
		PolicyDigest: s.Policy.Digest(), SIDBits: s.SIDBits, SIDsUsed: s.SIDsUsed, SIDsTotal: s.SIDsTotal, SIDFirst: s.SIDFirst,
	}
	if s.Coop != nil {
		g.Coop, g.Role = Coop(s.Coop), s.Coop.Role.String()
	}
	g.Acknowledge, g.Ejected = s.Ack.String(), s.Ejected
	if g.RekeyKind = "unicast"; s.Multicast.IsValid() {
		g.RekeyKind, g.Multicast = "multicast", s.Multicast.String()
	}
	g.LastRekeyRepeats, g.LastRekeyTook = s.LastRekeyRepeats, Milliseconds(s.LastRekeyTook)
	g.Retransmits, g.RetransmitPeriod = s.Retransmits, s.Retransmit.Seconds()
	g.Health, g.HealthReason = health(s)
	g.ReplayValue, g.Unstamped, g.Pseudotime = s.Time.Window.Seconds(), "accept", s.Time.Now.Seconds()
	if s.Time.Demand {
		g.Unstamped = "drop"
	}
	for _, r := range s.Policy {
		g.Policy = append(g.Policy, control.Rule{Text: r.String(), Owner: "group"})
	}
	g.KEK = KEK(s.KEKs)
	for _, t := range s.TEKs {
		g.TEKs = append(g.TEKs, TEK(t))
	}
	g.KeyTree = s.KeyTree.Members
	for _, r := range s.Removed {
		g.Removed = append(g.Removed, control.Removed{Address: r.Addr.Addr().String(), Identity: r.Identity, At: r.At})
	}
	for _, m := range s.Members {
		state := control.StateRegistered
		if m.Left {
			state = control.StateLeft
		}
		version := ""
		if m.GetVPN {
			version = control.GDOIVersion
		}
		g.Members = append(g.Members, control.KSMember{
			Address: m.Addr.Addr().String(), Identity: m.Identity, Certificate: m.Certificate, State: state,
			RegisteredAt: m.RegisteredAt, Registrations: m.Registrations, RekeysSent: m.RekeysSent,
			LastSeq: m.LastSeq, Rekeys: m.Rekeys, SentSeqs: m.SentSeqs, AckedSeqs: m.AckedSeqs, Version: version,
			SIDs: SIDs(m.SIDs), KeyTree: m.KeyTree, KeyServer: int(m.KeyServer),
			Rekey: control.RekeyState{
				Acks: m.Acks, Acked: m.AckedSeq, AckCount: m.AckCount, Missed: m.Missed, MissedTotal: m.MissedTotal,
				RTT: Milliseconds(m.RTT),
			},
		})
	}
	return g
}

// health: a rollover begins four activation delays before the end of a key, so with less than two left and no newer key
// the members are about to lose theirs.
func health(s keyserver.Snapshot) (state, reason string) {
	if len(s.TEKs) > 0 && s.Least < 2*s.ActivationDelay {
		reason = fmt.Sprintf("the newest TEK ends in %s", s.Least.Round(time.Second))
		return healthExpiring, strings.Join(append([]string{reason}, s.Problems...), "; ")
	}
	if all := append(coopProblems(s.Coop), s.Problems...); len(all) > 0 {
		return healthDegraded, strings.Join(all, "; ")
	}
	return healthOK, ""
}

// coopProblems says what is wrong among the key servers of a group.
func coopProblems(i *coop.Info) (out []string) {
	if i == nil {
		return nil
	}
	if !i.Ready {
		out = append(out, "registers no members: "+i.Why)
	}
	if len(i.Unreachable) > 0 {
		out = append(out, fmt.Sprintf("out of reach: key server %s", idText(i.Unreachable)))
	}
	if len(i.Rivals) > 0 {
		out = append(out, fmt.Sprintf("primary too: key server %s", idText(i.Rivals)))
	}
	if len(i.Diff) > 0 {
		out = append(out, "its policy is not that of the primary")
	}
	return out
}

// idText is "1, 2".
func idText(list []coop.ID) string {
	var s []string
	for _, id := range list {
		s = append(s, fmt.Sprint(id))
	}
	return strings.Join(s, ", ")
}
