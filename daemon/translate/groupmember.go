package translate

import (
	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/node"
)

// GroupMember merges what a member's machine knows with the counters of its data path: t is of the groups in their order.
func GroupMember(c *config.GM, s node.GMSnapshot, e engine.Stats, t []engine.TimeStats) *control.GroupMember {
	g := &control.GroupMember{Groups: []control.GMGroup{}}
	for i, m := range s.Groups {
		one := gmGroup(&c.Groups[i], m, e)
		one.AntiReplay = antiReplay(c.Groups[i].ReplayWindow, m.Time, t[i])
		g.Groups = append(g.Groups, one)
	}
	return g
}

func gmGroup(c *config.GMGroup, s member.Snapshot, e engine.Stats) control.GMGroup {
	g := control.GMGroup{
		Name: s.Name, ID: c.ID.Text, State: s.State.String(), StateReason: s.Reason, FailMode: "closed", Mode: s.Mode.String(),
		KeyServers: []string{}, RegisteredAt: s.RegisteredAt, ReregisterAt: s.ReregisterAt,
		Registrations: s.Registrations, Attempts: s.Attempts, RekeysReceived: s.RekeysReceived, LastRekey: s.LastRekey,
		Policy: []control.Rule{}, KEK: KEK(s.KEKs), TEKs: []control.TEK{}, SIDBits: s.SIDBits,
		SIDs: SIDs(s.SIDs), SIDsAsked: s.SIDsAsked, RekeysSince: s.RekeysSince, SigningKeys: []control.SigningKey{},
		ReplayWindow: c.ReplayWindow, AuthFailureText: s.AuthFailure,
	}
	g.Multicast, g.Acknowledge, g.AcksSent = []string{}, s.Ack.String(), s.AcksSent
	for _, a := range s.Multicast {
		g.Multicast = append(g.Multicast, a.String())
	}
	if c.FailOpen {
		g.FailMode = "open"
	}
	for _, k := range s.SigningKeys {
		key := control.SigningKey{Algorithm: k.Alg, DER: k.DER}
		if k.Seen.IsValid() {
			key.KeyServer = k.Seen.String()
		}
		g.SigningKeys = append(g.SigningKeys, key)
	}
	for _, ks := range s.KeyServers {
		g.KeyServers = append(g.KeyServers, ks.String())
	}
	for _, ks := range s.Unreachable {
		g.KeyServersUnreachable = append(g.KeyServersUnreachable, ks.String())
	}
	if s.RegisteredWith.IsValid() {
		g.RegisteredWith = s.RegisteredWith.String()
	}
	if g.RekeySigners = len(s.SigningKeys); s.RekeyedBy.IsValid() {
		g.RekeyedBy = s.RekeyedBy.String()
	}
	if group := s.Policy[min(s.LocalRules, len(s.Policy)):]; len(group) > 0 {
		g.PolicyDigest = group.Digest()
	}
	for i, r := range s.Policy {
		rule := control.Rule{Text: r.String(), Owner: "group"}
		index := i - s.LocalRules
		if local := index < 0; local {
			rule.Owner, index = "local", i
		}
		rule.Hits = hits(e, s.Name, rule.Owner == "local", index)
		g.Policy = append(g.Policy, rule)
	}
	for _, one := range e.Groups {
		if one.Name == s.Name {
			g.InPackets, g.InBytes, g.OutPackets, g.OutBytes = one.InPackets, one.InBytes, one.OutPackets, one.OutBytes
		}
	}
	for _, t := range s.TEKs {
		tek := TEK(t)
		for _, sa := range e.SAs {
			if sa.SPI == uint32(t.SPI) && sa.Group == s.Name {
				tek.InPackets, tek.InBytes, tek.OutPackets, tek.OutBytes = sa.InPackets, sa.InBytes, sa.OutPackets, sa.OutBytes
			}
		}
		g.TEKs = append(g.TEKs, tek)
	}
	return g
}

func hits(e engine.Stats, group string, local bool, index int) uint64 {
	for _, r := range e.Rules {
		if r.Group == group && r.Local == local && r.Index == index {
			return r.Hits
		}
	}
	return 0
}

// antiReplay is what operators see of a group's windows.
func antiReplay(window int, t member.TimeInfo, s engine.TimeStats) control.AntiReplay {
	out := control.AntiReplay{
		ReplayWindow: window, Value: t.Window.Seconds(), On: t.On, Pseudotime: t.Now.Seconds(), Offset: t.Offset.Seconds(), Drift: float64(t.Drift) / 1000,
		InPackets: s.In, OutPackets: s.Out, InErrors: s.Stale, Unstamped: s.Unstamped,
		SyncErrors: t.Errors, Syncs: t.Syncs, LateSyncs: t.Late, LastCorrection: t.Last.Seconds(), MaxCorrection: t.MaxDelta.Seconds(), MaxDelta: s.MaxDelta.Seconds(),
		SyncedAt: t.SyncedAt, Demand: []string{}, History: []control.LatePacket{},
	}
	for _, spi := range t.Demand {
		out.Demand = append(out.Demand, spi.String())
	}
	for _, l := range s.Recent {
		out.History = append(out.History, control.LatePacket{
			Source: l.Source.String(), SPI: gdoi.SPI(l.SPI).String(), Mine: l.Mine.Seconds(), Peer: (l.Mine - l.Age).Seconds(), Window: l.Window.Seconds(),
		})
	}
	return out
}
