package main

import (
	"maps"

	"github.com/getvpn/getvpn/lab/compose"
	"github.com/getvpn/getvpn/lab/driver"
	"github.com/getvpn/getvpn/lab/netns"
	"github.com/getvpn/getvpn/lab/sim/live"
)

// drivers are what labs can be made of.
var drivers = driver.Set{netns.Name: netns.Driver{}, compose.Name: compose.Driver{}, live.Name: live.Driver{}}

// seeded are the drivers for who has chosen a seed, which is that of the simulator too; virtual: its time is its own, see live.Virtual.
func seeded(seed uint64, virtual bool) driver.Set {
	set := maps.Clone(drivers)
	set[live.Name] = live.Driver{Seed: seed, Virtual: virtual}
	return set
}
