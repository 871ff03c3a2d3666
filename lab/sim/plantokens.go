package sim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// everyKS names all key servers.
const everyKS = "all"

// withTokens gives one plan of three key custodies, or always, by a stream of its own: plans without stay what they were. Some
// faults of key servers become faults of their tokens, so that what a strict plan had one after the other still comes so.
func withTokens(seed uint64, p Plan, always bool) Plan {
	d := &dice{Rand: rand.New(rand.NewPCG(seed, 0x746f6b656e)), p: p}
	if !d.oneIn(3) && !always {
		return p
	}
	d.p.Config.Custody = true
	d.p.Faults = slices.Clone(p.Faults)
	for i := range d.p.Faults {
		if f := &d.p.Faults[i]; d.becomes(f) {
			d.token(f)
		}
	}
	if !p.Config.Strict {
		unit := p.Active / 300
		for range 2 + d.IntN(5) {
			f := Fault{At: d.within(unit, p.Active), For: d.within(unit/2, 40*unit), Node: d.someKS()}
			if d.token(&f); f.At+f.For <= p.Active {
				d.add(f)
			}
		}
	}
	return d.p
}

// becomes says whether a fault is to be one of a token.
func (d *dice) becomes(f *Fault) bool {
	switch f.Kind {
	case FaultCrash, FaultReboot, FaultPause, FaultSlow, FaultHandover:
		return f.Node[0] != 'g' && d.oneIn(2)
	}
	return false
}

// token makes a fault one of a token.
func (d *dice) token(f *Fault) {
	f.For = max(f.For, time.Second)
	switch d.IntN(8) {
	case 0, 1, 2:
		f.Kind, f.N = FaultToken, d.IntN(3000)
	case 3:
		// All tokens at once; where nothing may be lost, for less than a rollover can wait.
		f.Kind, f.N, f.Node = FaultToken, d.IntN(1000), everyKS
		if short := d.within(time.Second, 4*time.Second); d.p.Config.Strict {
			f.For = min(f.For, short)
		}
	case 4, 5:
		f.Kind, f.N = FaultTokenSlow, 50+d.IntN(700)
	case 6:
		f.Kind, f.N = FaultTokenFull, 0
	case 7:
		f.Kind, f.N = FaultTokenNew, 0
	}
}
