package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/getvpn/getvpn/gdoi/coop"
	"github.com/getvpn/getvpn/gdoi/keyserver"
)

// Plan is a run to be played: everything that happens in it follows from this.
type Plan struct {
	Config Config
	Faults []Fault
	// Until Active there are faults; then everything is mended, and all must be well after Settle, and stay so for Quiet.
	Active, Settle, Quiet time.Duration
}

// String describes it in a line.
func (p *Plan) String() string {
	c := p.Config
	b := fmt.Sprintf("seed %d: %d members, A %v, TEK %v, KEK %v, loss %.0f %%", c.Seed, c.Members, c.Group.ActivationDelay, c.Group.TEKLifetime,
		c.Group.KEKLifetime, 100*c.Network.Loss)
	if k := c.Coop; k != nil {
		b += fmt.Sprintf(", %d key servers, %v, %s timers", k.KeyServers, k.Split, k.timers().Profile())
		if k.OwnKeys {
			b += ", own signing keys"
		}
	}
	if c.Group.SIDBits != 0 {
		b += fmt.Sprintf(", %d bits of sender ids", c.Group.SIDBits)
	}
	if c.Group.AntiReplay.Window != 0 {
		b += ", time stamps"
	}
	if c.Custody {
		b += ", KEKs in tokens"
	}
	if c.Strict {
		b += ", strict"
	}
	return b
}

// dice draws plans.
type dice struct {
	*rand.Rand
	p Plan
}

func (d *dice) within(from, to time.Duration) time.Duration {
	return from + time.Duration(d.Int64N(int64(to-from)))/time.Millisecond*time.Millisecond
}

func (d *dice) oneIn(n int) bool { return d.IntN(n) == 0 }

// Draw makes the plan of a seed, for cooperating key servers. Three of four plans are strict: their faults are such that no
// packet may be lost but between the sides of a fork. The others mix everything, and must keep what is never to be broken
// and become well again. In one plan of three KEKs are in key custodies (plantokens.go).
func Draw(seed uint64) Plan { return withTokens(seed, draw(seed), false) }

// DrawCustody is Draw with KEKs in key custodies whatever the seed says.
func DrawCustody(seed uint64) Plan { return withTokens(seed, draw(seed), true) }

func draw(seed uint64) Plan {
	d := &dice{Rand: rand.New(rand.NewPCG(seed, 0x706c616e))}
	d.p.Config = Config{Seed: seed, Members: 3 + d.IntN(4), StartSpread: 3 * time.Second, DPD: 10 * time.Second, Strict: !d.oneIn(4)}
	c := &d.p.Config
	c.Coop = &Coop{KeyServers: []int{2, 3, 3, 3, 4, 5}[d.IntN(6)], Level: d.oneIn(4), Split: coop.Split(d.IntN(2)), OwnKeys: d.oneIn(2)}
	c.Group = keyserver.Config{TEKLifetime: 60 * time.Second, KEKLifetime: 10 * time.Minute, ActivationDelay: 5 * time.Second}
	c.Coop.Timers = coop.Timers{Announce: time.Second, Dead: 3 * time.Second, Query: 500 * time.Millisecond, Retries: 3}
	d.p.Active, d.p.Settle, d.p.Quiet = 5*time.Minute, 2*time.Minute, 90*time.Second
	unit := time.Second
	switch d.IntN(8) {
	case 0:
		c.Coop.Timers = coop.FastTimers
	case 1:
		c.Coop.Timers, unit = coop.DefaultTimers, 10*time.Second
		c.Group = keyserver.Config{TEKLifetime: 12 * time.Minute, KEKLifetime: time.Hour, ActivationDelay: 60 * time.Second}
		d.p.Active, d.p.Settle, d.p.Quiet = 50*time.Minute, 20*time.Minute, 12*time.Minute
	}
	if d.oneIn(3) {
		c.Group.KEKLifetime = c.Group.TEKLifetime * 3 / 2
	}
	if d.oneIn(5) {
		c.Group.AntiReplay = keyserver.AntiReplay{Window: 10 * time.Second, Demand: d.oneIn(2)}
	}
	c.Spread = !d.oneIn(3)
	c.Network = Network{Latency: time.Millisecond, Jitter: 20 * time.Millisecond}
	if d.oneIn(2) {
		c.Network = Network{Loss: 0.02, Duplicate: 0.02, Latency: time.Millisecond, Jitter: 100 * time.Millisecond}
		if c.Group.AntiReplay.Window > 0 {
			c.Network.Loss = 0 // a registration whose answer is repeated tells the time to half a second only
		}
	}
	d.clocks()
	if c.Strict {
		d.gentle(unit)
	} else {
		d.harsh(unit)
	}
	return d.p
}

// clocks are off, and drift.
func (d *dice) clocks() {
	c := &d.p.Config
	for i := range c.Coop.KeyServers {
		d.add(Fault{Kind: FaultDrift, Node: ks(i), N: d.IntN(201) - 100})
		if off := d.IntN(4001) - 2000; d.oneIn(2) {
			d.add(Fault{Kind: FaultWall, Node: ks(i), N: off})
		} else if d.oneIn(4) {
			d.add(Fault{Kind: FaultWall, Node: ks(i), N: 1000 * off})
		}
	}
	for i := range c.Members {
		d.add(Fault{Kind: FaultDrift, Node: gm(i), N: d.IntN(201) - 100})
	}
}

func (d *dice) add(f Fault) { d.p.Faults = append(d.p.Faults, f) }

func ks(i int) string { return fmt.Sprintf("ks%d", i+1) }
func gm(i int) string { return fmt.Sprintf("gm%d", i+1) }

