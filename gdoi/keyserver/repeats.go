package keyserver

import "time"

// offsets are when a PUSH is repeated to those who have not acknowledged it. With unicast that ends by A/2, with
// multicast it goes on while somebody is silent, but not beyond A: from then on members register again by themselves.
func (g *Group) offsets(multicast bool) []time.Duration {
	n := g.cfg.Retransmits
	if n <= 0 {
		return nil
	}
	gap := min(g.cfg.Retransmit, g.cfg.ActivationDelay/2/time.Duration(n))
	var o []time.Duration
	for at := gap; multicast && at < g.cfg.ActivationDelay || len(o) < n; at += gap {
		o = append(o, at)
	}
	return o
}

// ackPatience is how long after the last repeat an acknowledgement may come.
func (g *Group) ackPatience() time.Duration {
	return min(ackPatience, ackPatienceInDelays*g.cfg.ActivationDelay)
}
