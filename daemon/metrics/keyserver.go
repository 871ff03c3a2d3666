package metrics

import (
	"slices"
	"strconv"

	"github.com/getvpn/getvpn/daemon/control"
)

func (w *writer) keyServer(k *control.KeyServer) {
	w.set(sessions, float64(k.Sessions), "established")
	w.set(sessions, float64(k.HalfOpen), "half-open")
	for i := range k.Groups[:min(len(k.Groups), maxGroups)] {
		g := &k.Groups[i]
		w.words(health, g.Name, g.Health, "OK", "DEGRADED", "EXPIRING")
		w.members(g)
		w.set(rekeysSent, float64(g.RekeysSent), g.Name)
		w.set(transmitting, float64(g.Transmitting), g.Name)
		w.time(nextRekey, g.NextRekey, g.Name)
		w.time(lastRekey, g.LastRekey, g.Name)
		w.keys(g.Name, g.KEK, g.TEKs)
		w.policy(g.Name, g.Mode, g.PolicyDigest, g.Policy, false)
		w.set(primary, truth(g.Role == control.RolePrimary), g.Name)
		if g.Coop != nil {
			w.coop(g.Name, g.Coop)
		} else {
			w.set(ready, 1, g.Name)
		}
	}
}

// members are counted; to name them would make a series of each.
func (w *writer) members(g *control.KSGroup) {
	var missing, left int
	var rtt []float64
	for i := range g.Members {
		m := &g.Members[i]
		if m.State == control.StateLeft {
			left++
			continue
		}
		if m.Rekey.Missed > 0 {
			missing++
		}
		if m.Rekey.AckCount > 0 {
			rtt = append(rtt, m.Rekey.RTT/1000)
		}
	}
	w.set(members, float64(g.Present()), g.Name, control.StateRegistered)
	w.set(members, float64(left), g.Name, control.StateLeft)
	w.set(members, float64(len(g.Removed)), g.Name, control.StateRemoved)
	w.set(unacked, float64(missing), g.Name)
	w.set(inKeyTree, float64(g.KeyTree), g.Name)
	w.set(ejected, float64(g.Ejected), g.Name)
	w.set(sids, float64(g.SIDsUsed), g.Name)
	w.set(sidsLimit, float64(g.SIDsTotal), g.Name)
	if len(rtt) > 0 {
		slices.Sort(rtt)
		w.set(ackRTT, rtt[len(rtt)/2], g.Name, "median")
		w.set(ackRTT, rtt[len(rtt)-1], g.Name, "max")
	}
}

func (w *writer) coop(group string, c *control.Coop) {
	w.set(ready, truth(c.Ready), group)
	w.set(term, float64(c.Term), group)
	w.set(unreachable, float64(len(c.Unreachable)), group)
	w.set(rivals, float64(len(c.Rivals)), group)
	w.set(differs, truth(len(c.Diff) > 0), group)
	lag := uint64(0) // what is counted anew in each term cannot be compared across terms
	if c.Version.Term == c.Replicated.Term && c.Version.N > c.Replicated.N {
		lag = c.Version.N - c.Replicated.N
	}
	w.set(behind, float64(lag), group)
	links := map[string]int{control.LinkDown: 0, control.LinkNegotiating: 0, control.LinkUp: 0, control.LinkSilent: 0}
	for i := range c.Peers {
		p := &c.Peers[i]
		links[p.Link]++
		if i >= maxPeers {
			continue
		}
		id := strconv.Itoa(p.ID)
		w.set(peerUp, truth(p.Link == control.LinkUp), group, id)
		if p.Heard >= 0 {
			w.set(peerHeard, p.Heard, group, id)
			w.set(peerRTT, p.RTT/1000, group, id)
			w.set(peerClock, p.ClockOffset/1000, group, id)
		}
		w.set(peerRepeats, float64(p.Retransmits), group, id)
	}
	for link, n := range links {
		w.set(coopPeers, float64(n), group, link)
	}
}
