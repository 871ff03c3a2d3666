package metrics

import "github.com/getvpn/getvpn/daemon/control"

func (w *writer) groupMember(m *control.GroupMember) {
	for i := range m.Groups[:min(len(m.Groups), maxGroups)] {
		g := &m.Groups[i]
		w.words(state, g.Name, g.State, control.StateUnregistered, control.StateRegistering, control.StateRegistered, control.StateReregistering, control.StateExpired)
		w.set(registrations, float64(g.Registrations), g.Name)
		w.set(attempts, float64(g.Attempts), g.Name)
		w.set(rekeysReceived, float64(g.RekeysReceived), g.Name)
		w.set(acksSent, float64(g.AcksSent), g.Name)
		w.time(lastRekey, g.LastRekey, g.Name)
		w.keys(g.Name, g.KEK, g.TEKs)
		w.policy(g.Name, g.Mode, g.PolicyDigest, g.Policy, true)
		w.set(replayDrops, float64(g.AntiReplay.InErrors), g.Name)
		w.set(keyServers, float64(len(g.KeyServers)), g.Name, "known")
		w.set(keyServers, float64(len(g.KeyServersUnreachable)), g.Name, "unreachable")
		if g.RegisteredWith != "" {
			w.set(registered, 1, g.Name, g.RegisteredWith)
		}
		for _, phase := range phases {
			var in, out uint64
			for k := range g.TEKs {
				if t := &g.TEKs[k]; t.Phase == phase {
					in, out = in+t.InPackets, out+t.OutPackets
				}
			}
			w.set(tekPackets, float64(in), g.Name, phase, "in")
			w.set(tekPackets, float64(out), g.Name, phase, "out")
		}
	}
	d := &m.DataPath
	w.set(packets, float64(d.InPackets), "in")
	w.set(packets, float64(d.OutPackets), "out")
	w.set(packets, float64(d.Clear), "clear")
	w.set(octets, float64(d.InBytes), "in")
	w.set(octets, float64(d.OutBytes), "out")
	w.counters(pathDrops, d.Drops)
	w.set(senders, float64(d.Senders))
	w.set(pathUp, truth(d.Down == "" && d.Backend != ""))
	w.set(restarts, float64(d.Restarts))
	w.set(backend, 1, d.Backend, d.WAN, d.TUN)
}