// someKS is one of the key servers; half of the time the primary of the moment.
func (d *dice) someKS() string {
	if d.oneIn(2) {
		return primaryName
	}
	return ks(d.IntN(d.p.Config.Coop.KeyServers))
}

func (d *dice) someGM() string { return gm(d.IntN(d.p.Config.Members)) }

// sides divides all nodes; members of some divisions hear all key servers.
func (d *dice) sides() string {
	c := d.p.Config
	n := 2
	if c.Coop.KeyServers > 2 && d.oneIn(4) {
		n = 3
	}
	sides := make([][]string, n)
	order := d.Perm(c.Coop.KeyServers)
	for i, k := range order {
		at := i
		if i >= n {
			at = d.IntN(n)
		}
		sides[at] = append(sides[at], ks(k))
	}
	if !d.oneIn(4) {
		for i := range c.Members {
			at := d.IntN(n)
			sides[at] = append(sides[at], gm(i))
		}
	}
	var text []string
	for _, s := range sides {
		text = append(text, strings.Join(s, ","))
	}
	if d.oneIn(10) {
		return strings.Join(text, ">")
	}
	return strings.Join(text, "|")
}

// gentle draws faults one after the other, most of which end before the next begins: while a key server with the state of the
// group lives, nothing may be lost.
func (d *dice) gentle(unit time.Duration) {
	t := d.p.Config.Coop.settling()
	at := t
	for {
		at += d.within(unit, 30*unit)
		f := Fault{At: at, For: d.within(unit/2, 25*unit)}
		apart := t
		switch d.IntN(12) {
		case 0:
			f.Kind, f.Node, f.N = FaultCrash, d.someKS(), d.IntN(12)
		case 1:
			f.Kind, f.Node = FaultReboot, d.someKS()
		case 2:
			f.Kind, f.Node = FaultErase, d.someKS()
		case 3:
			f.Kind, f.Node = FaultPause, d.someKS()
		case 4:
			f.Kind, f.Node, f.N = FaultSlow, d.someKS(), 20+d.IntN(1500)
		case 5, 6, 7:
			f.Kind, f.Node, f.For = FaultCut, d.sides(), d.within(unit, 90*unit)
			if d.oneIn(4) { // a link that flaps
				for range 2 + d.IntN(4) {
					f.For = d.within(unit/10, 6*unit)
					d.add(f)
					f.At += f.For + d.within(unit/10, 6*unit)
				}
			}
		case 8:
			f.Kind, f.N, f.For, apart = FaultRekey, d.IntN(2), 0, 0
		case 9:
			f.Kind, f.Node, f.For, apart = FaultHandover, d.someKS(), 0, 0
		case 10:
			f.Kind, f.Node, apart = FaultCrash, d.someGM(), 0
		case 11:
			f.Kind, f.Node, f.For, apart = FaultReregister, d.someGM(), 0, 0
		}
		if f.At+f.For > d.p.Active {
			return
		}
		d.add(f)
		if apart > 0 && d.oneIn(5) && f.Kind != FaultErase {
			// Something happens in the middle of it. Sides that have the same keys must know that they are apart: what an operator
			// orders in the seconds before that, only one of them does.
			from := time.Duration(0)
			if d.p.Config.Coop.Split == coop.Continue {
				from = t
			}
			if from <= f.For {
				d.add(Fault{At: f.At + d.within(from, f.For+1), Kind: FaultRekey, N: d.IntN(2)})
			}
		}
		at = f.At + f.For + apart
	}
}

// harsh draws anything at any time.
func (d *dice) harsh(unit time.Duration) {
	c := &d.p.Config
	if d.oneIn(3) {
		c.Group.SIDBits = 12
	}
	for range 6 + d.IntN(12) {
		f := Fault{At: d.within(unit, d.p.Active), For: d.within(unit/2, 40*unit)}
		switch d.IntN(16) {
		case 0, 1:
			f.Kind, f.Node, f.N = FaultCrash, d.someKS(), d.IntN(12)
		case 2:
			f.Kind, f.Node = FaultReboot, d.someKS()
		case 3:
			f.Kind, f.Node = FaultErase, d.someKS()
			if c.Group.SIDBits != 0 {
				f.Kind = FaultReboot // with so few sender ids it would give none until nobody can have those of before
			}
		case 4:
			f.Kind, f.Node = FaultPause, d.someKS()
		case 5:
			f.Kind, f.Node, f.N = FaultSlow, d.someKS(), 20+d.IntN(4000)
		case 6:
			f.Kind, f.Node = FaultStore, d.someKS()
		case 7:
			f.Kind, f.Node = FaultCustody, d.someKS()
		case 8, 9, 10:
			f.Kind, f.Node, f.For = FaultCut, d.sides(), d.within(unit, 90*unit)
		case 11:
			f.Kind, f.N = FaultLoss, 5+d.IntN(30)
		case 12:
			f.Kind, f.N, f.For = FaultRekey, d.IntN(2), 0
		case 13:
			f.Kind, f.Node, f.For = FaultRemove, d.someGM(), 0
			d.add(f)
			f.At, f.Kind = f.At+d.within(unit, 40*unit), FaultReadmit
		case 14:
			f.Kind, f.Node, f.N = FaultCrash, d.someGM(), d.IntN(8)
		case 15:
			f.Kind, f.Node, f.For = FaultHandover, d.someKS(), 0
			if d.oneIn(2) {
				f.Kind, f.Node, f.N = FaultWall, d.someKS(), d.IntN(20001)-10000
			}
		}
		if f.At+f.For <= d.p.Active {
			d.add(f)
		}
	}
}
