package source

import (
	"slices"

	"github.com/getvpn/getvpn/daemon/control"
)

// keepRates is how many values of a sparkline are kept.
const keepRates = 240

// Series is packets a second, one value for each snapshot after the first, oldest first.
type Series struct{ In, Out []float64 }

// KeyName is what the series of a TEK goes by: a group may have an SPI that another one has, too.
func KeyName(group, spi string) string { return group + "/" + spi }

// rate adds the packet rates between the old snapshot and the new one. What a Fleet that was handed out has is not changed.
func (n *Node) rate(snap *control.Snapshot) {
	if snap.GM == nil || n.Snap == nil || n.Snap.GM == nil || n.Snap.PID != snap.PID {
		return
	}
	dt := snap.Time.Sub(n.Snap.Time).Seconds()
	if dt <= 0.2 {
		return
	}
	a, b := &n.Snap.GM.DataPath, &snap.GM.DataPath
	n.In = push(n.In, perSecond(a.InPackets, b.InPackets, dt))
	n.Out = push(n.Out, perSecond(a.OutPackets, b.OutPackets, dt))
	n.Drops = push(n.Drops, perSecond(total(a.Drops), total(b.Drops), dt))
	keys := map[string]Series{}
	for i := range snap.GM.Groups {
		g := &snap.GM.Groups[i]
		for k := range g.TEKs {
			t := &g.TEKs[k]
			was := tekOf(n.Snap.GM, g.Name, t.SPI) // none: it is new, and has counted from 0
			s := n.Keys[KeyName(g.Name, t.SPI)]
			keys[KeyName(g.Name, t.SPI)] = Series{push(s.In, perSecond(was.InPackets, t.InPackets, dt)), push(s.Out, perSecond(was.OutPackets, t.OutPackets, dt))}
		}
	}
	n.Keys = keys // of keys that have ended nothing stays
}

// perSecond is the rate of a counter; 0 for one that began anew.
func perSecond(was, is uint64, dt float64) float64 {
	if is < was {
		return 0
	}
	return float64(is-was) / dt
}

func total(counters []control.Counter) (n uint64) {
	for _, c := range counters {
		n += c.Count
	}
	return n
}

func tekOf(gm *control.GroupMember, group, spi string) (none control.TEK) {
	for i := range gm.Groups {
		for k := range gm.Groups[i].TEKs {
			if t := gm.Groups[i].TEKs[k]; gm.Groups[i].Name == group && t.SPI == spi {
				return t
			}
		}
	}
	return none
}

func push(v []float64, x float64) []float64 {
	v = append(slices.Clip(v), x) // a new array: a Fleet that was handed out keeps the old one
	if len(v) > keepRates {
		v = v[len(v)-keepRates:]
	}
	return v
}

// Rate is the newest of some values; false: there is none yet.
func Rate(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	return values[len(values)-1], true
}

// Sum adds series up, aligned at their newest values: those of daemons whose snapshots come once a second.
func Sum(all ...[]float64) (out []float64) {
	for _, v := range all {
		if len(v) > len(out) {
			out = append(make([]float64, len(v)-len(out)), out...)
		}
		for i, x := range v {
			out[len(out)-len(v)+i] += x
		}
	}
	return out
}
