package gm

import (
	"slices"
	"strings"

	"github.com/getvpn/getvpn/daemon/control"
	"github.com/getvpn/getvpn/esp/engine"
)

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
