package gm

import (
	"slices"
	"strings"

	"github.com/getvpn/getvpn/daemon/config"
	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/daemon/translate"
	"github.com/getvpn/getvpn/esp/engine"
	"github.com/getvpn/getvpn/gdoi/member"
	"github.com/getvpn/getvpn/gdoi/node"
)

// groupMember merges what the machine knows with the counters of the data path.
func groupMember(c *config.GM, s node.GMSnapshot, e engine.Stats, t []engine.TimeStats) *control.GroupMember {
	g := &control.GroupMember{Groups: []control.GMGroup{}}
	for i, m := range s.Groups {
		one := group(&c.Groups[i], m, e)
		one.AntiReplay = antiReplay(c.Groups[i].ReplayWindow, m.Time, t[i])
		g.Groups = append(g.Groups, one)
	}
	return g
}

func group(c *config.GMGroup, s member.Snapshot, e engine.Stats) control.GMGroup {
	g := control.GMGroup{
		Name: s.Name, ID: c.ID.Text, State: s.State.String(), StateReason: s.Reason, FailMode: "closed", Mode: s.Mode.String(),
		KeyServers: []string{}, RegisteredAt: s.RegisteredAt, ReregisterAt: s.ReregisterAt,
		Registrations: s.Registrations, Attempts: s.Attempts, RekeysReceived: s.RekeysReceived, LastRekey: s.LastRekey,
		Policy: []control.Rule{}, KEK: translate.KEK(s.KEKs), TEKs: []control.TEK{}, SIDBits: s.SIDBits,
		SIDs: translate.SIDs(s.SIDs), ReplayWindow: c.ReplayWindow, AuthFailureText: s.AuthFailure,
	}
	g.Multicast, g.Acknowledge, g.AcksSent = []string{}, s.Ack.String(), s.AcksSent
	for _, a := range s.Multicast {
		g.Multicast = append(g.Multicast, a.String())
	}
	if c.FailOpen {
		g.FailMode = "open"
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
	if g.RekeySigners = s.Signers; s.RekeyedBy.IsValid() {
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
	for _, t := range s.TEKs {
		tek := translate.TEK(t)
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

// dataPath is the traffic.
func (d *Daemon) dataPath(e engine.Stats) control.DataPath {
	out := control.DataPath{
		TUN: d.cfg.Interfaces.TUN, LAN: append([]string{}, d.cfg.Interfaces.LAN...), WAN: d.cfg.Interfaces.WAN,
		InPackets: e.InPackets, InBytes: e.InBytes, OutPackets: e.OutPackets, OutBytes: e.OutBytes,
		Clear: e.Clear, Drops: []control.Counter{},
	}
	if p := d.path.Load(); p != nil {
		out.Backend, out.Slower = p.Name, p.Notes
	}
	_, out.MTU = d.kernel.kernel.MTU()
	r := d.engine.ICMPStats(engine.Instant(d.clock.Now().Mono))
	out.Routers = control.Routers{Translated: r.Translated, Lowered: r.PathMTU, Paths: r.Paths, Narrowest: r.Narrowest}
	out.Down, out.Restarts = d.traffic.state()
	for _, c := range e.Drops {
		out.Drops = append(out.Drops, control.Counter(c))
	}
	kernel, err := d.kernel.kernel.Drops()
	if err != nil {
		d.log.Debug("the guard's counters", "error", err)
	}
	for name, count := range kernel {
		if count > 0 {
			out.Drops = append(out.Drops, control.Counter{Name: name, Count: count})
		}
	}
	slices.SortFunc(out.Drops, func(a, b control.Counter) int { return strings.Compare(a.Name, b.Name) })
	for _, sa := range e.SAs {
		out.Senders += sa.Senders
	}
	return out
}
